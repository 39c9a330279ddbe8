# SPDX-License-Identifier: Apache-2.0
"""test_check_page.py - check-page: verdicts and places, any length of page, what it prints."""
import glob, json, os, re, subprocess

import harness
from process import SLOW, die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PAGES = os.path.join(ROOT, "test", "pages")
GOOD = '# TYPE a counter\n# HELP a h\na_total{b="c\\n"} 1.5 5 # {d="e"} NaN 6\n# EOF\n'
SANITIZED = SLOW > 1
MB = 1 << 20


class CheckPage(harness.Case):
    def check(self, page, *args):
        data = page if isinstance(page, bytes) else page.encode()
        return subprocess.run([harness.AGENT, "check-page", *args], input=data, timeout=60 * SLOW,
                              capture_output=True, preexec_fn=die_with_parent)

    def objects(self, page, *args):
        done = self.check(page, "--json", *args)
        return done.returncode, [json.loads(line) for line in done.stdout.decode().splitlines()]

    def test_pages_with_a_known_place(self):
        seen = 0
        for path in sorted(glob.glob(os.path.join(PAGES, "*", "*", "*.txt")))[::9]:
            form, verdict, name = path.split(os.sep)[-3:]
            for mode in ("strict", "salvage"):
                done = self.run_agent("check-page", "--format", form, "--mode", mode, path, binary=True)
                self.assertEqual(done.returncode, 0 if verdict == "good" else 1, path)
                if verdict == "bad":
                    rule, _, place, _ = name.split(".")
                    first = done.stdout.decode("utf-8").split("\n")[0]
                    self.assertRegex(first, rf"^{place.replace('-', ':')}: .*: .* \({rule}\)$", path)
            seen += 1
        self.assertGreater(seen, 70)

    def test_strict_stops_at_the_first_fault_and_salvage_names_all(self):
        page = "a x\nb y\nc 1\n# EOF\n"
        done = self.check(page, "--mode", "strict")
        self.assertEqual(done.stdout, b"1:3: x: the value is no number (number)\n")
        self.assertEqual(done.returncode, 1)
        done = self.check(page)
        self.assertEqual(done.stdout.count(b"\n"), 2)
        self.assertIn(b"2 faults", done.stderr)
        done = self.check("a x\n" * 5000)
        self.assertEqual(done.stdout.count(b"\n"), 1001)
        self.assertIn(b"and 4000 faults more", done.stdout)

    def test_json_tells_what_was_understood(self):
        code, (family, sample, page) = self.objects(GOOD)
        self.assertEqual(code, 0)
        self.assertEqual(family, {"family": "a", "type": "counter", "help": "h"})
        self.assertEqual(sample, {"sample": "a_total", "line": 3, "labels": [["b", "c\n"]], "value": 1.5,
                                  "timestamp_ms": 5000,
                                  "exemplar": {"labels": [["d", "e"]], "value": "NaN", "timestamp_ms": 6000}})
        self.assertEqual(page, {"page": "good", "format": "openmetrics", "lines": 4, "families": 1,
                                "samples": 1, "faults": 0})
        code, objects = self.objects("a{b=\"\0\"} +Inf\nb -\n{\"c d\"} 0.1\n", "--format", "text")
        self.assertEqual(code, 1)
        self.assertEqual(objects[1]["labels"], [["b", "\0"]])
        self.assertEqual(objects[1]["value"], "+Inf")
        self.assertEqual(objects[2], {"fault": "number", "line": 2, "column": 3, "token": "-",
                                      "what": "the value is no number"})
        self.assertEqual((objects[4]["sample"], objects[4]["value"]), ("c d", 0.1))
        self.assertEqual(objects[-1]["page"], "bad")

    def test_the_document_shows_what_is_printed(self):
        with open(os.path.join(ROOT, "docs", "CHECK.md")) as f:
            text = f.read()
        shown = re.search(r"\$ printf '(.*?)' \| strata-agent check-page\n((?:    .*\n)+)", text)
        done = self.check(shown[1].replace("\\n", "\n"))
        said = (done.stdout + done.stderr).decode()
        self.assertEqual(said, shown[2].replace("    ", ""))

    def test_the_format_is_guessed(self):
        for page, form in ((GOOD, "openmetrics"), ("a 1\n", "text"), ("", "text"), ("a 1\n# EOF", "openmetrics"),
                           ("# UNIT a_s s\na_s 1\n", "openmetrics"), ("# TYPE a stateset\n", "openmetrics"),
                           ("# TYPE a unknown\n", "openmetrics"), ("# TYPE a untyped\na 1\n", "text"),
                           ("# TYPE a counter\na_total 1\n", "openmetrics"),
                           ("# TYPE a_total counter\na_total 1\n", "text"),
                           ('# TYPE a counter\na_total 1 # {b="c"} 1\n', "openmetrics"),
                           ("# TYPE a gauge\n" + "a 1\n" * (MB // 2) + "# EOF\n", "text"),
                           ("# TYPE b counter\nb_total 1\n" + "a 1\n" * (MB // 2), "openmetrics")):
            self.assertEqual(self.objects(page)[1][-1]["format"], form, page[:60])
        self.assertIn(b"--format openmetrics", self.check("a 1\n" * (MB // 2) + "# EOF\n").stderr)

    def test_a_line_above_the_bound_costs_itself(self):
        page = b"a{b=\"" + b"x" * (10 * MB) + b"\"} 1\nc 1\n# EOF\n"
        done = self.check(page, "--format", "openmetrics")
        self.assertRegex(done.stdout, rb"^1:1048577: x+: the line is too long \(max-line\)\n$")
        self.assertIn(b"3 lines, 1 families, 1 samples, 1 fault", done.stderr)
        self.assertEqual(self.check(b"x" * (3 * MB), "--format", "text").stdout.count(b"\n"), 1)

    def stream(self, pieces, *args):
        """Memory at its most, in bytes, and the exit code of check-page on a page in pieces."""
        p = subprocess.Popen([harness.AGENT, "check-page", *args], stdin=subprocess.PIPE,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             preexec_fn=die_with_parent)
        with p.stdin:
            for piece in pieces:
                p.stdin.write(piece)
            with open(f"/proc/{p.pid}/status") as f:
                peak = int(re.search(r"VmHWM:\s+(\d+) kB", f.read())[1])
        return peak * 1024, p.wait(60 * SLOW)

    def big_page(self, size):
        piece = ("# TYPE m@ gauge\n" + "".join(
            f'm@{{pod="service-{i}-5d8f7c9b6",uid="{i:032d}"}} {i}\n' for i in range(5000))).encode()
        for number in range(size // len(piece) + 1):
            yield piece.replace(b"@", b"%d" % number)
        yield b"# EOF\n"

    def test_memory_does_not_grow_with_the_page(self):
        size = (10 if SANITIZED else 100) * MB
        for form in ("openmetrics", "text"):
            for mode in ("strict", "salvage"):
                memory, code = self.stream(self.big_page(size), "--format", form, "--mode", mode)
                self.assertEqual(code, 0)
                if not SANITIZED:
                    self.assertLess(memory, 32 * MB, (form, mode))
        memory, code = self.stream([b"a x\n" * MB] * (size // MB // 4), "--mode", "strict")
        self.assertEqual(code, 1)    # all was read: the writer saw no closed pipe

    def test_what_cannot_be_read_or_written_is_1(self):
        for path in (self.folder + "/none", self.folder):
            done = self.run_agent("check-page", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(path, done.stderr)
        with open("/dev/full", "w") as full:
            done = subprocess.run([harness.AGENT, "check-page", "--json"], input=GOOD.encode(), stdout=full,
                                  stderr=subprocess.PIPE, timeout=20 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 1)
        self.assertIn(b"standard output", done.stderr)


if __name__ == "__main__":
    harness.main()
