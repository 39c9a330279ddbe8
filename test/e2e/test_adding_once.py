# SPDX-License-Identifier: Apache-2.0
"""test_adding_once.py - docs/ADDING.md, done word for word in a copy of the tree.

A block of code behind `PATH`: is that file, one of YAML behind "At the end of `PATH`" goes there, and
blocks of sh are run, all in the order of the page.
"""
import os, re, shutil, socket, subprocess

import harness
from process import SLOW, die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BLOCK = re.compile(r"(?ms)^```(\w+)\n(.*?)^```$")
FILE = re.compile(r"`([\w/]+\.c)`")
END_OF = re.compile(r"At the end of `([^`]+)`")


def steps(page):
    """(kind, text, the line before) of each block."""
    for m in BLOCK.finditer(page):
        yield *m.groups(), page[:m.start()].rstrip("\n").rpartition("\n")[2]


class Adding(harness.Case):
    def setUp(self):
        super().setUp()
        self.tree = os.path.join(self.folder, "tree")
        shutil.copytree(ROOT, self.tree, symlinks=True,
                        ignore=lambda d, names: {"build", ".git"} & set(names) if d == ROOT else ())
        with open(os.path.join(ROOT, "docs", "ADDING.md")) as f:
            self.steps = list(steps(f.read()))

    def run_sh(self, text):
        done = subprocess.run(["bash", "-ec", text], cwd=self.tree, capture_output=True, text=True,
                              timeout=300 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, text + done.stdout[-4000:] + done.stderr[-4000:])

    def write(self, path, text, mode):
        with open(os.path.join(self.tree, path), mode) as f:
            f.write(text)

    def test_each_step_does_what_it_says(self):
        new = []
        for kind, text, before in self.steps:
            end_of = END_OF.search(before)
            if kind == "sh":
                self.run_sh(text)
            elif kind == "c":
                new.append(FILE.findall(before)[-1])
                self.write(new[-1], text, "x")
            elif end_of:
                self.write(end_of[1], text, "a")
        self.assertEqual(new, ["sinks/udp.c", "test/test_sink_udp.c", "filters/scale.c",
                               "test/test_scale.c", "encoders/tsv.c", "test/test_tsv.c"])
        self.deliver()
        self.lines_added()
        if shutil.which("clang-format"):
            self.run_sh("scripts/format.sh || test $? = 77    # another version")

    def lines_added(self):
        """Beside the new files, and what goes with them: a line in each table."""
        changed = {}
        for path in self.sources(ROOT):
            with open(os.path.join(ROOT, path)) as f, open(os.path.join(self.tree, path)) as g:
                old, new = f.read().splitlines(), g.read().splitlines()
            if old != new:
                changed[path] = len(new) - len(old), sum(a != b for a, b in zip(old, new))
        self.assertEqual(changed, {"sinks/sinks.h": (0, 1), "filters/filters.h": (0, 1),
                                   "encoders/encoders.h": (0, 1)})

    def sources(self, root):
        for top in ("cmd", "lib", "sinks", "filters", "encoders", "test"):
            for d, _, names in os.walk(os.path.join(root, top)):
                yield from (os.path.relpath(os.path.join(d, n), root) for n in names
                            if n.endswith((".c", ".h")) or n == "CMakeLists.txt")
        yield "CMakeLists.txt"

    def deliver(self):
        """All three, in the agent of the copy."""
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(receiver.close)
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(20 * SLOW)
        pages = self.pages({"/metrics": "page_size_bytes{x=\"y\"} 2048\nother 2\n"})
        agent = harness.AGENT
        harness.AGENT = os.path.join(self.tree, "build", "dev", "cmd", "agent", "strata-agent")
        try:
            running = self.agent(harness.config(
                [pages.url()], pool={"filters": [{"scale": {"match": "*_bytes", "factor": 0.5}}]},
                outputs=[{"name": "main", "tsv": {}, "sink": "queue"}],
                sinks=[{"name": "queue", "udp": {
                    "address": "127.0.0.1", "port": str(receiver.getsockname()[1])}}]))
        finally:
            harness.AGENT = agent
        rows = [line.split("\t") for line in receiver.recv(65536).decode().splitlines()]
        values = {name: (dict(p.split("=", 1) for p in labels.split(","))["job"], value)
                  for name, labels, value, _ in rows}
        self.assertEqual((values["page_size_bytes"], values["other"]),
                         (("static", "1024"), ("static", "2")))
        self.stop(running)


if __name__ == "__main__":
    harness.main(needs=["cmake", "ninja"])
