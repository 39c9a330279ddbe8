# SPDX-License-Identifier: Apache-2.0
"""differences.py - where strata-agent and prometheus_client disagree about a page, and who is right.

Each entry says why, by the text of the specification, and has a proof: a function that finds in the
page, by model.py, what the entry speaks of.  A page on which they disagree is explained when the proof of an entry that fits
holds; all else is a failure of the test.

"OM" is OpenMetrics 1.0, https://prometheus.io/docs/specs/om/open_metrics_spec/, by section; "text" is the text format 0.0.4,
https://prometheus.io/docs/instrumenting/exposition_formats/.
"""
import math, re
from collections import Counter

from model import number


# The agent finds a fault, prometheus_client none.  {rule: (proof, who is right and why)}

def twice(items):
    return any(n > 1 for n in Counter(items).values())


def returns(items):
    """One comes again after another."""
    runs = [x for x, before in zip(items, [None, *items]) if x != before]
    return twice(runs)


def odd_line(page, line):
    return line in page.odd


def no_timestamp(page, line):
    return odd_line(page, line) or page.format == "text" and any(
        s.at and not -2 ** 63 <= int(s.at) < 2 ** 63 for s in page.samples)


def same_series(page, line):
    return twice((s.name, s.key(), s.at if page.format != "text" else None) for s in page.samples)


def infinite(page, line):
    return any(math.isinf(number(x)) and x.strip("+-").lower()[:3] != "inf" for x in re.split(r"[ \t}]", page.lines[line - 1]))


def clash(page, line):
    names = [name for family in set(page.families) for name in {family, *page.names(family)}]
    return twice(names)


def late(page, line):
    return any(s.line < n for n, _, family in page.metadata for s in page.of_family[family])


def described_twice(page, line):
    return twice((word, name) for _, word, name in page.metadata)


def bare(page, line):
    return any(s.name in page.families and page.kinds.get(s.name) in ("histogram", "info", "gaugehistogram", "counter")
               for s in page.samples)


def of_histograms(test):
    def proof(page, line):
        return any(test(g) for _, g in page.points("histogram", "gaugehistogram", without="le"))
    return proof


def bounds(g):
    return [number(s.get("le")) for s in g["_bucket"]]


def unordered(numbers):
    return any(not a < b for a, b in zip(numbers, numbers[1:]))


def no_infinity(g):
    return math.inf not in bounds(g)


def no_count(g):
    return bool(g) and not (g["_count"] or g["_gcount"])


def other_count(g):
    most = [number(s.value) for s in g["_bucket"] if number(s.get("le")) == math.inf]
    return any(number(s.value) != m for s in g["_count"] + g["_gcount"] for m in most)


def fewer(g):
    return any(number(a.value) > number(b.value) for a, b in zip(g["_bucket"], g["_bucket"][1:]))


def no_le(g):
    return any(s.get("le") is None for s in g["_bucket"])


def odd_le(g):
    return any(math.isnan(number(le)) or math.isinf(number(le)) and le != "+Inf" for s in g["_bucket"] if (le := s.get("le")))


def sum_alone(g):
    return bool(g["_sum"] + g["_gsum"]) != bool(g["_count"] + g["_gcount"])


def outside(g):
    low = -math.inf
    for s in g["_bucket"]:
        high = number(s.get("le"))
        if s.exemplar and not (low < number(s.exemplar[1]) <= high or low == number(s.exemplar[1]) == -math.inf):
            return True
        low = high
    return False


def of_quantiles(test):
    def proof(page, line):
        return any(test(g[""]) for _, g in page.points("summary", without="quantile"))
    return proof


def reserved(label, suffix, *kinds):
    return lambda page, line: any(s.get(label) is not None and s.name != f + suffix
                                  for f, samples in page.of_kind(*kinds) for s in samples)


def reserved_name(page, line):
    return any(f.startswith("_") for f in page.families)


def reserved_label(page, line):
    return any(k.startswith("_") for s in page.samples for k, _ in s.labels + (s.exemplar[0] if s.exemplar else []))


def no_total(page, line):
    return any(not g["_total"] for _, g in page.points("counter", without=None))


def apart(page, line):
    def label(f):
        return {"histogram": "le", "gaugehistogram": "le", "summary": "quantile", "stateset": f}.get(page.kinds.get(f))
    return any(returns([s.key(label(f)) for s in samples]) for f, samples in page.of_family.items())


def backwards(page, line):
    for samples in page.of_family.values():
        last = {}
        for s in samples:
            key = s.key("le", "quantile")
            if s.at and number(s.at) < last.get(key, -math.inf):
                return True
            last[key] = number(s.at)
    return False


