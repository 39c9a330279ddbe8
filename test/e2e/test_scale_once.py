# SPDX-License-Identifier: Apache-2.0
"""test_scale_once.py - what ./dev bench scale measures, and what it makes of its rows: table, text and picture."""
import json, os, re, subprocess, sys, xml.etree.ElementTree

import harness
from process import SLOW, die_with_parent

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench")
sys.path.insert(0, BENCH)
import plot
import run
import scale
import scale_page

SVG = "{http://www.w3.org/2000/svg}"
LOADS = ((10, 100), (100, 100), (1000, 100), (10_000, 100), (10_000, 10), (100, 1000), (10, 10_000), (2, 50_000))
IDLE_S, SCRAPE_S, SAMPLE_S = 1e-3, 200e-6, 500e-9    # what the made rows cost
IDLE, BUFFERS, TARGET, SERIES = 12 << 20, 2 << 20, 8192, 300


def made_row(agent, targets, samples, interval=10, slower=1):
    """A row as the models have it; slower: times as much CPU time."""
    scrapes = targets / interval
    cpu = (IDLE_S + scrapes * SCRAPE_S + scrapes * samples * SAMPLE_S) * slower if targets else IDLE_S
    row = {"agent": agent, "receiver": "nats", "load": f"{targets}x{samples}/{interval}s", "targets": targets,
           "samples": samples, "interval_s": interval, "why": None, "version": "1", "date": "2026-01-01",
           "machine": "one", "load_average": 0.5}
    if not targets:
        return {**row, "idle_cpu_ms_per_s": 1e3 * IDLE_S, "rss_idle_mib": IDLE / run.MIB, "page_us": 0.5, "rested_page_us": 9.25}
    memory = IDLE + BUFFERS + targets * TARGET + targets * samples * SERIES
    return {**row, "cpu_s_per_million": cpu / (scrapes * samples) * 1e6, "cpu_us_per_scrape": cpu / scrapes * 1e6,
            "rss_mib": memory / run.MIB, "missed": 0, "server_cores": 0.01, "window_s": 10}


def made_rows(agent="strata", **more):
    return [made_row(agent, 0, 0), *(made_row(agent, t, s, **more) for t, s in LOADS)]


class Plot(harness.Case):
    def draw(self, *panels):
        return xml.etree.ElementTree.fromstring(plot.svg("a & b", list(panels)))

    def test_steps_are_ones_twos_and_fives(self):
        for low, high, want in ((10, 10_000, [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000]), (0.3, 0.9, [0.2, 0.5, 1]),
                                (7, 7, [5, 10]), (100, 100, [100, 200]), (0.05, 0.05, [0.05, 0.1])):
            got = plot.steps(low, high)
            self.assertEqual(len(got), len(want), (low, high, got))
            for a, b in zip(got, want):
                self.assertAlmostEqual(a / b, 1)

    def test_labels(self):
        self.assertEqual([plot.label(v) for v in (10_000, 20, 1, 0.5, 0.05, 0.002)], ["10,000", "20", "1", "0.5", "0.05", "0.002"])

    def test_decades_are_equally_far_from_each_other(self):
        curve = plot.Curve("c", [(1000, 1), (10, 100), (100, 10), (0, 5)])
        root = self.draw(plot.Panel("t", "x", "y", [curve]))
        marks = [(float(c.get("cx")), float(c.get("cy"))) for c in root.iter(SVG + "circle")][-3:]
        self.assertEqual(len(list(root.iter(SVG + "circle"))), 4)    # and one of the legend; 0 has no place
        (a, d), (b, e), (c, f) = marks
        self.assertAlmostEqual(b - a, c - b, delta=0.2)
        self.assertAlmostEqual(e - d, f - e, delta=0.2)
        self.assertGreater(b - a, 50)
        self.assertGreater(e - d, 30)    # more is higher up

    def test_a_name_has_one_colour_and_a_thin_curve_no_marks(self):
        curves = [plot.Curve("one", [(1, 1), (2, 2)]), plot.Curve("one", [(1, 1), (2, 3)], thin=True), plot.Curve("two", [(1, 2)])]
        root = self.draw(plot.Panel("t", "x", "y", curves), plot.Panel("u", "x", "y", curves[2:]))
        self.assertEqual(len(list(root.iter(SVG + "circle"))), 3)
        self.assertEqual(sum(r.get("class") == "mark c1" for r in root.iter(SVG + "rect")), 3)
        texts = [t.text for t in root.iter(SVG + "text")]
        for text in ("one", "one, modelled", "two", "t", "u", "x", "y", "1", "2"):
            self.assertIn(text, texts)
        self.assertEqual(root.find(SVG + "title").text, "a & b")


