# SPDX-License-Identifier: Apache-2.0
"""long_doc.py - figures of a long test, for people: printed, and into the file that STRATA_LONG_DOC names."""
import datetime, os, platform

HEAD = """# The long test

Written by `./dev test long`: a real nats-server with JetStream is killed and started again while
the agent scrapes on; afterwards each page that was served must be in the stream, once and in order.
The test fails when a figure is not what it must be: nothing lost, nothing twice, and in the stream
what was scraped and the meta series.

| | |
|---|---|
"""


def machine():
    """Processor, cores, memory and kernel."""
    def field(path, name):
        with open(path) as f:
            return next((line.split(":", 1)[1].strip() for line in f if line.startswith(name)), "")
    memory = int(field("/proc/meminfo", "MemTotal").split()[0]) / 2 ** 20
    processor = field("/proc/cpuinfo", "model name") or platform.machine()
    kernel = ".".join(platform.release().split(".")[:2])
    return f"{processor}, {os.cpu_count()} cores, {memory:.1f} GiB, Linux {kernel}"


def write(figures):
    """figures: what is said of each name; numbers in groups of three."""
    rows = {"date": datetime.date.today().isoformat(), "machine": machine(), **figures}
    text = "".join(f"| {name} | {format(value, ',') if isinstance(value, int) else value} |\n"
                   for name, value in rows.items())
    print(text)
    path = os.environ.get("STRATA_LONG_DOC")
    if path:
        with open(path, "w") as f:
            f.write(HEAD + text)