def odd_created(page, line):
    return any(not math.isfinite(number(s.value)) for s in page.samples if s.name.endswith("_created"))


GRAMMAR = (odd_line, "OM, section ABNF; text, section on lines: the line is none that the grammar has")
AGENT_ONLY = {
    **{rule: GRAMMAR for rule in (
        "metric-name", "label-name", "label-equals", "label-comma", "quote", "white-space", "line-end", "number",
        "exemplar-syntax", "exemplar-time", "escape", "comment", "type", "value", "blank-line", "unit-syntax",
        "number-length", "eof-exact", "quoted-name")},
    "carriage-return": (lambda page, line: odd_line(page, line) or page.lines[line - 1].endswith("\r"),
                        "OM, Overall structure: line endings do not contain carriage returns; text: a line ends with \\n"),
    "timestamp": (no_timestamp, "text: a time is what Go's ParseInt takes, 64 bits; OM, ABNF: the line is none"),
    "series-twice": (same_series, "OM, Label: an empty label is as none; text: each line has a unique name and labels"),
    "number-range": (infinite, "OM, Values: floats of 64 bits; Go's ParseFloat, by which Prometheus reads, refuses it too"),
    "newline-missing": (lambda page, line: not page.page.endswith("\n"),
                        "text: the last line must end with a line feed: else it may be half of one"),
    "family-interleaved": (lambda page, line: returns(page.families),
                           "OM, MetricFamily: names are unique; text: all lines of a metric are one group"),
    "metric-interleaved": (apart, "OM, Text format: metrics are not interleaved; an empty label is as none"),
    "timestamp-order": (backwards, "OM, Metric: timestamps do not go backwards; an empty label is as none"),
    "metadata-late": (late, "text: TYPE stands before the first sample, a metric's lines together, its HELP and TYPE first"),
    **dict.fromkeys(("type-twice", "help-twice", "unit-twice"),
                    (described_twice, "text: only one TYPE and one HELP for a metric")),
    "name-clash": (clash, "OM, MetricFamily names; text: all lines of a metric are one group, and these are of two"),
    "suffix": (bare, "text, Histograms: buckets are NAME_bucket, the sum NAME_sum, the count NAME_count"),
    "inf-missing": (of_histograms(lambda g: no_infinity(g) or unordered(bounds(g))),
                    "text: a histogram must have a bucket le=\"+Inf\"; OM, Histogram.  A bucket behind a whole histogram, which "
                    "is out of order, begins another one for the agent"),
    "count-missing": (of_histograms(no_count), "text: its value is that of NAME_count, which is there"),
    "count-differs": (of_histograms(other_count), "text: the value of le=\"+Inf\" is that of NAME_count"),
    "bucket-order": (of_histograms(lambda g: unordered(bounds(g))), "text: buckets appear in increasing order of le; OM alike"),
    "bucket-cumulative": (of_histograms(fewer), "text, Histograms: buckets are cumulative"),
    "le-missing": (of_histograms(no_le), "text: a bucket is NAME_bucket{le=\"y\"}"),
    "le-number": (of_histograms(odd_le), "text: le is a number; OM: infinity is +Inf"),
    "sum-count": (of_histograms(sum_alone), "OM, Histogram: a sum comes with a count"),
    "exemplar-bucket": (of_histograms(outside), "OM, Exemplars of buckets: the value is within the bucket"),
    "quantile-missing": (of_quantiles(lambda s: any(x.get("quantile") is None for x in s)),
                         "text: a quantile is NAME{quantile=\"y\"}"),
    "quantile-number": (of_quantiles(lambda s: any(math.isnan(number(x.get("quantile"))) for x in s)), "text: it is a number"),
    "quantile-order": (of_quantiles(lambda s: unordered([number(x.get("quantile")) for x in s])),
                       "text: quantiles appear in increasing order"),
    "le-reserved": (reserved("le", "_bucket", "histogram", "gaugehistogram"),
                    "OM, Histogram: the labels of a metric have no le"),
    "quantile-reserved": (reserved("quantile", "", "summary"), "OM, Summary: the labels of a metric have no quantile"),
    "name-reserved": (reserved_name, "OM, MetricFamily: names that begin with _ are reserved and must not be used"),
    "label-reserved": (reserved_label, "OM, Label: names that begin with _ are reserved and must not be used"),
    "total-missing": (no_total, "OM, Counter: a point must have one value called Total"),
    "created-time": (odd_created, "OM, Created: is a timestamp, which is neither NaN nor infinite"),
}

# prometheus_client finds a fault, the agent none: (pattern of what it says, formats, proof, who is right and why).


