# SPDX-License-Identifier: Apache-2.0
"""test_pool.py - what bounds a pool: scrapes at a time, age of a job, descriptors, workers that a reload takes away."""
import copy, resource, select, socket, threading

import books
import harness
import nats
from chaos import read_all
from process import SLOW

PATIENT = {"interval": "20s", "timeout": "20s"}
PAGE = "up_total 1\n"


class Gate:
    """A page that is answered once open() was called; knows how many wait for it at a time."""

    def __init__(self):
        self.lock, self.opened = threading.Lock(), threading.Event()
        self.waiting, self.most, self.begun = [], 0, 0

    def __call__(self, request):
        s = request.connection
        with self.lock:
            # Who has hung up does not count, whether its thread has seen it yet or not.
            self.waiting = [w for w in self.waiting if not hung_up(w)] + [s]
            self.most = max(self.most, len(self.waiting))
            self.begun += 1
        while not self.opened.wait(0.01) and not hung_up(s):
            pass
        with self.lock:
            self.waiting = [w for w in self.waiting if w is not s]
        if not self.opened.is_set():
            raise ConnectionError("hung up")
        return PAGE

    def open(self):
        self.opened.set()


def hung_up(s):
    if s.fileno() < 0:
        return True
    if not select.select([s], [], [], 0)[0]:
        return False
    try:
        return not s.recv(1, socket.MSG_PEEK)
    except OSError:
        return True


def gate_of(test, paths):
    gate = Gate()
    test.addCleanup(gate.open)
    return gate, test.pages({path: gate for path in paths})


class Bounds(harness.Case):
    def test_no_more_scrapes_at_a_time_than_in_flight(self):
        gate, pages = gate_of(self, [f"/{i}" for i in range(6)])
        agent = self.agent(harness.config(
            [pages.url(path) for path in pages.pages], pool={"workers": 1, "in_flight": 2},
            source={"interval": "2s", "timeout": "500ms"}))
        self.wait_for(lambda: gate.most == 2 and books.running(agent.metrics()) == 2,
                      what="two at a time")
        self.wait_for(lambda: gate.begun >= 12, 20, "each is tried twice")
        self.assertEqual(gate.most, 2)
        metrics = self.balanced(agent)
        self.assertEqual(set(books.failed(metrics)), {"timeout"})
        self.assertEqual(books.scraped(metrics), 0)
        gate.open()
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 6, what="good scrapes")
        self.stop(agent)
        self.assertEqual(gate.most, 2)

    def test_two_workers_have_twice_as_many(self):
        # Each target has its worker by chance: so many that each worker has two for certain.
        gate, pages = gate_of(self, (f"/{i}" for i in range(60)))
        agent = self.agent(harness.config(
            [pages.url(path) for path in pages.pages], pool={"workers": 2, "in_flight": 2},
            source=PATIENT))
        self.wait_for(lambda: len(gate.waiting) == 4, what="four at a time")
        self.assertEqual(books.running(agent.metrics()), 4)
        gate.open()
        self.wait_for(lambda: books.scraped(agent.metrics()) == 60, what="all are scraped")
        self.assertLessEqual(gate.most, 4)
        self.balanced(agent)
        self.stop(agent)

    def test_one_at_a_time_is_no_slower_than_the_targets(self):
        server = self.targets(30, 20)
        agent = self.agent(harness.config(
            server.targets, source={"interval": f"{SLOW:.0f}s"},
            pool={"workers": 1, "in_flight": 1},
            sinks=[{"name": "queue", "file": {"path": "/dev/null"}}]))
        self.wait_for(lambda: min(server.stats()["served"]) >= 6, 10, "six rounds")
        metrics = self.balanced(agent)
        self.assertEqual((books.stale(metrics), books.failed(metrics)), (0, {}))
        self.assertEqual(set(books.dropped(metrics)) - {"busy"}, set())
        self.stop(agent)

    def test_a_job_older_than_its_interval_is_dropped_as_stale(self):
        gate, pages = gate_of(self, ["/held"])
        pages.pages.update({f"/{i}": PAGE for i in range(4)})
        quick = [pages.url(f"/{i}") for i in range(4)]
        agent = self.agent(harness.config(pool={"workers": 1, "in_flight": 1}, sources=[
            {"name": "slow", "static": {"targets": [pages.url("/held")]}, "pool": "main",
             "interval": "60s", "timeout": "60s"},
            {"name": "quick", "static": {"targets": quick}, "pool": "main", "interval": "300ms"}]))
        self.wait_for(lambda: gate.begun == 1, what="the slow one holds the only place")
        self.wait_for(lambda: books.queued(agent.metrics()) == 4, what="the others wait")
        dropped = sum(books.dropped(agent.metrics()).values())
        self.wait_for(lambda: sum(books.dropped(agent.metrics()).values()) >= dropped + 8,
                      what="what waits gets old")
        before = agent.metrics()
        self.assertEqual(books.stale(before), 0)
        self.assertEqual(books.queued(before), 4)    # one job a target, not one each interval
        gate.open()
        self.wait_for(lambda: books.stale(agent.metrics()) >= 4, what="stale jobs are counted")
        scraped = books.scraped(agent.metrics())
        self.wait_for(lambda: books.scraped(agent.metrics()) >= scraped + 8, what="scraping again")
        metrics = self.balanced(agent)
        self.assertEqual(metrics.sum("strata_jobs_stale_total", pool="main"), books.stale(metrics))
        self.assertEqual(books.failed(metrics), {})
        account = self.stop(agent)
        self.assertEqual(account["scraped"], len(pages.requests))

    def test_few_descriptors_bound_the_scrapes_and_fail_none(self):
        server = self.targets(600, 1)
        agent = self.agent(harness.config(
            server.targets, pool={"workers": 2, "in_flight": 1024},
            sinks=[{"name": "queue", "file": {"path": "/dev/null"}}],
            source={"interval": "10s", "timeout": "10s"}),
            limits=[(resource.RLIMIT_NOFILE, 300, 300)])
        self.assertEqual(agent.metrics().sum("process_max_fds"), 300)
        self.wait_for(lambda: min(server.stats()["served"]) >= 2, 40, "two rounds")
        metrics = self.balanced(agent)
        self.assertEqual(books.failed(metrics), {})
        self.assertLess(metrics.sum("process_open_fds"), 300)
        self.assertIn("in_flight", agent.err())
        self.assertNotIn("Too many open files", agent.err())
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)


