# SPDX-License-Identifier: Apache-2.0
"""test_two_agents.py - two agents, one stream: what each scraped is there."""
import books
import harness
from chaos import read_all

PAGE = "page_total 1\n"
META = 6


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
                source={"interval": "2s"},
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

    def test_of_replicas_the_stream_keeps_one(self):
        # A target whose id is the same for both: no loopback address, but reached through a proxy.
        proxy = self.pages({f"http://metrics.example/{path}": PAGE for path in ("one", "two")})
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        wire = client.subscribe("metrics.>")
        client.flush()
        agents = [self.agent(harness.config(
            proxy.pages, agent={"instance": f"node-{number}", "first_scrape": "spread"},
            source={"interval": "3s", "timeout": "3s", "http": {"proxy": proxy.base}},
            outputs=[{"name": "main", "json": {}, "sink": "queue", "replicas": True}],
            sinks=[harness.nats_sink(server.url, "metrics.all", "METRICS")]),
            name=f"agent-{number}") for number in ("a", "b")]
        begun = [books.scraped(agent.metrics()) for agent in agents]
        for agent, before in zip(agents, begun):
            self.wait_for(lambda: books.scraped(agent.metrics()) >= before + 6, 20, "three rounds")
            self.assertEqual(books.failed(agent.metrics()), {})
        accounts = [self.stop(agent) for agent in agents]
        self.assertEqual([a["lost"] for a in accounts], [0, 0])
        self.assertEqual(sum(a["delivered"] for a in accounts), (1 + META) * len(proxy.requests))
        client.flush()
        self.check_replicas(list(client.read_stream("METRICS")), list(client.queues[wire]))

    def check_replicas(self, kept, sent):
        """Of each target and due time the page once and the meta series once."""
        def what(m):
            return (m.headers["Strata-Target"], m.headers["Strata-Due"],
                    "page_total" if b'"page_total"' in m.data else "meta")
        self.assertEqual(len(kept), len({what(m) for m in kept}))
        self.assertEqual({what(m) for m in kept}, {what(m) for m in sent})
        self.assertEqual(len({m.headers["Nats-Msg-Id"] for m in sent}), len(kept))
        for target in ("one", "two"):
            twice = [what(m) for m in sent if what(m)[0].endswith(target)]
            self.assertGreaterEqual(len(twice) - len(set(twice)), 4, "both scraped two rounds")
        for due in {what(m)[:2] for m in kept}:
            self.assertEqual({what(m)[2] for m in kept if what(m)[:2] == due},
                             {"page_total", "meta"})


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
