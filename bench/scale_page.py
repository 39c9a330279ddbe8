# SPDX-License-Identifier: Apache-2.0
"""scale_page.py - the rows of scale.py as a table, a picture and the text that says why the curves bend.

Two models explain them, and what they leave over is said: CPU time is what an agent costs without targets, so much for each
scrape and so much for each sample; memory is what it has without targets, what it takes as soon as there is one, so much for
each target and so much for each series.
"""
import json, os

import plot

MIB = 1 << 20
BEND = 1.3       # what is less off than that is no bend
MISSED = 0.01    # of the scrapes that were due: with more, an agent does not keep up
ENOUGH = 1000    # targets, or series of a target: from there on curves should be flat


def read(path):
    if not os.path.exists(path):
        return []
    with open(path) as f:
        return json.load(f)


def solve(matrix, right):
    """Of as many equations as unknowns; None when they do not tell."""
    rows = [[*line, r] for line, r in zip(matrix, right)]
    size = len(rows)
    for i in range(size):
        best = max(range(i, size), key=lambda k: abs(rows[k][i]))
        if abs(rows[best][i]) <= 1e-6:
            return None
        rows[i], rows[best] = rows[best], rows[i]
        for k in range(size):
            if k != i:
                factor = rows[k][i] / rows[i][i]
                rows[k] = [a - factor * b for a, b in zip(rows[k], rows[i])]
    return [rows[i][size] / rows[i][i] for i in range(size)]


def fit(points):
    """Of points (x1, x2, ..., y) the factors, none below 0, with which a·x1 + b·x2 + ... is near y, measured by what part
    of y is off; None when the points do not tell them apart."""
    points = [p for p in points if p[-1] > 0]
    count = len(points[0]) - 1 if points else 0
    if len(points) < max(count, 2):
        return None
    columns = [[p[i] / p[-1] for p in points] for i in range(count)]
    scale = [sum(v * v for v in column) ** 0.5 for column in columns]    # so that none is tiny beside another
    if not all(scale):
        return None
    columns = [[v / size for v in column] for column, size in zip(columns, scale)]
    used = list(range(count))
    while True:
        found = solve([[sum(a * b for a, b in zip(columns[i], columns[k])) for k in used] for i in used],
                      [sum(columns[i]) for i in used])
        if found is None or min(found) >= 0:
            break
        used.remove(used[found.index(min(found))])
    if found is None:
        return None
    factors = dict(zip(used, found))
    return tuple(factors.get(i, 0) / scale[i] for i in range(count))


class Agent:
    """What the rows say of one agent, in seconds and bytes."""

    def __init__(self, rows, name):
        self.all = [r for r in rows if r["agent"] == name and not r["why"]]
        self.rows = sorted((r for r in self.all if r["targets"]), key=lambda r: (r["targets"], r["samples"], r["interval_s"]))
        idle = next((r for r in self.all if not r["targets"]), None)
        self.idle_cpu = idle["idle_cpu_ms_per_s"] / 1e3 if idle else 0
        self.idle_rss = idle["rss_idle_mib"] * MIB if idle else 0
        self.name = f"{name} → {self.all[0]['receiver']}" if self.all else name
        mine = usual(self, rows)
        self.per_scrape, self.per_sample = fit([
            (self.scrapes(r), self.samples(r), self.cpu(r) - self.idle_cpu) for r in mine]) or (None, None)
        self.buffers, self.per_target, self.per_series = fit([
            (1, r["targets"], series(r), r["rss_mib"] * MIB - self.idle_rss) for r in mine]) or (None, None, None)

    @staticmethod
    def scrapes(row):
        return row["targets"] / row["interval_s"]

    def samples(self, row):
        return self.scrapes(row) * row["samples"]

    def cpu(self, row):
        """Seconds of CPU time a second."""
        return row["cpu_s_per_million"] * self.samples(row) / 1e6

    def memory(self, row):
        """Bytes for each series, without what an idle agent has."""
        return (row["rss_mib"] * MIB - self.idle_rss) / series(row)

    def model_cpu(self, row):
        """CPU-s per million samples, or None."""
        if self.per_scrape is None:
            return None
        return (self.idle_cpu + self.per_scrape * self.scrapes(row)) / self.samples(row) * 1e6 + self.per_sample * 1e6

    def model_memory(self, row):
        if self.per_target is None:
            return None
        return (self.buffers + self.per_target * row["targets"]) / series(row) + self.per_series