def later_points(page):
    return twice((name, key) for name, key, _ in {(s.name, s.key(), s.at) for s in page.samples})


def empty_label(page):
    return any(not v for s in page.samples for _, v in s.labels)


def timed_infos(page):
    return any(s.at for _, samples in page.of_kind("info") for s in samples)


def quoted_exemplar(page):
    return any(s.exemplar and '\\"' in s.text.rpartition(" # ")[2] for s in page.samples)


REFERENCE_ONLY = [
    (r"\+Inf bucket missing|Count does not match|_g?count must be present|_sum/_gsum must be present", ["openmetrics"], later_points,
     "the agent: OM, Metric: more than one point is allowed, in order of time.  prometheus_client takes the samples "
     "of a later point, but for the first, for repetitions, and then misses them"),
    (r"\+Inf bucket missing|Count does not match|_g?count must be present|_sum/_gsum must be present|metric grouping",
     ["openmetrics"], empty_label, "the agent: OM, Label: an empty label is as none, so these samples are of one metric"),
    (r"Invalid line|could not convert", ["openmetrics"], quoted_exemplar,
     "the agent: OM, ABNF: \\\" within an exemplar's label is a quote.  prometheus_client takes it for the label's end"),
    (r"Mix of timestamp presence|Timestamps went backwards|no attribute 'sec'", ["openmetrics"], timed_infos,
     "the agent: OM, Metric: timestamps are of a metric, and infos of other labels are others.  prometheus_client takes all "
     "of a family for one"),
    (r"no attribute 'sec'|not supported between", ["openmetrics"],
     lambda page: any("e" in x.lower() for s in page.samples for x in page.times(s)),
     "the agent: OM, ABNF: timestamps are real numbers, with exponents.  prometheus_client cannot compare them with others"),
    (r"Invalid labels", ["text"], lambda page: any(k.startswith("__") for s in page.samples for k, _ in s.labels),
     "the agent: text has no reserved labels, the data model alone has; what becomes of them is for relabelling to say"),
]

def second_word(page):
    return any(re.match(r"\s*#\S+\s+(TYPE|HELP)\s", line) for line in page.lines)


def other_space(page):
    return any(re.match(r"\s*#.*[^\S \t]", line) for line in page.lines)


EARLIEST, LATEST = -62135596800, 253402300799.999    # seconds


def unit(page):
    return 1 if page.format == "openmetrics" else 0.001


REFERENCE_ONLY += [
    ("", ["text"], second_word, "the agent: such a line is a comment, see below"),
    ("", ["text"], other_space, "the agent: such a line is a comment, see below"),
]

# Both take the page, and what they found differs: (formats, proof, why).

FOUND = [
    (["openmetrics"], later_points,
     "the agent tells all samples; prometheus_client leaves out those of later points, see above"),
    (["openmetrics"], lambda page: twice((s.name, s.key(), number(s.at)) for s in page.samples),
     "the agent tells all samples; prometheus_client keeps the first of those of one time, as if it had been cut"),
    (["openmetrics"], lambda page: any(re.match(r"# HELP \S+ {2,}", line) for line in page.lines),
     "the agent: OM, ABNF: one space stands in front of a help, what follows is of it"),
    (["openmetrics", "text"], lambda page: any(not EARLIEST <= number(x) * unit(page) <= LATEST
                                               for s in page.samples for x in page.times(s)),
     "both: the agent takes a time before the year 1 or after 9999 for the first or last one that RFC 3339 can say"),
    (["text"], other_space,
     "the agent: text: tokens are parted by blanks and tabs.  prometheus_client takes any white space of Unicode"),
    (["text"], second_word,
     "the agent: text: a comment is a line whose first token behind the # is neither TYPE nor HELP"),
    (["text"], lambda page: any(re.match(r"\s*#(TYPE|HELP)\s", line) for line in page.lines),
     "the agent: text: the first token behind the # counts, wherever it stands; Prometheus reads it so, too"),
]


def explain(page, page_format, good, faults, reference_good, said):
    """Which entry explains that they disagree, as a text, or None."""
    if good and not reference_good:
        for pattern, formats, proof, _ in REFERENCE_ONLY:
            if page_format in formats and re.search(pattern, said) and proof(page):
                return f"prometheus_client: {pattern}"
    elif reference_good and not good:
        for rule, line, _ in faults:
            if rule in AGENT_ONLY and AGENT_ONLY[rule][0](page, line):
                return f"agent: {rule}"
    else:
        for i, (formats, proof, _) in enumerate(FOUND):
            if page_format in formats and proof(page):
                return f"found: {i + 1}"
    return None
