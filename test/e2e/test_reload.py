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
        """One of many configurations: one or two pools, small and large, outputs renamed."""
        conf = harness.config([], agent={"grace": "60s", "first_scrape": "now"}, sinks=[
            harness.nats_sink(url, "metrics.{instance}", "METRICS", buffer="64MiB")])
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
            "outputs": [{"name": choice.choice(["main", "other"]), "json": {}, "sink": "queue"}],
        } for pool in sorted(set(pools))]
        return conf

    def test_hundreds_of_reloads_lose_nothing(self):
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        targets = self.targets(40, 50)
        choice = random.Random(7)
        agent = self.agent(self.shape(targets.targets, server.url, choice))
        for _ in range(self.RELOADS):
            agent.reload(self.shape(targets.targets, server.url, choice))
        self.assertEqual(books.reloads_failed(agent.metrics()), 0)
        before = targets.stats()["served"]
        self.wait_for(lambda: all(now > then for now, then in
                                  zip(targets.stats()["served"], before)), 15,
                      "each target is still scraped")
        metrics = self.balanced(agent, 20)
        failed = books.failed(metrics)
        self.assertEqual(books.lost(metrics), {})
        account = self.stop(agent, timeout=70)
        found = read_all(self, client)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(found.samples, account["delivered"])
        self.assertEqual(failed, {})
        for target, count in enumerate(targets.stats()["served"]):
            self.assertEqual(sorted(found.sequences.get(target, [])), list(range(count)),
                             f"pages of target {target}")


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