class Reloaded(harness.Case):
    def test_a_lane_lives_on_when_only_its_pool_changes(self):
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        targets = self.targets(3, 20)
        conf = harness.config(targets.targets, source={"interval": "2s", "timeout": "2s"},
                              pool={"in_flight": 64},
                              sinks=[harness.nats_sink(server.url, "metrics.x", "METRICS")])
        agent = self.agent(conf)

        def delivered_more():
            before = books.delivered(agent.metrics())
            self.wait_for(lambda: books.delivered(agent.metrics()) > before, what="delivery")
        delivered_more()
        probes = [0]

        def connections():
            """That the server has ever had, but for these probes."""
            probes[0] += 1
            probe = nats.Client(server.url)
            probe.close()
            return probe.info["client_id"] - probes[0]
        first = connections()
        self.assertEqual(books.connects(agent.metrics()), 1)
        for in_flight in (1, 3, 64, 2):
            conf["pools"][0]["in_flight"] = in_flight
            agent.reload(conf)
            delivered_more()
            self.assertEqual(books.connects(agent.metrics()), 1, f"in_flight {in_flight}")
            self.assertEqual(connections(), first, f"in_flight {in_flight}")
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        # With another sink it is another lane, and the server sees one more.
        conf["sinks"][0]["nats"]["in_flight"] = 7
        agent.reload(conf)
        self.wait_for(lambda: connections() == first + 1, what="a new lane connects")
        delivered_more()
        metrics = self.balanced(agent)
        self.assertEqual(books.lost(metrics), {})
        account = self.stop(agent)
        found = read_all(self, client)
        self.assertEqual((account["lost"], found.samples), (0, account["delivered"]))
        if not books.failed(metrics):
            found.check_sequences(self, targets.stats()["served"])

    def test_a_reload_there_and_back_while_the_old_pool_drains_delivers_all(self):
        gate, pages = gate_of(self, ["/held"])
        pages.pages["/quick"] = PAGE
        conf = harness.config(agent={"grace": "60s"}, sources=[
            {"name": name, "static": {"targets": [pages.url("/" + name)]}, "pool": "main",
             "interval": interval, "timeout": interval}
            for name, interval in (("held", "60s"), ("quick", "1s"))])
        there = copy.deepcopy(conf)
        there["sinks"][0]["buffer"] = "16MiB"
        agent = self.agent(conf)
        self.wait_for(lambda: len(gate.waiting) == 1, what="the held one runs")

        def scraped_more():
            before = books.scraped(agent.metrics())
            self.wait_for(lambda: books.scraped(agent.metrics()) >= before + 2, what="scrapes")
        scraped_more()
        for changed in (there, conf):
            agent.reload(changed)
            scraped_more()
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        self.assertGreater(books.in_memory(agent.metrics()), 0)     # behind the first one's
        gate.open()
        self.balanced(agent)
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 20, "nothing waits")
        scraped_more()
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, what="nothing waits")
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(len(agent.out().splitlines()), account["delivered"])

    def test_a_pool_that_shrinks_finishes_what_was_inside(self):
        gate, pages = gate_of(self, (f"/{i}" for i in range(60)))
        conf = harness.config([pages.url(path) for path in pages.pages], agent={"grace": "60s"},
                              pool={"workers": 3, "in_flight": 2}, source=PATIENT)
        agent = self.agent(conf)
        self.wait_for(lambda: len(gate.waiting) == 6, what="six run")
        self.wait_for(lambda: books.queued(agent.metrics()) == 54, what="the others wait")
        conf["pools"][0].update(workers=1)
        agent.reload(conf)
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        gate.open()
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 60, 20, "all are scraped")
        self.wait_for(lambda: agent.metrics().sum("strata_pool_workers") == 1, what="one is left")
        metrics = self.balanced(agent)
        self.assertEqual((books.failed(metrics), books.dropped(metrics)), ({}, {}))
        self.assertEqual(books.stale(metrics), 0)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.assertEqual({r.path for r in pages.requests}, set(pages.pages))
        records = harness.check_messages(self, agent.out())
        self.assertEqual(len(records), account["delivered"])
        self.assertEqual(sum(o["name"] == "up_total" for o in records), account["scraped"])


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
