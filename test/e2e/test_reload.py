# SPDX-License-Identifier: Apache-2.0
"""test_reload.py - a changed file is taken over, a bad one is not, and nothing is lost by either."""
import copy, os, random

import books
import harness
from chaos import read_all
from process import SLOW


class Reload(harness.Case):
    def two(self):
        server = self.targets(2, 20)
        source = {"interval": "2s"}
        return (server, harness.config([server.url(0)], source=source),
                harness.config(server.targets, source=source))

    def scrapes(self, server, target, more=1):
        """Waits until that target has been scraped `more` times from now."""
        before = server.stats()["served"][target]
        self.wait_for(lambda: server.stats()["served"][target] >= before + more, 15,
                      f"target {target} is scraped")

    def test_sighup_takes_the_new_file_over(self):
        server, one, both = self.two()
        agent = self.agent(one)
        self.scrapes(server, 0)
        self.assertEqual(server.stats()["begun"][1], 0)
        agent.reload(both)
        self.scrapes(server, 1)
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        agent.reload(one)
        self.wait_for(lambda: server.url(1) not in agent.targets(), what="the target has gone")
        self.scrapes(server, 0, 2)
        self.balanced(agent)
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        # The series of the target that went have ended; those of the other have not.
        ended = [line for line in agent.out().splitlines() if '"ended":true' in line]
        self.assertGreaterEqual(len(ended), 20)
        self.assertEqual([e for e in ended if 'target":"0"' in e], [])

    def test_a_changed_file_is_noticed_without_a_signal(self):
        server, one, both = self.two()
        agent = self.agent(one)
        self.scrapes(server, 0)
        agent.reload(both, signal_too=False)
        self.scrapes(server, 1)
        self.stop(agent)

    def test_a_config_map_swap_is_noticed(self):
        server, one, both = self.two()
        # As the kubelet does it: agent.yaml -> ..data/agent.yaml, ..data -> ..1, then ..data -> ..2
        mount = os.path.join(self.folder, "mount")
        for number, conf in (("..1", one), ("..2", both)):
            os.makedirs(os.path.join(mount, number))
            with open(os.path.join(mount, number, "agent.yaml"), "w") as f:
                f.write(harness.text_of(conf))
        os.symlink("..1", os.path.join(mount, "..data"))
        os.symlink("..data/agent.yaml", os.path.join(mount, "agent.yaml"))
        agent = self.agent(None, path=os.path.join(mount, "agent.yaml"))
        self.scrapes(server, 0)
        os.symlink("..2", os.path.join(mount, "..tmp"))
        os.rename(os.path.join(mount, "..tmp"), os.path.join(mount, "..data"))
        self.scrapes(server, 1)
        self.stop(agent)

    def test_a_bad_file_changes_nothing_and_is_shown(self):
        server, one, both = self.two()
        agent = self.agent(one)
        self.scrapes(server, 0)
        bad = copy.deepcopy(both)
        bad["pools"][0]["workerz"] = 2
        agent.reload(bad)
        self.assertEqual(books.reloads_failed(agent.metrics()), 1)
        self.assertIn("workerz", str(agent.status()))
        self.assertIn("workerz", agent.err())
        self.scrapes(server, 0, 2)
        self.assertEqual(server.stats()["begun"][1], 0)
        agent.reload("")
        self.assertEqual(books.reloads_failed(agent.metrics()), 2)
        agent.reload(both)
        self.scrapes(server, 1)
        self.assertEqual(books.reloads_failed(agent.metrics()), 2)
        self.assertNotIn("workerz", str(agent.status()))
        self.stop(agent)

    def test_a_reload_that_changes_nothing_ends_nothing(self):
        server, one, _ = self.two()
        agent = self.agent(one)
        self.scrapes(server, 0, 2)
        for _ in range(5):
            agent.reload(one)
        again = copy.deepcopy(one)
        again["pools"][0]["in_flight"] = 3
        agent.reload(again)
        self.scrapes(server, 0, 2)
        metrics = self.balanced(agent)
        self.assertEqual(books.failed(metrics), {})
        self.stop(agent)
        self.assertNotIn('"ended":true', agent.out())
        added = [o["value"] for o in harness.check_messages(self, "".join(
            line + "\n" for line in agent.out().splitlines() if "scrape_series_added" in line))]
        self.assertEqual(sum(added), 20)


    def test_a_pool_that_goes_says_the_end_of_its_series(self):
        server = self.targets(2, 20)
        one = harness.config([server.url(0)], source={"interval": "2s"})
        both = copy.deepcopy(one)
        both["sources"].append({"name": "more", "static": {"targets": [server.url(1)]},
                                "interval": "2s", "pool": "extra"})
        both["pools"].append({**copy.deepcopy(one["pools"][0]), "name": "extra"})
        agent = self.agent(both)
        self.scrapes(server, 0)
        self.scrapes(server, 1)
        agent.reload(one)
        self.wait_for(lambda: agent.metrics().sum("strata_series", pool="extra") == 0, 15,
                      "the pool has no series")
        self.balanced(agent)
        self.assertEqual(agent.metrics().sum("strata_series_bytes", pool="extra"), 0)
        self.assertEqual(books.dropped(agent.metrics()).get("removed", 0), 0)
        self.stop(agent)
        ended = [line for line in agent.out().splitlines() if '"ended":true' in line]
        self.assertEqual(len(ended), 20 + 6)


