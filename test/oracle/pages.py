# SPDX-License-Identifier: Apache-2.0
"""pages.py - pages in OpenMetrics 1.0 and Prometheus text 0.0.4, sound ones and such as are not.

    page = pages.make(dice, "openmetrics")      bytes; dice is a random.Random

Three in ten pages are sound; of the others some break a rule of the format in one place, some have a few
bytes changed at random.  All of it follows from the dice.
"""
import math

ANY = None, math.inf    # bounds of a bucket
LABELS = ["a", "b", "zone", "code", "A9", "job", "instance", "c_"]
ODD_LABELS = ["_x", "__y", "le", "quantile"]
VALUES = ["", "1", "x y", "a\\\\b", "say \\\"hi\\\"", "two\\nlines", "\u00e9\u4e2d\U0001f600", "}", "{", ",", "=",
          " # ", "# EOF", "\\\\", "\t", "200", "+Inf", "a" * 40]
WORDS = ["", "Help.", "Two  words", "back\\\\slash", "a\\nb", "\u00e9", "# x", "{}", "say \\\"hi\\\"",
         "TYPE a counter", "ends in space "]
STEMS = ["a", "b", "http_requests", "go_gc:rate", "Temp", "x9", "process_cpu"]
UNITS = ["seconds", "bytes", "ratio", "s"]
KINDS = ["counter", "gauge", "histogram", "summary", "untyped"]
OPEN_KINDS = ["counter", "gauge", "histogram", "gaugehistogram", "summary", "info", "stateset", "unknown"]
SCRAPS = list('{}",= #\\\n+-.019aeEnNZ_:') + ["\r", "\t", "\0", "  ", "\r\n", "\\n", "\\\"", "NaN", "+Inf", "-Inf", "inf",
                                          "1e5", "_total", "_bucket", "# EOF\n", "# TYPE ", " # {} 1", "\u00a0", "\u0661", "\n\n",
                                          "0x1", "1_0", "e", "le=\"1\"", ",,", "\xff"]


def number(dice, whole=False, positive=False):
    """A number as pages write them."""
    if whole:
        return dice.choice(["0", "1", "7", "42", "1000000", "17.0", "1e3", "9007199254740993"])
    text = dice.choice([
        "0", "1", "17", "17.5", "0.1", "1e5", "2.5E-300", "4.9e-324", "1.7976931348623157e308",
        "12345678901234567890", "0.1234567890123456789", "1e+05", "00012", ".5", "5.", "+1", "1e308",
        repr(dice.uniform(0, 1e6)), repr(dice.random() ** 9), str(dice.randrange(10 ** 12))])
    if dice.random() < 0.01:
        return dice.choice(["1e400", "1e-400"])
    if not positive and dice.random() < 0.2:
        text = dice.choice(["-" + text.lstrip("+"), "NaN", "+Inf", "-Inf", "-0"])
    return text


def timestamp(dice, at, text_format):
    """at in seconds."""
    if text_format:
        return str(at * 1000 + dice.randrange(1000))
    return dice.choice([f"{at}", f"{at}.5", f"{at}.123", f"{at}.123456789", f"{at}.0", f"{at}.001"])


