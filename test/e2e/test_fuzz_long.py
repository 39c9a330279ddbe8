# SPDX-License-Identifier: Apache-2.0
"""test_fuzz_long.py - each fuzz target under libFuzzer and ASan for a time; STRATA_FUZZ_SECONDS: another
one than 300.  Wants the build of the preset fuzz, as `./dev test long` makes it."""
import glob, os, re, subprocess, unittest

import harness
import long_doc
from process import die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SECONDS = int(os.environ.get("STRATA_FUZZ_SECONDS", "300"))
RAN = re.compile(r"^(\w+): nothing found in (\d+) runs", re.M)
ABOUT = """Whatever reads bytes from outside, under libFuzzer with ASan and UBSan: it begins with the seeds in
`test/fuzz/corpus` and what earlier runs on the same machine have added to them. `./dev fuzz [SECONDS [NAME...]]`
does the same by hand. The table has the runs of each."""


def targets():
    names = (os.path.basename(s)[len("fuzz_"):-len(".c")]
             for s in glob.glob(os.path.join(ROOT, "test", "fuzz", "fuzz_*.c")))
    return sorted(name for name in names if name != "main")


def programs():
    return [os.path.join(ROOT, "build", "fuzz", "test", "fuzz_" + name) for name in targets()]


class Fuzz(unittest.TestCase):
    def test_nothing_is_found(self):
        done = subprocess.run([os.path.join(ROOT, "scripts", "fuzz.sh"), str(SECONDS)], text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stdout[-8000:])
        runs = {name: int(number) for name, number in RAN.findall(done.stdout)}
        self.assertEqual(sorted(runs), targets())
        self.assertTrue(all(runs.values()), runs)
        long_doc.write("Fuzzing", ABOUT, {
            "seconds of each": SECONDS, **{f"`{name}`": runs[name] for name in targets()},
            "runs in all": sum(runs.values()), "found": 0}, "RELIABILITY.md", long_doc.RELIABILITY)


if __name__ == "__main__":
    harness.main(missing=[p for p in programs() if not os.access(p, os.X_OK)])
