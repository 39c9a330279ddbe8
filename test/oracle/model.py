# SPDX-License-Identifier: Apache-2.0
"""model.py - a page by the grammars of the two formats, as regular expressions, and what its lines say together.

It judges nothing: it is what differences.py looks at to see whether a fault that one of two readers finds
is there.  Written from the specifications, not from either reader.
"""
import collections, math, re

NAME, LABEL = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r"[a-zA-Z_][a-zA-Z0-9_]*"
NUMBER = r"[+-]?(?:(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|(?i:inf(?:inity)?))|(?i:nan)"
OPEN_KINDS = "unknown gauge counter stateset info histogram gaugehistogram summary".split()
KINDS = "counter gauge histogram summary untyped".split()
SUFFIXES = {"counter": ["_total", "_created"], "summary": ["", "_sum", "_count", "_created"],
            "histogram": ["_bucket", "_sum", "_count", "_created"], "info": ["_info"],
            "gaugehistogram": ["_bucket", "_gsum", "_gcount"]}
TEXT_SUFFIXES = {"summary": ["", "_sum", "_count"], "histogram": ["_bucket", "_sum", "_count"]}


def compiled(text):
    """(samples, what describes families, other lines that are nothing)"""
    blank, any_blank = ("[ \\t]+", "[ \\t]*") if text else (" ", "")
    value = r'"(?:[^"\\\n]|\\[\\"n])*"' if text else r'"(?:[^"\\\n]|\\.)*"'
    label = rf"{any_blank}(?:{LABEL}|{value}){any_blank}={any_blank}{value}{any_blank}"
    labels = rf"(?:{label}(?:,{label})*{',?' + any_blank if text else ''})?{any_blank}"
    at = r"[+-]?\d+" if text else NUMBER
    exemplar = "" if text else rf"(?: # \{{(?P<e_labels>{labels})\}} (?P<e_value>{NUMBER})(?: (?P<e_at>{at}))?)?"
    quoted = rf"\{{{any_blank}(?P<quoted>{value}){any_blank}(?:,(?P<q_labels>{labels}))?\}}"
    sample = (rf"{any_blank}(?:(?P<name>{NAME})(?:{any_blank}\{{(?P<labels>{labels})\}})?|{quoted})"
              rf"(?:{rf'(?<=}}){any_blank}|' if text else ''}{blank})(?P<value>{NUMBER})(?:{blank}(?P<at>{at}))?{exemplar}"
              rf"{any_blank}")
    kind = "|".join(KINDS if text else OPEN_KINDS)
    help_text = r"(?:[^\\\n]|\\[\\n])*" if text else r"(?:[^\\\n]|\\.)*"
    name = rf"(?P<m_name>{NAME}|{value})"
    meta = (rf"{any_blank}#{any_blank if text else ' '}(?:TYPE{blank}{name}{blank}(?P<kind>{kind}){any_blank}"
            rf"|HELP{blank}{name.replace('m_name', 'h_name')}(?:{blank}(?P<help>{help_text}))?"
            + ("" if text else rf"|UNIT {name.replace('m_name', 'u_name')} (?P<unit>[a-zA-Z0-9_:]*)") + ")")
    other = r"[ \t]*(?:#(?![ \t]*(?:TYPE|HELP)(?:[ \t]|$)).*)?" if text else "# EOF"
    return [re.compile(pattern, re.S | re.A) for pattern in (sample, meta, other)]


GRAMMARS = {"text": compiled(True), "openmetrics": compiled(False)}
PAIR = re.compile(rf'({LABEL}|"(?:[^"\\]|\\.)*")[ \t]*=[ \t]*"((?:[^"\\]|\\.)*)"', re.S)
ESCAPED = re.compile(r'\\([\\"n])')


class Sample(collections.namedtuple("Sample", "line name labels value at exemplar text")):
    def key(self, *without):
        """An empty label is none."""
        return tuple(sorted((k, v) for k, v in self.labels if v and k not in without))

    def get(self, name):
        return dict(self.labels).get(name)


def pairs(text):
    return [(k, ESCAPED.sub(lambda m: "\n" if m[1] == "n" else m[1], v)) for k, v in PAIR.findall(text or "")]


class Page:
    def __init__(self, page, page_format):
        self.format, self.page = page_format, page.decode(errors="replace")
        self.lines = self.page.split("\n")
        if not self.lines[-1]:
            self.lines.pop()
        self.samples, self.metadata, self.odd = [], [], set()    # odd: numbers of lines that are none of all
        self.families = []    # (name, kind), in order, a new one wherever it changes
        self.of_family = collections.defaultdict(list)    # name: samples
        self.kinds = {}
        for number, line in enumerate(self.lines, 1):
            self.take(number, line)

    def take(self, number, line):
        sample, meta, other = GRAMMARS[self.format]
        if m := sample.fullmatch(line):
            g = m.groupdict()
            e = g.get("e_value") and (pairs(g["e_labels"]), g["e_value"], g["e_at"])
            s = Sample(number, g["name"] or g["quoted"], pairs(g["labels"] or g["q_labels"]), g["value"], g["at"], e, line)
            self.samples.append(s)
            self.place(s)
        elif m := meta.fullmatch(line):
            g = m.groupdict()
            word = "TYPE" if g["m_name"] else "HELP" if g["h_name"] else "UNIT"
            name = g["m_name"] or g["h_name"] or g["u_name"]
            self.metadata.append((number, word, name))
            self.begin(name)
            if word == "TYPE":
                self.kinds.setdefault(name, g["kind"])
        elif not other.fullmatch(line):
            self.odd.add(number)

    def begin(self, name):
        if not self.families or self.families[-1] != name:
            self.families.append(name)

    def names(self, family):
        kinds = TEXT_SUFFIXES if self.format == "text" else SUFFIXES
        return [family + s for s in kinds.get(self.kinds.get(family), [""])]

    def place(self, s):
        if not self.families or s.name not in self.names(self.families[-1]):
            self.begin(s.name)
        self.of_family[self.families[-1]].append(s)

    def of_kind(self, *kinds):
        """(family, samples)"""
        return [(f, self.of_family[f]) for f, kind in self.kinds.items() if kind in kinds]

    def points(self, *kinds, without):
        """Of each point of a metric its samples, by suffix: [(family, {suffix: [sample]})].  A sample that a point
        has already is of another one, of the same time."""
        for family, samples in self.of_kind(*kinds):
            groups, points = {}, []
            for s in samples:
                suffix = s.name[len(family):]
                labels = s.key(without if suffix in ("", "_bucket") else None)
                key = labels, self.format == "openmetrics" and s.at
                if key not in groups or any(s.key() == before.key() for before in groups[key][suffix]):
                    groups[key] = collections.defaultdict(list)
                    points.append(groups[key])
                groups[key][suffix].append(s)
            yield from ((family, g) for g in points)

    def times(self, s):
        return [x for x in (s.at, s.exemplar and s.exemplar[2]) if x]


def number(text):
    """NaN, too, where it is none."""
    return float(text) if text and re.fullmatch(NUMBER, text, re.A) else math.nan
