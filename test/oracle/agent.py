# SPDX-License-Identifier: Apache-2.0
"""agent.py - what `strata-agent check-page --json` understands of pages.

    for good, found, faults in agent.read(program, paths, "openmetrics"): ...

found is {"families": [(name, type, unit, help)], "lines": [of each sample its line], "samples": [(name, [(label, value)...] sorted, bits of the
double, milliseconds or None, exemplar)]}, an exemplar (labels, bits, milliseconds) or None; faults is a list of
(rule, line, words).
"""
import json, subprocess

from reference import bits

AT_ONCE = 1000


def read(program, paths, page_format):
    for i in range(0, len(paths), AT_ONCE):
        some = paths[i:i + AT_ONCE]
        done = subprocess.run([program, "check-page", "--json", "--format", page_format, *some],
                              capture_output=True, timeout=100)
        if done.returncode not in (0, 1) or done.stderr:
            raise AssertionError(f"exit code {done.returncode}: {done.stderr[-2000:].decode()}")
        pages = list(split(done.stdout.decode().splitlines()))
        if len(pages) != len(some):
            raise AssertionError(f"{len(some)} pages, of which {len(pages)} are told")
        yield from pages


def split(lines):
    families, samples, faults, numbers = [], [], [], []
    for line in lines:
        o = json.loads(line, parse_int=lambda digits: -0.0 if digits == "-0" else int(digits))
        if "sample" in o:
            samples.append(sample(o))
            numbers.append(o["line"])
        elif "family" in o:
            families.append((o["family"], o["type"], o.get("unit", ""), o.get("help", "")))
        elif "fault" in o:
            faults.append((o["fault"], o["line"], o["what"]))
        else:
            if (o["page"] == "good") != (not faults) or o["faults"] < len(faults):
                raise AssertionError(f"{faults} beside {line}")
            yield o["page"] == "good", {"families": families, "samples": samples, "lines": numbers}, faults
            families, samples, faults, numbers = [], [], [], []


def sample(o):
    e = o.get("exemplar")
    return (*point(o, o["sample"]), point(e, "")[1:] if e else None)


def point(o, name):
    return name, sorted(map(tuple, o["labels"])), bits(o["value"]), o.get("timestamp_ms")