class UnderLoad(harness.Case):
    RELOADS, INTERVAL = 100 if SLOW == 1 else 50, f"{2 * SLOW:.0f}s"

    def shape(self, targets, url, choice):
        """One of many configurations: one to three pools, small and large; outputs and sinks renamed."""
        sink = choice.choice(["queue", "line"])
        conf = harness.config([], agent={"grace": "60s", "first_scrape": "now"}, sinks=[
            {**harness.nats_sink(url, "metrics.{instance}", "METRICS", buffer="64MiB"),
             "name": sink}])
        cut = len(targets) // 2
        pools = ["main", choice.choice(["second", "third", "main"])]
        conf["sources"] = [
            {"name": name, "static": {"targets": part}, "interval": self.INTERVAL,
             "pool": pool}
            for name, part, pool in (("front", targets[:cut], pools[0]),
                                     ("back", targets[cut:], pools[1]))]
        conf["pools"] = [{
            "name": pool, "workers": choice.choice([1, 2, 3]),
            "in_flight": choice.choice([1, 4, 64]), "queue": {"items": choice.choice([2, 100])},
            "outputs": [{"name": choice.choice(["main", "other"]), "json": {}, "sink": sink}],
        } for pool in sorted({*pools, *choice.sample(["spare"], choice.randint(0, 1))})]
        return conf

    def settled(self, agent, targets, url, first=None):
        """What the agent takes in one shape, once nothing of another is left: it takes no more than at first."""
        agent.reload(self.shape(targets, url, random.Random(1)))

        def alone():
            metrics = agent.metrics()
            return (not books.faults(metrics) and books.in_memory(metrics) == 0 and
                    (not first or metrics.sum("process_threads") <= first["process_threads"] and
                     metrics.sum("strata_memory_bytes") < self.most(first)) and metrics)
        metrics = self.wait_for(alone, 60, "what was replaced has gone")
        return {name: metrics.sum(name) for name in (
            "process_threads", "process_open_fds", "strata_memory_bytes",
            "process_resident_memory_bytes", "strata_pool_connections")}

    def under_load(self):
        """Returns what the agent took of the machine at first, a while later and in the end."""
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        targets = self.targets(40, 50)
        choice = random.Random(7)
        agent = self.agent(self.shape(targets.targets, server.url, random.Random(1)))
        taken = [self.settled(agent, targets.targets, server.url)]
        for part in (self.RELOADS // 4, self.RELOADS - self.RELOADS // 4):
            for _ in range(part):
                agent.reload(self.shape(targets.targets, server.url, choice))
            taken.append(self.settled(agent, targets.targets, server.url, taken[0]))
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        before = targets.stats()["served"]
        self.wait_for(lambda: all(now > then for now, then in
                                  zip(targets.stats()["served"], before)), 15,
                      "each target is still scraped")
        metrics = self.balanced(agent, 20)
        failed = books.failed(metrics)
        self.assertEqual(books.lost(metrics), {})
        self.check_taken(*taken)
        account = self.stop(agent, timeout=70)
        found = read_all(self, client)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(found.samples, account["delivered"])
        self.assertEqual(failed, {})
        for target, count in enumerate(targets.stats()["served"]):
            self.assertEqual(sorted(found.sequences.get(target, [])), list(range(count)),
                             f"pages of target {target}")
        return taken, found

    @staticmethod
    def most(first):
        """Bytes that may be accounted later."""
        return 1.5 * first["strata_memory_bytes"] + 2 ** 19

    def check_taken(self, first, warm, last):
        """Nothing is left of what was replaced."""
        def own(taken):
            return taken["process_open_fds"] - taken["strata_pool_connections"]
        self.assertEqual(last["process_threads"], first["process_threads"])
        self.assertLessEqual(own(last), own(first) + 2)     # somebody asks for these figures
        self.assertLess(last["strata_memory_bytes"], self.most(first))
        if self.RELOADS >= 1000:
            self.assertLess(last["process_resident_memory_bytes"],
                            warm["process_resident_memory_bytes"] + 4 * 2 ** 20)

    def test_hundreds_of_reloads_lose_nothing_and_leave_nothing(self):
        self.under_load()


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
