# SPDX-License-Identifier: Apache-2.0
"""books.py - what the agent says of itself, read back and checked.

The names of the agent's own metrics and pages stand here and nowhere else in test/e2e and bench;
docs/METRICS.md describes them.
"""
import re

LINE = re.compile(r'^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """A page in Prometheus text format."""

    def __init__(self, text):
        self.series, self.text = [], text
        for line in text.splitlines():
            if line and not line.startswith("#"):
                m = LINE.match(line)
                if not m:
                    raise AssertionError(f"no sample: {line!r}")
                labels = {n: v for n, v in LABEL.findall(m[2] or "")}
                self.series.append((m[1], labels, float(m[3])))

    def sum(self, name, **labels):
        """0 when there is none."""
        return sum(v for n, has, v in self.series
                   if n == name and all(has.get(k) == w for k, w in labels.items()))

    def by(self, name, label, **labels):
        """{value of the label: sum}, of what is not 0."""
        got = {}
        for n, has, v in self.series:
            if n == name and v and all(has.get(k) == w for k, w in labels.items()):
                got[has.get(label, "")] = got.get(has.get(label, ""), 0) + v
        return got

    def labels(self, name, *wanted):
        """The different values of these labels."""
        return sorted({tuple(has.get(w, "") for w in wanted)
                       for n, has, _ in self.series if n == name})


def scraped(m):
    """Good scrapes."""
    return m.sum("strata_scrapes_total")


def failed(m):
    return m.by("strata_scrapes_failed_total", "reason")


def dropped(m):
    return m.by("strata_jobs_dropped_total", "reason")


def read(m):
    return m.sum("strata_samples_read_total")


def filtered(m):
    return m.by("strata_samples_filtered_total", "filter")


def refused(m):
    return m.by("strata_samples_refused_total", "reason")


def lines_bad(m):
    return m.sum("strata_lines_bad_total")


def delivered(m, **labels):
    return m.sum("strata_lane_records_delivered_total", **labels)


def lost(m, **labels):
    return m.by("strata_lane_records_lost_total", "reason", **labels)


def in_spool(m, **labels):
    return m.sum("strata_lane_records_in_spool", **labels)


def restored(m):
    return m.sum("strata_lane_records_restored_total")


def spool_works(m):
    return m.sum("strata_lane_spool_works") > 0


def in_memory(m):
    return m.sum("strata_lane_records_in_memory")


def retries(m):
    return m.sum("strata_lane_retries_total")


def connects(m):
    return m.sum("strata_lane_connects_total")


def stale(m):
    return m.sum("strata_jobs_stale_total")


def queued(m):
    """In the queues of pools."""
    return m.sum("strata_pool_jobs_queued")


def running(m):
    return m.sum("strata_jobs_running")


def reloads(m):
    """Taken and refused."""
    return m.sum("strata_config_reloads_total") + m.sum("strata_config_reloads_failed_total")


def reloads_failed(m):
    return m.sum("strata_config_reloads_failed_total")


def allocations(m):
    return m.sum("strata_allocations_total")


def memory_peak(m):
    return m.sum("strata_memory_peak_bytes")


def waited(m):
    """Scrapes that had to wait for memory."""
    return m.sum("strata_scrapes_waited_total")


def bytes_delivered(m, **labels):
    return m.sum("strata_lane_delivered_bytes_total", **labels)


def series(m):
    return m.sum("strata_series")


def faults(m):
    """Law 1, as texts that say what does not add up; [] when nothing is under way and all does."""
    bad = []

    def equal(what, left, right):
        if left != right:
            bad.append(f"{what}: {left:.0f} is not {right:.0f}")

    equal("jobs due = handed + dropped + queued", m.sum("strata_jobs_due_total"),
          m.sum("strata_jobs_handed_total") + m.sum("strata_jobs_dropped_total") +
          m.sum("strata_jobs_queued"))
    equal("jobs handed = scraped + failed + stale + ended + queued + running",
          m.sum("strata_jobs_handed_total"),
          sum(m.sum(f"strata_{name}") for name in (
              "scrapes_total", "scrapes_failed_total", "jobs_stale_total", "jobs_ended_total",
              "pool_jobs_queued", "jobs_running")))
    for pool, in m.labels("strata_samples_read_total", "pool"):
        equal(f"{pool}: read = passed + filtered + refused",
              m.sum("strata_samples_read_total", pool=pool),
              sum(m.sum(f"strata_samples_{name}_total", pool=pool)
                  for name in ("passed", "filtered", "refused")))
    for pool, output in m.labels("strata_lane_records_encoded_total", "pool", "output"):
        def lane(name):
            return m.sum(f"strata_lane_records_{name}", pool=pool, output=output)
        equal(f"{pool}/{output}: passed + meta + ended = encoded + skipped",
              lane("passed_total") + lane("meta_total") + lane("ended_total"),
              lane("encoded_total") + lane("skipped_total"))
        equal(f"{pool}/{output}: encoded + restored = delivered + lost + in memory + in spool + left",
              lane("encoded_total") + lane("restored_total"),
              sum(lane(name) for name in ("delivered_total", "lost_total", "in_memory", "in_spool",
                                          "left_total")))
    return bad


def target_health(entry):
    return entry["health"]


def target_error(entry):
    """What the last failure of a target was, as text."""
    return str(entry.get("last_error") or "")


def target_failure(entry):
    """The name of the last failure of a target, or None."""
    return entry["last_failure"]


def targets_by_url(answer):
    entries = answer["targets"] if isinstance(answer, dict) else answer
    return {entry["url"]: entry for entry in entries}


def account(text):
    """What the agent says at its end: {"scraped": samples, "delivered": records, "lost": records,
    "left": records on disk, "unaccounted": records}; 0 of the last when the books balance."""
    for line in reversed(text.splitlines()):
        found = {word: re.search(rf'\b{word}"?[ =:](\d+)', line)
                 for word in ("scraped", "delivered", "lost")}
        if all(found.values()):
            account = {word: int(m[1]) for word, m in found.items()}
            left = re.findall(r'\bon_disk"?[=:](\d+)', text)
            account["left"] = int(left[-1]) if left else 0
            odd = re.findall(r'\bunaccounted"?[=:](\d+)', text)
            return {**account, "unaccounted": int(odd[-1]) if odd else 0}
    raise AssertionError("no account in:\n" + text[-2000:])