class Maker:
    """One page: families of lines, so that rules may be broken before it is written."""

    def __init__(self, dice, text_format):
        self.dice, self.text = dice, text_format
        self.families, self.taken = [], set()
        self.eof = "# EOF\n"
        for _ in range(dice.randrange(1, 5)):
            self.family()

    def labels(self):
        dice = self.dice
        names = dice.sample(LABELS + (ODD_LABELS if dice.random() < 0.01 else []), dice.randrange(0, 4))
        return [(name, dice.choice(VALUES)) for name in names]

    def braces(self, labels):
        if not labels:
            return self.dice.choice(["", "", "{}"])
        comma = "," if self.text and self.dice.random() < 0.1 else ""
        return "{" + ",".join(f'{k}="{v}"' for k, v in labels) + comma + "}"

    def exemplar(self, within):
        """Of a value within a bucket, (above, up to)."""
        low, high = (-1e9 if within[0] is None else within[0]), min(within[1], 1e9)
        value = self.dice.choice([repr(high), repr((low + high) / 2), number(self.dice)]
                                 if self.dice.random() < 0.03 or within == ANY else
                                 [repr(high), repr(high / 2 + low / 2)])
        text = f" # {self.braces(self.labels()) or '{}'} {value}"
        return text + (" " + timestamp(self.dice, self.dice.randrange(0, 2000000000), False)
                       if self.dice.random() < 0.5 else "")

    def line(self, name, labels, value, at=None, within=None):
        text = f"{name}{self.braces(labels)} {value}"
        if at:
            text += " " + at
        if within and not self.text and self.dice.random() < 0.3:
            text += self.exemplar(within)
        return text

    def name(self, kind):
        dice = self.dice
        while True:
            unit = dice.choice(UNITS) if dice.random() < 0.3 and kind not in ("info", "stateset") else ""
            name = dice.choice(STEMS) + str(dice.randrange(30)) + ("_" + unit if unit else "")
            if dice.random() < 0.01:
                name = "_" + name
            if kind == "stateset":
                name = name.replace(":", "_")    # it is a label's name, too
            if name not in self.taken:
                self.taken.add(name)
                return name, unit

    def family(self):
        dice = self.dice
        kind = dice.choice(KINDS if self.text else OPEN_KINDS)
        name, unit = self.name(kind)
        exposed = name + "_total" if self.text and kind == "counter" and dice.random() < 0.7 else name
        lines = []
        if dice.random() < 0.8 or kind not in ("unknown", "untyped"):
            lines.append(f"# TYPE {exposed} {kind}")
        if dice.random() < 0.7:
            lines.append(f"# HELP {exposed} {dice.choice(WORDS)}")
        if unit and not self.text:
            lines.append(f"# UNIT {exposed} {unit}")
        dice.shuffle(lines)
        self.families.append((kind, exposed, lines, self.samples(kind, exposed)))

    def samples(self, kind, name):
        dice, points, seen = self.dice, [], set()
        timed = dice.random() < 0.3
        for _ in range(dice.choice([0, 1, 1, 1, 2, 3])):
            labels = self.labels()
            key = tuple(sorted(labels))
            if key in seen:
                continue
            seen.add(key)
            at = dice.randrange(0, 2000000000) if timed else None
            points += getattr(self, kind)(name, labels, timed and timestamp(dice, at, self.text))
            if timed and not self.text and dice.random() < 0.2:    # a later point of the same
                points += getattr(self, kind)(name, labels, timestamp(dice, at + 60, False))
        return points

    def counter(self, name, labels, at):
        total = name if self.text else name + "_total"
        lines = [self.line(total, labels, number(self.dice, positive=True), at, ANY)]
        if not self.text and self.dice.random() < 0.4:
            lines.append(self.line(name + "_created", labels, number(self.dice, positive=True), at))
        return lines

    def gauge(self, name, labels, at):
        return [self.line(name, labels, number(self.dice), at)]

    unknown = untyped = gauge

    def info(self, name, labels, at):
        return [self.line(name + "_info", labels, self.dice.choice(["1", "1.0", "1e0"]), at)]

    def stateset(self, name, labels, at):
        return [self.line(name, labels + [(name, state)], self.dice.choice("01"), at)
                for state in self.dice.sample(["on", "off", "broken"], self.dice.randrange(1, 4))]

    def summary(self, name, labels, at):
        dice = self.dice
        lines = [self.line(name, labels + [("quantile", q)], number(dice, positive=True), at)
                 for q in sorted(dice.sample(["0", "0.5", "0.9", "0.99", "1", "1.0"][:5], dice.randrange(0, 4)))]
        if dice.random() < 0.8 or not lines:
            lines.append(self.line(name + "_sum", labels, number(dice, positive=True), at))
            lines.append(self.line(name + "_count", labels, number(dice, whole=True), at))
        if not self.text and dice.random() < 0.3:
            lines.append(self.line(name + "_created", labels, number(dice, positive=True), at))
        return lines

    def buckets(self, name, labels, at, negative):
        dice = self.dice
        bounds = sorted(dice.sample([-5.0, -0.5, 0.0, 0.1, 0.5, 1.0, 2.5, 10.0, 1e6][0 if negative else 2:],
                                    dice.randrange(0, 5)))
        counts = sorted(dice.randrange(0, 1000) for _ in range(len(bounds) + 1))
        texts = [repr(b) if dice.random() < 0.5 or self.text else f"{b:g}" for b in bounds] + ["+Inf"]
        limits = list(zip([None, *bounds], [*bounds, math.inf]))
        return [self.line(name + "_bucket", labels + [("le", b)], n, at, within)
                for b, n, within in zip(texts, counts, limits)], counts[-1], bool(bounds) and bounds[0] < 0

    def histogram(self, name, labels, at):
        negative = not self.text and self.dice.random() < 0.1
        lines, count, below = self.buckets(name, labels, at, negative)
        if (self.text or self.dice.random() < 0.8) and not below:
            lines.append(self.line(name + "_sum", labels, number(self.dice, positive=True), at))
            lines.append(self.line(name + "_count", labels, count, at))
        if not self.text and self.dice.random() < 0.3:
            lines.append(self.line(name + "_created", labels, number(self.dice, positive=True), at))
        return lines

    def gaugehistogram(self, name, labels, at):
        lines, count, below = self.buckets(name, labels, at, self.dice.random() < 0.3)
        if self.dice.random() < 0.8:
            lines.append(self.line(name + "_gsum", labels, number(self.dice, positive=not below), at))
            lines.append(self.line(name + "_gcount", labels, count, at))
        return lines

    def page(self):
        lines = [line for _, _, meta, points in self.families for line in meta + points]
        if self.text and self.dice.random() < 0.3:
            lines.insert(self.dice.randrange(len(lines) + 1), self.dice.choice(["", "# a comment", "#", "# EOF", "#x"]))
        return "".join(line + "\n" for line in lines) + ("" if self.text else self.eof)