def series(row):
    return row["targets"] * row["samples"]


def usual_interval(rows):
    """That of most loads; the others are there for their pace."""
    every = [r["interval_s"] for r in rows if r["targets"]]
    return max(every, key=every.count, default=0)


def agents_of(rows):
    return list(dict.fromkeys(r["agent"] for r in sorted(rows, key=lambda r: r["agent"] != "strata")))


def cell(value, form):
    return "" if value is None else form.format(value)


def table(rows):
    agents = {name: Agent(rows, name) for name in agents_of(rows)}
    base = {r["load"]: r for r in agents["vmagent"].rows} if "vmagent" in agents else {}
    lines = ["| targets × series | every | agent | CPU-s per million | model | × | µs per scrape | RSS MiB | B per series | model | × "
             "| missed | server |", "|" + "---|" * 13]
    for r in sorted((r for r in rows if r["targets"]), key=lambda r: (
            -r["interval_s"], r["samples"], r["targets"], r["agent"] != "strata")):
        head = f"| {r['targets']:,} × {r['samples']:,} | {r['interval_s']} s | {r['agent']} |"
        if r["why"]:
            lines.append(f"{head} {r['why']} |" + " |" * 9)
            continue
        agent, other = agents[r["agent"]], base.get(r["load"]) if r["agent"] != "vmagent" else None
        lines.append(" | ".join((
            f"{head} {r['cpu_s_per_million']:.3f}", cell(agent.model_cpu(r), "{:.3f}"),
            cell(other and r["cpu_s_per_million"] / other["cpu_s_per_million"], "{:.2f}"),
            f"{r['cpu_us_per_scrape']:,.0f}", f"{r['rss_mib']:.1f}", f"{agent.memory(r):,.0f}",
            cell(agent.model_memory(r), "{:,.0f}"), cell(other and r["rss_mib"] / other["rss_mib"], "{:.2f}"),
            f"{r['missed']:.0f}", f"{r['server_cores']:.1%}")) + " |")
    return lines


def ways(rows):
    """(title, what x is, rows) of both ways: the number of series that most targets have, and the total of most loads."""
    rows = [r for r in rows if r["targets"] and not r["why"] and r["interval_s"] == usual_interval(rows)]
    each, total = [r["samples"] for r in rows], [series(r) for r in rows]
    each, total = max(each, key=each.count, default=0), max(total, key=total.count, default=0)
    return [(f"targets of {each:,} series each", "targets", [r for r in rows if r["samples"] == each]),
            (f"series of a target, {total:,} in all", "samples", [r for r in rows if series(r) == total])]


def picture(rows):
    panels, agents = [], [Agent(rows, name) for name in agents_of(rows)]
    for title, unit, value, model in (
            ("CPU time", "CPU-s per million samples", lambda a, r: r["cpu_s_per_million"], Agent.model_cpu),
            ("Memory above idle", "bytes per series", Agent.memory, Agent.model_memory)):
        for (x, key, these), way in zip(ways(rows), ("more and more targets", "more and more series of each")):
            curves = []
            for agent in agents:
                mine = [r for r in agent.rows if r in these]
                curves.append(plot.Curve(agent.name, [(r[key], value(agent, r)) for r in mine]))
                modelled = [(r[key], model(agent, r)) for r in mine if model(agent, r) is not None]
                if agent.name.startswith("strata") and modelled:
                    curves.append(plot.Curve(agent.name, modelled, thin=True))
            panels.append(plot.Panel(f"{title}: {way}", x, unit, [c for c in curves if c.points]))
    return plot.svg("CPU time per sample and memory per series, by the number of targets and by the series of each", panels)


def ratio(rows, what):
    got = [what(r) for r in rows]
    return max(got) / min(got)


def kept_up(row):
    return row["missed"] <= MISSED * row["targets"] * max(1, row["window_s"] / row["interval_s"])


def usual(agent, rows):
    """Those of its rows that have the interval of most loads, and with which it kept up."""
    return [r for r in agent.rows if r["interval_s"] == usual_interval(rows) and kept_up(r)]


