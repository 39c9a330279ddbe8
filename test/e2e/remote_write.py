# SPDX-License-Identifier: Apache-2.0
"""remote_write.py - reads remote write 2.0 with protoc and test/remote_write.proto."""
import os, subprocess

import receivers
import snappy_block

TEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(body):
    """{(name, labels, ms): bits} and {name: (type, help)} of a request."""
    held, types = {}, {}
    for name, labels, s in decode(body):
        held[name, labels, int(s["timestamp"])] = receivers.bits(s.get("value", "0"))
        types[name] = s.get("type", "UNSPECIFIED"), s["help"]
    return held, types


def read_extras(body):
    """Exemplars as {(name, labels, ms): (labels, bits)}, and since when each counts: {(name, labels): ms}."""
    exemplars, created = {}, {}
    for name, labels, s in decode(body):
        for e in s["exemplars"]:
            exemplars[name, labels, int(e["timestamp"])] = e["labels"], receivers.bits(e.get("value", "0"))
        check(s.get("start_timestamp") == s.get("created_timestamp"), s)
        if "start_timestamp" in s:
            created[name, labels] = int(s["start_timestamp"])
    return exemplars, created


def decode(body):
    """(name, labels, fields) of each series."""
    done = subprocess.run(["protoc", "--decode=wire.Request", f"-I{TEST}",
                           f"{TEST}/remote_write.proto"], input=snappy_block.uncompress(body),
                          capture_output=True)
    if done.returncode:
        raise AssertionError(done.stderr)
    symbols, series = read_text(done.stdout.decode())
    check(symbols[:2] == ["", "__name__"] and len(symbols) == len(set(symbols)), symbols)

    def labels_of(fields):
        texts = [symbols[i] for i in fields["labels_refs"]]
        check(texts[::2] == sorted(texts[::2]), texts)
        return dict(zip(texts[::2], texts[1::2]))
    for s in series:
        labels = labels_of(s)
        s["help"] = symbols[int(s.get("help_ref", 0))]
        for e in s["exemplars"]:
            e["labels"] = tuple(sorted(labels_of(e).items()))
        yield labels.pop("__name__"), tuple(sorted(labels.items())), s


def check(right, what):
    if not right:
        raise AssertionError(what)


def read_text(text):
    """protoc's text: symbols and series."""
    symbols, series, at = [], [], None
    for line in text.splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "symbols":
            symbols.append(unquote(value))
        elif key == "timeseries {":
            at = {"labels_refs": [], "exemplars": []}
            series.append(at)
        elif key == "exemplars {":
            at = {"labels_refs": []}
            series[-1]["exemplars"].append(at)
        elif key == "}":
            at = series[-1]
        elif key == "labels_refs":
            at[key].append(int(value))
        elif value:
            at[key] = value
    return symbols, series


def unquote(text):
    """A string of protobuf's text format: C escapes, bytes in octal."""
    return text[1:-1].encode().decode("unicode_escape").encode("latin-1").decode()
