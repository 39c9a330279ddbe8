# SPDX-License-Identifier: Apache-2.0
"""oracle_test.py AGENT [--pages N] [--seed S] [--show N] - the agent and prometheus_client read the same pages.

Of each format N pages, all made from the seed, which is printed: both must give the same verdict and find the
same families, samples, values bit by bit, times and exemplars, but for what differences.py explains.  What the agent calls
good must be in the grammar of the format, too.  --show prints examples of each explained difference.

build.sh makes prometheus_client's place; without it: skipped (77), failed under STRATA_REQUIRE=all.
"""
import argparse, collections, glob, os, random, sys, tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path[:0] = glob.glob(os.path.join(ROOT, "build/tools/oracle/lib/python3*/site-packages"))
try:
    import agent, differences, model, pages, reference
except ModuleNotFoundError as e:
    print(f"skipped, for this is missing: {e.name} (test/oracle/build.sh brings it)")
    sys.exit(1 if os.environ.get("STRATA_REQUIRE") == "all" else 77)


MINUS_ZERO = reference.bits(-0.0)


def renamed(found, page_format):
    """As prometheus_client names counters of the text format."""
    if page_format == "text":
        counters = {name for name, kind, *_ in found["families"] if kind == "counter"}
        named = {name for name in counters if not name.endswith("_total")}
        found = {"families": [(name.removesuffix("_total") if name in counters else name, *rest)
                              for name, *rest in found["families"]],
                 "samples": [(s[0] + "_total" if s[0] in named else s[0], *s[1:]) for s in found["samples"]]}
    return found


def described(found, page_format):
    """Without families that nothing describes."""
    families = [f for f in found["families"] if f[1:] != ("untyped", "", "")]
    return {"families": [(n, k, u, h.strip() if page_format == "text" else h) for n, k, u, h in families],
            "samples": found["samples"]}


def difference(ours, others, page_format):
    """The first one, as a text."""
    a, b = described(renamed(ours, page_format), page_format), described(others, page_format)
    a["samples"], b["samples"] = without_signs(a["samples"]), without_signs(b["samples"])
    for key in a:
        for x, y in zip(a[key] + [None], b[key] + [None]):
            if x != y:
                return f"{key}: agent {x}, prometheus_client {y}"
    return None


def without_signs(samples):
    """Of zeros: prometheus_client takes -0 for a whole number, which has none."""
    def unsigned(s):
        return (*s[:2], "0" * 16 if s[2] == MINUS_ZERO else s[2], *s[3:])
    return [(*unsigned(s)[:4], s[4] and unsigned(("", *s[4]))[1:]) for s in samples]


def wrong_value(found, page):
    """Which value differs from that of the line, read by Python alone; here signs of zeros count."""
    written = {s.line: reference.bits(s.value) for s in page.samples}
    for line, s in zip(found["lines"], found["samples"]):
        if s[2] != written.get(line):
            return f"line {line}: agent {s[2]}, which is {written.get(line)}"
    return None


class Comparison:
    def __init__(self, page_format):
        self.format = page_format
        self.verdicts, self.explained = collections.Counter(), collections.Counter()
        self.examples, self.unexplained = {}, []

    def take(self, page, told):
        good, found, faults = told
        reference_good, other = reference.read(page, self.format)
        self.verdicts[good, reference_good] += 1
        lines = model.Page(page, self.format)
        if good and lines.odd:
            self.unexplained.append((page, f"good, but line {min(lines.odd)} is not in the grammar"))
        if good and (odd := wrong_value(found, lines)):
            self.unexplained.append((page, odd))
        if good != reference_good:
            what = f"agent {'good' if good else faults[:3]}, prometheus_client {'good' if reference_good else other}"
        else:
            what = good and difference(found, other, self.format)
        if not what:
            return
        why = differences.explain(lines, self.format, good, faults, reference_good, other)
        if why is None:
            self.unexplained.append((page, what))
        else:
            self.explained[why] += 1
            self.examples.setdefault(why, []).append((page, what))


def run(program, page_format, seed, count, show):
    comparison = Comparison(page_format)
    with tempfile.TemporaryDirectory(prefix="strata-oracle-") as folder:
        bodies, paths = [], []
        for i in range(count):
            bodies.append(pages.make(random.Random(f"{seed}-{page_format}-{i}"), page_format))
            paths.append(os.path.join(folder, str(i)))
            with open(paths[-1], "wb") as f:
                f.write(bodies[-1])
        for body, told in zip(bodies, agent.read(program, paths, page_format)):
            comparison.take(body, told)
    report(comparison, show)
    return not comparison.unexplained and all(comparison.verdicts[v, v] > count / 10 for v in (True, False))


def report(c, show):
    words = {True: "good", False: "bad"}
    print(f"{c.format}: " + ", ".join(f"{n} {words[a]}/{words[b]}" for (a, b), n in sorted(c.verdicts.items())) +
          " (agent/prometheus_client)")
    for why, n in c.explained.most_common():
        print(f"  {n:6} {why}")
        for page, what in sorted(c.examples[why], key=lambda e: len(e[0]))[:show]:
            print(f"         {what}\n         {page!r}")
    for page, what in sorted(c.unexplained, key=lambda e: len(e[0]))[:5]:
        print(f"NOT EXPLAINED: {what}\n{page!r}\n")
    if c.unexplained:
        print(f"{len(c.unexplained)} pages are not explained")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("agent")
    parser.add_argument("--pages", type=int, default=10500)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--show", type=int, default=0)
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.pages} pages of each format")
    good = [run(args.agent, f, args.seed, args.pages, args.show) for f in ("openmetrics", "text")]
    sys.exit(not all(good))


if __name__ == "__main__":
    main()
