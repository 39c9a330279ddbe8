# SPDX-License-Identifier: Apache-2.0
"""remote_write.py - reads remote write 2.0 with protoc and test/remote_write.proto."""
import os, subprocess

import receivers
import snappy_block

TEST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(body):
    """{(name, labels, ms): bits} and {name: (type, help)} of a request."""
    done = subprocess.run(["protoc", "--decode=wire.Request", f"-I{TEST}",
                           f"{TEST}/remote_write.proto"], input=snappy_block.uncompress(body),
                          capture_output=True)
    if done.returncode:
        raise AssertionError(done.stderr)
    symbols, series = read_text(done.stdout.decode())
    check(symbols[:2] == ["", "__name__"] and len(symbols) == len(set(symbols)), symbols)
    held, types = {}, {}
    for s in series:
        texts = [symbols[i] for i in s["labels_refs"]]
        check(texts[::2] == sorted(texts[::2]), texts)
        labels = dict(zip(texts[::2], texts[1::2]))
        name = labels.pop("__name__")
        held[name, tuple(sorted(labels.items())), int(s["timestamp"])] = \
            receivers.bits(s.get("value", "0"))
        types[name] = s.get("type", "UNSPECIFIED"), symbols[int(s.get("help_ref", 0))]
    return held, types


def check(right, what):
    if not right:
        raise AssertionError(what)


def read_text(text):
    """protoc's text: symbols and series."""
    symbols, series = [], []
    for line in text.splitlines():
        key, _, value = line.strip().partition(": ")
        if key == "symbols":
            symbols.append(unquote(value))
        elif key == "timeseries {":
            series.append({"labels_refs": []})
        elif key == "labels_refs":
            series[-1][key].append(int(value))
        elif value:
            series[-1][key] = value
    return symbols, series


def unquote(text):
    """A string of protobuf's text format: C escapes, bytes in octal."""
    return text[1:-1].encode().decode("unicode_escape").encode("latin-1").decode()
