# SPDX-License-Identifier: Apache-2.0
"""exposed.py - a page with what formats stumble over, and what a receiver has to hold of it.

    page, want = exposed.page(now_ms)       want: {(name, labels, ms): bits of the double}
    body = exposed.encode(case, {"influx": {}}, page)

All samples have a time of their own: it has to arrive, too.
"""
import math, os, random, struct

import harness
import receivers

VALUES = ["0", "-0", "1", "17.5", "0.1", "1E+05", "2.5e-300", "4.9e-324", "1.7976931348623157e308",
          "12345678901234567890", "0.1234567890123456789", "-9007199254740993"]
TEXTS = ["a b", "a,b=c", "x\\y", 'say "hi"', "\u00e9\u4e2d\U0001f600", "=", " ", "a\tb", "#", "{}",
         "x" * 300]


def quote(text):
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def page(now_ms, series=200):
    """series doubles of any bits besides those above; equal for equal now_ms."""
    dice = random.Random(now_ms)
    lines, want = [], {}

    def add(name, labels, text):
        ms = now_ms - dice.randrange(1000)
        inner = ",".join(f'{k}="{quote(v)}"' for k, v in labels.items())
        lines.append(f"{name}{{{inner}}} {text} {ms}")
        want[name, tuple(sorted(labels.items())), ms] = receivers.bits(text)

    lines += ["# HELP odd_values Some \\\\ \\n help.", "# TYPE odd_values gauge"]
    for i, text in enumerate(VALUES):
        add("odd_values", {"i": str(i)}, text)
    lines += ["# TYPE odd_labels_total counter"]
    for i, text in enumerate(TEXTS):
        add("odd_labels_total", {"text": text, "i": str(i), "Zone": "z"}, str(i))
    lines += ["# TYPE size histogram"]
    for le, n in (("0.5", 1), ("1", 2), ("+Inf", 7)):
        add("size_bucket", {"le": le}, str(n))
    add("size_sum", {}, "12.25")
    add("size_count", {}, "7")
    while len(want) < series:
        value, = struct.unpack("<d", dice.randbytes(8))
        if abs(value) < float("inf"):
            add("any:value", {"n": str(len(want))}, repr(value))
    return "\n".join(lines) + "\n", want


def encode(case, encoder, text, sink=None, labels=None):
    """What the agent makes of that page in one scrape: the bytes of a message."""
    pages = case.pages({"/metrics": text})
    conf = harness.config([pages.url()], source={"honor_labels": True},
                          outputs=[{"name": "main", "sink": "queue", **encoder}],
                          sinks=[sink] if sink else None, agent={"cluster": ""})
    path = os.path.join(case.folder, "scrape.yaml")
    with open(path, "w") as f:
        f.write(harness.text_of(conf))
    done = case.run_agent("scrape", pages.url(), "-c", path, binary=True)
    case.assertEqual(done.returncode, 0, done.stderr)
    return done.stdout


def plain(samples, drop=("instance", "job")):
    """Without the labels of the target and its meta series."""
    meta = ("up", "scrape_")
    return {(name, tuple(p for p in labels if p[0] not in drop), ms): v
            for (name, labels, ms), v in samples.items() if not name.startswith(meta)}


def in_influx_words(want):
    """As InfluxDB lines say it."""
    return {(name, tuple((k, v.replace("\t", "\\t")) for k, v in labels), ms): bits
            for (name, labels, ms), bits in want.items()}


def compare(case, held, want):
    """Says what differs, and no more."""
    case.assertEqual({k: (held.get(k), want.get(k)) for k in {*held, *want}
                      if held.get(k) != want.get(k)}, {})
    case.assertGreater(len(want), 0)


def compare_decimals(case, held, want):
    """The same for a receiver that keeps decimals of 18 digits, and takes tiny ones for 0."""
    case.assertEqual(set(held), set(want))
    for key, text in want.items():
        pair = receivers.double(held[key]), receivers.double(text)
        case.assertTrue(math.isclose(*pair, rel_tol=1e-12, abs_tol=1e-280), (key, *pair))
