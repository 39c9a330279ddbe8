# SPDX-License-Identifier: Apache-2.0
"""test_formats.py - what targets are asked for, how their pages are read, and what strict mode, rules
and failures make of them."""
import copy

import books
import harness

OM = {"Content-Type": "application/openmetrics-text; version=1.0.0; charset=utf-8"}
GOOD = ("# TYPE c counter\nc_total{a=\"1\"} 1 # {trace=\"x\"} 0.5 1.5\nc_created{a=\"1\"} 2\n"
        "# TYPE g gauge\ng 3\n# EOF\n")


def openmetrics(text):
    return lambda request: (200, OM, text)


class Formats(harness.Case):
    def run_pages(self, pages, pool=None, **source):
        server = self.pages(pages)
        conf = harness.config([server.url(path) for path in pages], pool=pool,
                              source={"interval": "1s", **source})
        return server, conf, self.agent(conf, name=f"agent-{len(self.started)}")

    def scraped(self, agent, times=2):
        before = books.scraped(agent.metrics())
        self.wait_for(lambda: books.scraped(agent.metrics()) >= before + times, 15, "scrapes")

    def records(self, agent, *names):
        return [o for o in harness.check_messages(self, agent.out()) if o["name"] in names]

    def test_openmetrics_is_asked_for_first_and_text_alone_where_a_pool_says_so(self):
        server, conf, agent = self.run_pages({"/metrics": openmetrics(GOOD)})
        self.scraped(agent)
        accept = server.requests[-1].headers["Accept"]
        weights = {kind.split(";")[0] + (";1.0.0" if "version=1.0.0" in kind else ""):
                   float(kind.split("q=")[1]) for kind in accept.split(",")}
        self.assertEqual(max(weights, key=weights.get), "application/openmetrics-text;1.0.0")
        self.assertLess(weights["*/*"], min(v for k, v in weights.items() if k != "*/*"))
        text = copy.deepcopy(conf)
        text["pools"][0]["accept"] = "text"
        agent.reload(text)
        self.wait_for(lambda: "openmetrics" not in server.requests[-1].headers["Accept"], 15,
                      "text is asked for")
        self.stop(agent)

    def test_what_stands_beside_a_sample_arrives(self):
        server, conf, agent = self.run_pages({"/metrics": openmetrics(GOOD)})
        self.scraped(agent)
        self.balanced(agent)
        self.stop(agent)
        found = self.records(agent, "c_total", "c_created", "g")
        self.assertEqual({o["name"] for o in found}, {"c_total", "g"})
        for o in found:
            self.assertEqual(o["type"], "counter" if o["name"] == "c_total" else "gauge")
            if o["name"] == "c_total":
                self.assertEqual(o["created"], "1970-01-01T00:00:02.000Z")
                exemplar = dict(o["exemplar"])
                self.assertEqual(dict(exemplar["tags"]), {"trace": "x"})
                self.assertEqual(exemplar["value"], 0.5)

    def test_a_faulty_page_is_refused_or_salvaged_as_format_and_pool_say(self):
        faulty = "# TYPE c counter\nc_total -1\ng 2\n? 3\n"
        pages = {"/om": openmetrics(faulty + "# EOF\n"), "/no-eof": openmetrics("g 2\n"), "/text": faulty}
        for mode, down in (("auto", {"/om", "/no-eof"}), ("strict", set(pages)), ("salvage", set())):
            server, conf, agent = self.run_pages(pages, {"mode": mode})
            shown = self.wait_for(lambda: (s := agent.targets()) and
                                  all(t["scrapes"] > 1 for t in s.values()) and s, 15, "scrapes")
            for path in pages:
                target = shown[server.url(path)]
                self.assertEqual(books.target_health(target), "down" if path in down else "up")
                if path in down:
                    self.assertEqual(books.target_failure(target), "format")
            if mode == "auto":
                self.assertIn("line 2, column 9: -1: ",
                              books.target_error(shown[server.url("/om")]))
                self.assertEqual(shown[server.url("/text")]["lines_bad"], 1)
            if mode == "salvage":
                self.assertIn("unsound: line 2, column 9: -1: ", str(shown[server.url("/om")]))
                self.assertEqual(shown[server.url("/om")]["samples_refused"], 1)
                self.assertEqual(shown[server.url("/no-eof")]["flaws"], 1)
                self.assertIn("(eof-missing)", str(shown[server.url("/no-eof")]))
            metrics = self.balanced(agent)
            self.assertEqual(set(books.refused(metrics)), {"unsound"} if mode == "salvage" else set())
            self.stop(agent)
            up = {o["value"] for o in self.records(agent, "up")}
            self.assertEqual(up, {"auto": {0, 1}, "strict": {0}, "salvage": {1}}[mode])

    def test_the_fallback_is_for_pages_that_do_not_say_what_they_are(self):
        pages = {"/none": lambda request: (200, {"Content-Type": "application/x-thing"}, GOOD)}
        server, conf, agent = self.run_pages(pages, {"fallback": "openmetrics"})
        self.scraped(agent)
        self.stop(agent)
        self.assertEqual(self.records(agent, "c_created"), [])
        server, conf, agent = self.run_pages(pages, {"fallback": "openmetrics",
                                                     "created": "series"})
        self.scraped(agent)
        self.stop(agent)
        self.assertNotEqual(self.records(agent, "c_created"), [])

    def test_rules_for_series_are_in_the_books_and_a_reload_decides_anew(self):
        page = "".join(f"{name} 1\n" for name in ("keep", "drop_a", "drop_b", "old_x"))
        rules = [{"action": "drop", "source_labels": ["__name__"], "regex": "drop_.*"},
                 {"source_labels": ["__name__"], "regex": "old_(.*)", "target_label": "__name__",
                  "replacement": "new_$1"}]
        server, conf, agent = self.run_pages({"/metrics": page}, {"metric_relabel": rules})
        self.scraped(agent, 3)
        metrics = self.balanced(agent)
        scrapes = books.scraped(metrics)
        self.assertEqual(books.filtered(metrics), {"metric_relabel": 2 * scrapes})
        self.assertEqual(books.read(metrics), 4 * scrapes)
        other = copy.deepcopy(conf)
        other["pools"][0]["metric_relabel"] = [
            {"action": "drop", "source_labels": ["__name__"], "regex": "keep"}]
        agent.reload(other)
        self.scraped(agent, 3)
        self.balanced(agent)
        self.stop(agent)
        names = ("keep", "drop_a", "drop_b", "old_x", "new_x")
        records = self.records(agent, *names)
        self.assertEqual(sorted(o["name"] for o in records if o.get("ended")), ["keep", "new_x"])
        self.assertEqual({o["name"] for o in records if not o.get("ended")}, set(names))

    def test_limits_name_what_they_refuse(self):
        page = "".join(f"m{i} {i}\n" for i in range(20))
        server, conf, agent = self.run_pages({"/metrics": page}, {"limits": {"series": 10}})
        self.scraped(agent)
        target = agent.targets()[server.url()]
        self.assertEqual(target["refused_names"], [f"max_series: m{i}" for i in range(10, 15)])
        self.assertEqual(target["samples_refused"], 10)
        self.stop(agent)

    def check_life(self, records):
        """Of each series: after an end it begins before it ends again; ends and values in turn."""
        there = {}
        for o in records:
            key = (o["name"], tuple(sorted(o["tags"].items())))
            if o.get("ended"):
                self.assertTrue(there.get(key), f"{key} has ended twice, or never began")
            there[key] = not o.get("ended")
        return there

    def test_flapping_targets_reloads_and_refusals_give_no_false_record_and_no_second(self):
        state = {"page": GOOD, "n": 0}

        def flap(request):
            """Good, good, then two failures of different kinds, and again; the gauge comes and goes."""
            state["n"] += 1
            turn = state["n"] % 5
            if turn == 3:
                return 500, {}, "no"
            if turn == 4:
                return 200, OM, GOOD.replace("# EOF\n", "")
            return 200, OM, GOOD.replace("g 3", "g 4" if turn else "h 5").replace(
                "# TYPE g", "# TYPE g" if turn else "# TYPE h")
        server, conf, agent = self.run_pages({"/metrics": flap}, interval="200ms", timeout="200ms")
        self.wait_for(lambda: state["n"] >= 11, 20, "two rounds")
        changed = copy.deepcopy(conf)
        changed["pools"][0]["limits"] = {"samples": 40000}
        agent.reload(changed)
        self.wait_for(lambda: state["n"] >= 21, 20, "two rounds more")
        gone = copy.deepcopy(changed)
        gone["sources"][0]["static"]["targets"] = []
        agent.reload(gone)
        self.wait_for(lambda: agent.metrics().sum("strata_series") == 0, 15, "no series")
        self.balanced(agent)
        self.stop(agent)
        there = self.check_life(self.records(agent, "c_total", "g", "h", "up"))
        self.assertEqual(set(there.values()), {False})
        self.assertEqual({name for name, _ in there}, {"c_total", "g", "h", "up"})

    def test_a_stop_and_a_start_end_nothing(self):
        server, conf, agent = self.run_pages({"/metrics": openmetrics(GOOD)})
        self.scraped(agent)
        self.stop(agent)
        again = self.agent(conf, name="again")
        self.scraped(again)
        self.stop(again)
        self.assertNotIn('"ended"', agent.out() + again.out())


if __name__ == "__main__":
    harness.main()