def of_lines(change):
    def breaker(dice, page):
        lines = page.splitlines(keepends=True)
        if lines:
            change(dice, lines, dice.randrange(len(lines)))
        return "".join(lines)
    return breaker


@of_lines
def without_a_line(dice, lines, i):
    del lines[i]


@of_lines
def a_line_twice(dice, lines, i):
    lines.insert(dice.choice([i, dice.randrange(len(lines) + 1)]), lines[i])


@of_lines
def lines_swapped(dice, lines, i):
    j = dice.choice([min(i + 1, len(lines) - 1), dice.randrange(len(lines))])
    lines[i], lines[j] = lines[j], lines[i]


@of_lines
def another_value(dice, lines, i):
    head, space, _ = lines[i].rpartition(" ")
    lines[i] = head + space + dice.choice(["-1", "NaN", "2", "0.5", "+Inf", "-Inf", "1e5", "-0", "x", "0"]) + "\n"


@of_lines
def another_type(dice, lines, i):
    for k, line in enumerate(lines):
        if line.startswith("# TYPE"):
            lines[k] = line.rpartition(" ")[0] + " " + dice.choice(OPEN_KINDS + ["untyped", "Counter", "x"]) + "\n"
            break


@of_lines
def another_suffix(dice, lines, i):
    for suffix in ("_total", "_bucket", "_sum", "_count", "_created", "_info", "_gsum", "_gcount"):
        if suffix in lines[i]:
            lines[i] = lines[i].replace(suffix, dice.choice(["", "_total", "_bucket", "_sum", "_count", "_info"]), 1)
            return
    lines[i] = lines[i].replace(" ", "_total ", 1)


@of_lines
def another_label(dice, lines, i):
    lines[i] = lines[i].replace('="', dice.choice(['="1', '= "', ' ="', '=', '=""', "='", '9="', '-="', '_="']), 1)


@of_lines
def an_exemplar(dice, lines, i):
    labels = dice.choice(['{}', '{a="b"}', '{a="' + "x" * dice.choice([126, 127, 128]) + '"}', '{a="b",a="c"}', '', '{a=b}',
                          '{a="\\""}', '{a="\u00e9"}'])
    lines[i] = lines[i].rstrip("\n") + f" # {labels} {dice.choice(['1', 'x', '', '1 2', '1 2 3', '-1', 'NaN', '1 x'])}\n"


@of_lines
def a_time(dice, lines, i):
    lines[i] = lines[i].rstrip("\n") + " " + dice.choice(["1", "-5", "1.5", "1e3", "x", "NaN", "", "0", "9" * 30,
                                                         "1700000000.5"]) + "\n"


def without_the_end(dice, page):
    return page[:dice.randrange(len(page) + 1)]


def a_few_bytes(dice, page):
    for _ in range(dice.choice([1, 1, 1, 2, 3])):
        i, j = dice.randrange(len(page) + 1), dice.choice([0, 0, 1, 1, 2, 5])
        scrap = dice.choice(["", dice.choice(SCRAPS), dice.choice(SCRAPS)])
        page = page[:i] + scrap + page[i + j:]
    return page


RULES = [without_a_line, a_line_twice, lines_swapped, another_value, another_type, another_suffix, another_label,
         an_exemplar, a_time]


def make(dice, page_format):
    page = Maker(dice, page_format == "text").page()
    kind = dice.random()
    if kind < 0.35:
        page = dice.choice(RULES)(dice, page)
    elif kind < 0.65:
        page = a_few_bytes(dice, page)
    elif kind < 0.70:
        page = without_the_end(dice, page)
    return page.replace("\xff", "\udcff").encode("utf-8", "surrogateescape")