def off(rows, what, model):
    """Where the model is off by more than BEND, as text."""
    found = [f"{name(r)} ({what(r) / model(r):.2g} times)" for r in rows
             if model(r) and not 1 / BEND < what(r) / model(r) < BEND]
    return ", ".join(found)


def name(row):
    return f"{row['targets']:,} × {row['samples']:,}"


CPU = """- **CPU time** is {idle_cpu:.1f} ms a second without any target, {scrape:.0f} µs for each scrape and {sample:.0f} ns for each sample: the thin
  line. The second curve is high at its left because few samples share a scrape: its request and answer, wake-ups, its
  meta series, a message and the books cost the same whatever the page has.{even}"""
EVEN = " At {series:,.0f} series of a target both weigh the same."
ALONE = """- **Few targets**: a scrape of {each:,} series takes {few_us:,.0f} µs with {few:,} targets and {many_us:,.0f} µs with {many:,}: that is the bend of the first
  curve. Of the former {idle_us:,.0f} µs are what an idle agent costs, shared by few scrapes. The rest: a scrape that comes alone
  pays for its wake-ups alone, and finds caches that others have used and memory that has rested in between."""
CPU_OFF = """- The model is more than {bend:.0%} off at {where}. What it does not know: scrapes that come
  alone, above; whether a page and what is remembered of it still are in a processor's caches, which hold those of so many
  targets and no more; and memory that rests between two scrapes, below."""
CPU_GOOD = "- The model is nowhere more than {bend:.0%} off: there is no other bend."
PACE = """- **Pace**: {load} cost {slow:.3f} CPU-s per million every {slow_s} s and {fast:.3f} every {fast_s} s, {times:.1f} times: caches that others use in
  between, and memory that rests, which some machines take back{page}.
  It bends no curve, for all its loads have one interval, but lifts it as a whole, and most where pages are large."""
PAGE = " (a page of memory: {page_us:.2f} µs to touch, {rested_page_us:.2f} µs after ten seconds of rest)"
MEMORY = """- **Memory** is {idle:.1f} MiB without any target, {buffers:.1f} MiB as soon as there is one, {target:.1f} KiB for each target and {series:.0f} bytes for
  each series: the thin line. At the left of the first curve few series share what is made at the first scrapes (buffers of
  workers and of the output, which are used again), at the left of the second few share a target's own part: URL, labels,
  times, the smallest buffers of its page."""
MEMORY_OFF = """ The model is more than {bend:.0%} off at {where}: it does not know that buffers are
  made as large as the largest page and as many as there are scrapes at a time, nor that a page with more than 32 KiB of texts (150 to
  300 series) keeps them plain as long as half of `agent.memory` is free, 200 to 300 bytes a series, and a smaller one never ([PAGES.md](PAGES.md))."""
BEHIND = "- {name} did not keep up with {loads}, which the models leave out."
OTHER = """- **{name}**, by the same models: {idle_cpu:.1f} ms a second, {scrape:.0f} µs for each scrape, {sample:.0f} ns for each sample; {idle:.1f} and
  {buffers:.1f} MiB, {target:.1f} KiB for each target, {series:.0f} bytes for each series."""


def cpu_figures(agent):
    """Of its model, in the units of the texts."""
    return {"idle_cpu": agent.idle_cpu * 1e3, "scrape": agent.per_scrape * 1e6, "sample": agent.per_sample * 1e9}


def memory_figures(agent):
    return {"idle": agent.idle_rss / MIB, "buffers": agent.buffers / MIB, "target": agent.per_target / 1024,
            "series": agent.per_series}


def explain_cpu(agent, rows):
    if agent.per_scrape is None:
        return ["- The rows are too few to tell a scrape's cost from a sample's."]
    where = off(usual(agent, rows), lambda r: r["cpu_s_per_million"], agent.model_cpu)
    even = EVEN.format(series=agent.per_scrape / agent.per_sample) if agent.per_sample else ""
    return [CPU.format(**cpu_figures(agent), even=even), *explain_few(agent, rows),
            (CPU_OFF if where else CPU_GOOD).format(bend=BEND - 1, where=where)]


