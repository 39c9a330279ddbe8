# SPDX-License-Identifier: Apache-2.0
"""test_spool_outage_once.py - minutes without a queue, at 20,000 samples a second, while an operator
looks into the spool.

STRATA_OUTAGE_MINUTES is how long (2); test_spool_outage_long.py takes ten."""
import datetime, os, re, subprocess, time

import books
import harness
import test_spool
from chaos import Found, exposed_so_far
from process import die_with_parent

TARGETS, SAMPLES, INTERVAL = 100, 1000, 5
RATE = TARGETS * SAMPLES / INTERVAL
SIZE = 1 << 30
BUFFER = 32 << 20
FLAT = 4 << 20      # that resident memory may grow by, once it is what an outage takes
LATE = 1.0          # s: a scrape begins within that of its due time
LOOK = """select count(*), sum(samples), datetime(min(due_ms) / 1000, 'unixepoch') from payload;
select key, count(*), sum(stored) from payload group by key order by 3 desc limit 10;"""
TIMESTAMP = re.compile(rb'"timestamp":"([^"]*)"')


class Operator:
    """sqlite3, as on a terminal: a look each second, and every second half minute inside of one
    transaction, which keeps the log from being emptied."""

    def __init__(self, file):
        self.file, self.looks, self.most, self.process, self.until = file, 0, 0, None, 0

    def look(self):
        text = subprocess.run(["sqlite3", "-readonly", self.file, LOOK], capture_output=True,
                              text=True, timeout=60)
        if text.returncode or text.stderr:
            raise AssertionError(f"sqlite3: {text.stderr}")
        rows, samples = text.stdout.split("|")[:2]
        self.looks += 1
        self.most = max(self.most, int(samples or 0))
        now = time.monotonic()
        if now >= self.until:
            self.until = now + 30
            self.leave() if self.process else self.stay()

    def stay(self):
        self.process = subprocess.Popen(["sqlite3", "-readonly", self.file], stdin=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True,
                                        preexec_fn=die_with_parent)
        self.process.stdin.write("begin;\nselect count(*) from payload;\n")
        self.process.stdin.flush()

    def leave(self):
        if self.process:
            self.process.communicate()
            self.process = None


class Watch:
    """What the agent says and takes, each second."""

    def __init__(self, case, agent, operator):
        self.case, self.agent, self.operator = case, agent, operator
        self.waited, self.jobs, self.wait_max = 0, 0, 0
        self.rss, self.disk = [], 0

    def step(self):
        """Returns the metrics of now."""
        next_s = time.monotonic() + 1
        m = self.agent.metrics()
        self.case.assertEqual((books.failed(m), books.dropped(m), books.stale(m), books.lost(m)),
                              ({}, {}, 0, {}))
        waited, jobs = m.sum("strata_jobs_wait_seconds_total"), m.sum("strata_jobs_handed_total")
        if jobs > self.jobs:
            self.wait_max = max(self.wait_max, (waited - self.waited) / (jobs - self.jobs))
        self.waited, self.jobs = waited, jobs
        self.rss.append((time.monotonic(), self.agent.memory()))
        self.operator.look()
        file = self.operator.file
        sizes = [os.path.getsize(file + e) for e in ("", "-wal") if os.path.exists(file + e)]
        self.disk = max(self.disk, sum(sizes))
        time.sleep(max(0, next_s - time.monotonic()))    # an operator's pace
        return m

    def most_rss(self, from_s, to_s):
        return max(bytes for at, bytes in self.rss if from_s <= at <= to_s)


class Consumed(Found):
    """late: s, the most that the first sample of a page was behind the page's due time."""
    late = 0

    def add(self, headers, data):
        super().add(headers, data)
        stamp = TIMESTAMP.search(data)[1].decode()
        at = datetime.datetime.fromisoformat(stamp).timestamp()
        self.late = max(self.late, at - int(headers["Strata-Due"]) / 1000)


