# SPDX-License-Identifier: Apache-2.0
"""reference.py - what prometheus_client, another implementation, makes of a page.

    good, found = reference.read(page, "openmetrics")

found is, of a good page, {"families": [...], "samples": [...]}, see agent.py; of a bad one the reason.
"""
import math, struct, sys

from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client import parser as text
from prometheus_client.samples import Timestamp


def bits(value):
    """Of the double; all NaN are alike."""
    try:
        value = float(value)
    except OverflowError:    # of a whole number
        value = math.inf if value > 0 else -math.inf
    return "nan" if math.isnan(value) else struct.pack(">d", value).hex()


def milliseconds(at):
    """The next one; None stays None."""
    if at is None:
        return None
    if isinstance(at, Timestamp):
        return at.sec * 1000 + round(at.nsec / 1000000)
    return round(at * 1000) if math.isfinite(at) else str(at)


def sample(s, at):
    found = [s.name, sorted(s.labels.items()), bits(s.value), at(s.timestamp)]
    e = s.exemplar
    return (*found, (sorted(e.labels.items()), bits(e.value), at(e.timestamp)) if e else None)


def read(page, page_format):
    try:
        parser = text if page_format == "text" else openmetrics
        families = list(parser.text_string_to_metric_families(page.decode()))
        if page_format == "text":
            return True, found_of(families, lambda at: None if at is None else round(at * 1000))
        return True, found_of(families, milliseconds)
    except Exception as e:    # of any kind: it tells faults by whatever trips it
        return False, f"{type(e).__name__}: {e}"


def found_of(families, at):
    return {"families": [(f.name, "untyped" if f.type == "unknown" else f.type, f.unit, f.documentation) for f in families],
            "samples": [sample(s, at) for f in families for s in f.samples]}