def explain_few(agent, rows):
    """The two ends of the first way."""
    mine = sorted((r for r in ways(rows)[0][2] if r in usual(agent, rows)), key=lambda r: r["targets"])
    if len(mine) < 2:
        return []
    few, many = mine[0], mine[-1]
    return [ALONE.format(each=few["samples"], few=few["targets"], many=many["targets"], few_us=few["cpu_us_per_scrape"],
                         many_us=many["cpu_us_per_scrape"], idle_us=min(few["cpu_us_per_scrape"], agent.idle_cpu / agent.scrapes(few) * 1e6))]


def explain_pace(agent):
    """The load that is there at two intervals."""
    idle = next((r for r in agent.all if not r["targets"]), {})
    for slow in agent.rows:
        for fast in agent.rows:
            if name(fast) == name(slow) and fast["interval_s"] < slow["interval_s"]:
                a, b = slow["cpu_s_per_million"], fast["cpu_s_per_million"]
                return [PACE.format(load=name(slow), slow=a, fast=b, slow_s=slow["interval_s"], fast_s=fast["interval_s"],
                                    times=a / b, page=PAGE.format(**idle) if "page_us" in idle else "")]
    return []


def explain_memory(agent, rows):
    if agent.per_target is None:
        return ["- The rows are too few to tell a target's memory from a series'."]
    where = off(usual(agent, rows), agent.memory, agent.model_memory)
    return [MEMORY.format(**memory_figures(agent)) + (MEMORY_OFF.format(bend=BEND - 1, where=where) if where else "")]


def flat(agent, rows):
    """How far apart the figures are where there are targets, and series, enough."""
    lines = []
    for title, key, these in ways(rows):
        mine = [r for r in these if r in agent.rows and r[key] >= ENOUGH]
        if len(mine) > 1:
            lines.append(f"from {ENOUGH:,} {title} on, within a factor of {ratio(mine, lambda r: r['cpu_s_per_million']):.2f} "
                         f"(CPU time) and {ratio(mine, agent.memory):.2f} (memory)")
    return ["- **Flat**: " + ";\n  ".join(lines) + "."] if lines else []


def explain(rows):
    agent, other = Agent(rows, "strata"), Agent(rows, "vmagent")
    if not agent.rows:
        return []
    lines = [*flat(agent, rows), *explain_cpu(agent, rows), *explain_pace(agent), *explain_memory(agent, rows)]
    for each in (agent, other):
        behind = [name(r) for r in each.rows if not kept_up(r)]
        if behind:
            lines.append(BEHIND.format(name=each.name, loads=", ".join(behind)))
    if None not in (other.per_scrape, other.per_target):
        lines.append(OTHER.format(name=other.name, **cpu_figures(other), **memory_figures(other)))
    return lines


def span(values, form):
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


TEXT = """
Written by `./dev bench scale`. What is measured and how stands at the top of `bench/scale.py`.

![CPU time per sample and memory per series, by the number of targets and by the series of each](scale.svg)

{dates}; {versions}; {machines}; load average {loads}; windows of {windows} s, after each target was scraped
twice; {hosts}.

{explained}

{table}

- *CPU-s per million*: user and system time of the whole agent per million samples; *µs per scrape*: the same for a page.
- *B per series*: RSS without that of an idle agent. *model*: see above; *×*: Strata's of vmagent's. *missed*: scrapes that were due
  and not made; *server*: CPU time of the target server, of one core, which is on no agent's bill.
"""


def document(rows):
    good = [r for r in rows if not r["why"]]
    return TEXT.format(
        dates=", ".join(sorted({r["date"] for r in good})), machines=", ".join(dict.fromkeys(r["machine"] for r in good)),
        versions=", ".join(dict.fromkeys(f"{r['agent']}: {r['version']}" for r in good)),
        loads=span([r["load_average"] for r in good], "{:.1f}"),
        hosts=" and ".join(sorted({"each target at an address of its own" if r.get("hosts") else "all targets at one address"
                                   for r in good if r["targets"]})),
        windows=span([r["window_s"] for r in good if r["targets"]], "{:.0f}"),
        explained="\n".join(explain(rows)), table="\n".join(table(rows)))
