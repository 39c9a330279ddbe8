# SPDX-License-Identifier: Apache-2.0
"""long_doc.py - figures of a long test, for people: printed, and into the file that STRATA_LONG_DOC names."""
import datetime, os, platform

LONG = """# The long tests

Written by `./dev test long`, each part by its own test. A test fails when a figure is not what it must be.
"""
RELIABILITY = """# Reliability

What the agent is put through, and the figures measured. Each part is written by a test of its own; a test fails
when a figure is not what it must be.
"""
TABLE = "| | |\n|---|---|\n"


def machine():
    """Processor, cores, memory and kernel."""
    def field(path, name):
        with open(path) as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith(name)), "")
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 2 ** 20
    processor = field("/proc/cpuinfo", "model name") or platform.machine()
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{processor}, {os.cpu_count()} cores, {memory:.1f} GiB, Linux {kernel}"


def parts(text):
    """{title: what stands under it} of a text made here."""
    return dict(part.split("\n", 1) for part in text.split("\n## ")[1:])


def write(title, about, figures, file=None, head=LONG):
    """about: what the test does, Markdown; figures: what is said of each name, numbers in groups of
    three.  Takes the place of the part of that title; file: another one beside that of STRATA_LONG_DOC,
    with its own head."""
    rows = {"date": datetime.date.today().isoformat(), "machine": machine(), **figures}
    table = "".join(f"| {name} | {format(value, ',') if isinstance(value, int) else value} |\n"
                    for name, value in rows.items())
    print(table)
    path = os.environ.get("STRATA_LONG_DOC")
    if not path:
        return
    if file:
        path = os.path.join(os.path.dirname(path), file)
    known = {}
    if os.path.exists(path):
        with open(path) as f:
            known = parts(f.read())
    known[title] = f"\n{about.strip()}\n\n{TABLE}{table}"
    with open(path, "w") as f:
        f.write(head + "".join(f"\n## {name}\n{known[name]}" for name in sorted(known)))