class Page(harness.Case):
    def test_the_fit_finds_what_made_the_points(self):
        for got, want in zip(scale_page.fit([(1, a, b, 5 + 2 * a + 3e-6 * b) for a, b in LOADS]), (5, 2, 3e-6)):
            self.assertAlmostEqual(got / want, 1, places=3)

    def test_the_fit_says_when_the_points_do_not_tell(self):
        self.assertIsNone(scale_page.fit([(1, 10, 5), (2, 20, 10), (3, 30, 15)]))
        self.assertIsNone(scale_page.fit([(1, 10, 5)]))
        self.assertIsNone(scale_page.fit([]))

    def test_no_part_of_a_fit_is_below_nothing(self):
        a, b = scale_page.fit([(1, 10, 5), (1, 20, 11), (1, 40, 24)])
        self.assertEqual(a, 0)
        self.assertAlmostEqual(b, 0.55, delta=0.06)

    def test_the_text_tells_what_made_the_rows(self):
        text = scale_page.document(made_rows() + made_rows("vmagent"))
        for part in ("1.0 ms a second without any target", "200 µs for each scrape", "500 ns for each sample",
                     "12.0 MiB without any target", "2.0 MiB as soon as", "8.0 KiB for each target", "300 bytes for each series",
                     "a scrape of 100 series takes 1,250 µs with 10 targets and 251 µs with 10,000",
                     "Of the former 1,000 µs are", "At 400 series of a target", "there is no other bend", "(scale.svg)", "**vmagent → nats**"):
            self.assertIn(part, " ".join(text.split()))

    def test_a_bend_that_the_model_does_not_know_is_named(self):
        rows = [r for r in made_rows() if r["samples"] != 50_000] + [made_row("strata", 2, 50_000, slower=3)]
        self.assertRegex(" ".join(scale_page.document(rows).split()), r"is more than 30% off at .*2 × 50,000 \(\d(\.\d)? times\)")

    def test_who_does_not_keep_up_is_named_and_no_part_of_a_model(self):
        rows = made_rows()
        late = {**made_row("strata", 10_000, 100, slower=9), "missed": 2000}
        text = " ".join(scale_page.document([r for r in rows if r["load"] != late["load"]] + [late]).split())
        self.assertIn("did not keep up with 10,000 × 100,", text)
        self.assertIn("200 µs for each scrape", text)
        self.assertNotIn("did not keep up", scale_page.document(rows))

    def test_a_second_pace_is_told(self):
        rows = made_rows() + [made_row("strata", 100, 1000, 2, slower=0.5)]
        text = " ".join(scale_page.document(rows).split())
        self.assertRegex(text, r"\*\*Pace\*\*: 100 × 1,000 .* 2\.\d times.*9\.25 µs after ten seconds")
        self.assertEqual(text.count("200 µs for each scrape"), 1)    # the model is of one pace

    def test_the_table_has_a_row_for_each_and_ratios_to_the_baseline(self):
        failed = {**made_row("vmagent", 10, 100), "why": "no binary", "cpu_s_per_million": None}
        rows = made_rows() + [r for r in made_rows("vmagent", slower=4) if r["load"] != failed["load"]] + [failed]
        lines = scale_page.table(rows)
        self.assertEqual(len(lines), 2 + 2 * len(LOADS))
        self.assertEqual({line.count("|") for line in lines}, {14})
        self.assertEqual(sum("| 0.25 |" in line for line in lines), len(LOADS) - 1)
        self.assertTrue(any("no binary" in line for line in lines))

    def test_a_part_of_the_rows_is_enough(self):
        rows = made_rows()
        for some in (rows[:2], rows[1:2], rows[:4], rows[1:]):
            root = xml.etree.ElementTree.fromstring(scale_page.picture(some))
            self.assertGreater(len(list(root.iter(SVG + "circle"))), 4)
            self.assertIn("| missed |", scale_page.document(some))

    def test_the_picture_needs_nothing_else_and_is_drawn_for_both_backgrounds(self):
        text = scale_page.picture(made_rows() + made_rows("vmagent"))
        self.assertNotRegex(text.replace('xmlns="http://www.w3.org/2000/svg"', ""), "http|url\\(|@import|href|font-face")
        self.assertIn("prefers-color-scheme: dark", text)
        root = xml.etree.ElementTree.fromstring(text)
        texts = [t.text for t in root.iter(SVG + "text")]
        self.assertEqual(texts.count("CPU-s per million samples"), 2)
        self.assertEqual(texts.count("bytes per series"), 2)
        width, height = (float(root.get(n)) for n in ("width", "height"))
        for c in root.iter(SVG + "circle"):
            self.assertTrue(0 < float(c.get("cx")) < width and 0 < float(c.get("cy")) < height)
        self.assertEqual(len(list(root.iter(SVG + "circle"))), 1 + 2 * (4 + 5))

    def test_the_document_keeps_its_other_parts(self):
        path = os.path.join(self.folder, "BENCHMARKS.md")
        with open(path, "w") as f:
            f.write("# Own\n\n## Beside other agents\nfield\n\n## Scale\nold\n")
        self.addCleanup(setattr, run, "DOCUMENT", run.DOCUMENT)
        run.DOCUMENT = path
        scale.write_page([{**made_row("strata", 10, 100), "why": "failed"}])    # no figures: nothing is written
        with open(path) as f:
            self.assertIn("old", f.read())
        scale.write_page(made_rows())
        with open(path) as f:
            text = f.read()
        self.assertTrue(text.startswith("# Own\n\n## Beside other agents\nfield\n\n## Scale\n"), text[:200])
        self.assertNotIn("old", text)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "scale.svg")))