class Outage(test_spool.SpoolCase):
    MINUTES = float(os.environ.get("STRATA_OUTAGE_MINUTES", "2"))
    TIMES = 5           # as fast as real time, at least

    def begin(self):
        self.server = self.stream()
        self.targets_ = self.targets(TARGETS, SAMPLES)
        conf = self.conf(self.server, self.targets_.targets, f"{INTERVAL}s", size=f"{SIZE >> 20}MiB",
                         more={"buffer": f"{BUFFER >> 20}MiB"})
        conf["agent"].update(first_scrape="spread", grace="20s")
        del conf["pools"][0]["outputs"][0]["max_message"]
        self.agent_ = self.agent(conf)
        self.wait_for(lambda: min(self.targets_.stats()["served"]) >= 2, 30, "all are scraped")
        self.watch = Watch(self, self.agent_, Operator(self.file()))

    def away(self):
        """The server is killed; returns since when it is away, and how much waits for it then."""
        self.server.kill()
        since = time.monotonic()
        while time.monotonic() < since + 60 * self.MINUTES:
            m = self.watch.step()
        self.balanced(self.agent_)
        self.assertGreater(books.in_spool(m), RATE * 60 * self.MINUTES * 0.8)
        return since, books.in_spool(m)

    def catch_up(self):
        """Returns how long it took from the moment at which the server was back, and what was delivered."""
        before = books.delivered(self.agent_.metrics())
        self.server.start()
        began = time.monotonic()
        while True:
            m = self.watch.step()
            # What is new has gone through the disk, too, as long as there was something before it.
            if books.in_spool(m) + books.in_memory(m) < RATE:
                return time.monotonic() - began, books.delivered(m) - before
            self.assertLess(time.monotonic(), began + 60 * self.MINUTES, "it does not catch up")

    def outage(self):
        self.begin()
        since, in_spool = self.away()
        back = time.monotonic()
        settled = self.watch.most_rss(since, since + 12 * self.MINUTES)     # a fifth of it
        grown = self.watch.most_rss(since, back) - settled
        seconds, caught = self.catch_up()
        self.watch.operator.leave()
        times = caught / seconds / RATE
        m = self.balanced(self.agent_, 30)
        maybe_twice = m.sum("strata_lane_records_maybe_twice_total")
        account = self.stop(self.agent_, timeout=40)
        found = Consumed(self.client(self.server).read_stream("METRICS"))
        figures = {
            "targets": TARGETS, "samples a second": int(RATE), "minutes without a server": self.MINUTES,
            "samples in the spool at its end": int(in_spool),
            "database and log, at most, MiB": round(self.watch.disk / 2 ** 20, 1),
            "looks of the operator": self.watch.operator.looks,
            "samples that were seen in the spool, at most": self.watch.operator.most,
            "caught up after, s": round(seconds, 1),
            "samples delivered in this time": int(caught),
            "times as fast as real time": round(times, 1),
            "scrapes": sum(self.targets_.stats()["served"]),
            "scrapes dropped, stale or failed": 0,
            "a scrape's wait in the queue, at most, ms (mean of a second)":
                round(1000 * self.watch.wait_max, 1),
            "a scrape behind its due time, at most, ms": round(1000 * found.late),
            "samples in the stream": found.samples, "lost": account["lost"],
            "messages that came again, known by their id": len(found.twice),
            "resident memory after a fifth of the outage, MiB": round(settled / 2 ** 20, 1),
            "its growth in the rest of it, MiB": round(grown / 2 ** 20, 1),
            "resident memory at most, catching up included, MiB":
                round(self.agent_peak(since) / 2 ** 20, 1)}
        for name, value in figures.items():
            print(f"{name}: {value}")
        self.check(found, account, maybe_twice)
        self.assertLess(grown, FLAT)
        self.assertLess(self.agent_peak(since) - settled, BUFFER)   # of which more is in use then
        self.assertGreaterEqual(times, self.TIMES)
        return figures

    def agent_peak(self, since):
        return self.watch.most_rss(since, time.monotonic())

    def check(self, found, account, maybe_twice):
        """All that was served is there, in order, and what came twice says so of itself."""
        self.assertEqual((account["lost"], account["left"]), (0, 0))
        found.check(self, self.targets_.stats(), account["delivered"])
        self.assertLessEqual(len(found.twice) * SAMPLES, maybe_twice)
        self.assertLessEqual(self.watch.disk, SIZE)
        self.assertLess(found.late, LATE)
        self.assertLess(self.watch.wait_max, LATE)
        self.check_file()


class Short(Outage):
    def test_all_is_delivered_afterwards_in_order_and_soon(self):
        self.outage()


if __name__ == "__main__":
    harness.main(needs=["nats-server", "sqlite3"])
