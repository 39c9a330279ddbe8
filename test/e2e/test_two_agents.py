# SPDX-License-Identifier: Apache-2.0
"""test_two_agents.py - two agents, one stream: what each scraped is there."""
import books
import harness
from chaos import read_all


class TwoAgents(harness.Case):
    def run_two(self, replicas):
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        targets = self.targets(2, 50)
        agents = []
        for number in ("a", "b"):
            conf = harness.config(
                targets.targets, agent={"instance": f"node-{number}", "first_scrape": "spread"},
                outputs=[{"name": "main", "json": {}, "sink": "queue", "replicas": replicas}],
                sinks=[harness.nats_sink(server.url, "metrics.all", "METRICS")])
            agents.append(self.agent(conf, name=f"agent-{number}"))
        for agent in agents:
            self.wait_for(lambda: books.scraped(agent.metrics()) >= 8, 20, "four rounds")
        accounts = [self.stop(agent) for agent in agents]
        return targets.stats(), accounts, read_all(self, client)

    def test_the_same_loopback_target_is_two_targets(self):
        stats, accounts, found = self.run_two(False)
        self.assertEqual([a["lost"] for a in accounts], [0, 0])
        self.assertEqual(found.samples, sum(a["delivered"] for a in accounts))
        for target, count in enumerate(stats["served"]):
            self.assertEqual(sorted(found.sequences[target]), list(range(count)))


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