class Scale(harness.Case):
    def measure(self, loads):
        path = os.path.join(self.folder, "rows.json")
        done = subprocess.run(
            [sys.executable, "-B", os.path.join(BENCH, "scale.py"), "--dry", "--json", path, "--loads", loads, "--agents",
             "strata", "--window", "2", "--missing"],
            capture_output=True, text=True, timeout=120 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr[-4000:])
        with open(path) as f:
            return json.load(f), done

    def test_what_is_missing_is_measured_and_the_rest_is_kept(self):
        rows, _ = self.measure("3x50/1s")
        self.assertEqual([r["load"] for r in rows], [scale.IDLE, "3x50/1s"])
        self.assertTrue(all(r["why"] is None for r in rows), rows)
        self.assertGreater(rows[0]["rss_idle_mib"], 1)
        self.assertGreater(rows[0]["idle_cpu_ms_per_s"], 0)
        more, done = self.measure("3x50/1s,6x20/1s")
        self.assertEqual(more[:2], rows)
        self.assertEqual(re.findall(r"(?m)^(\S+): strata", done.stderr), ["6x20/1s"])
        row = more[2]
        self.assertEqual((row["targets"], row["samples"], row["interval_s"], row["receiver"]), (6, 20, 1, "nats"))
        for name in ("cpu_s_per_million", "cpu_us_per_scrape", "rss_mib", "server_cores"):
            self.assertGreater(row[name], 0, name)
        self.assertAlmostEqual(row["cpu_us_per_scrape"], row["cpu_s_per_million"] * row["samples"], delta=0.01)
        self.assertIn("| 6 × 20 | 1 s | strata |", done.stdout)

    def test_the_loads_are_those_of_both_ways(self):
        loads = [tuple(int(n) for n in re.fullmatch(r"(\d+)x(\d+)/\d+s", t).groups()) for t in scale.default_loads()]
        self.assertEqual([t for t, s in loads if s == 100], [10, 100, 1000, 10_000])
        self.assertEqual(sorted({s for t, s in loads if t * s == 100_000}), [10, 100, 1000, 10_000, 50_000])


if __name__ == "__main__":
    harness.main()
