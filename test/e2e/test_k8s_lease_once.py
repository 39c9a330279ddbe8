# SPDX-License-Identifier: Apache-2.0
"""test_k8s_lease_once.py - of several agents one scrapes the services, whatever happens to it."""
import collections, signal, time

import cluster
import k8s

RIGHTS = k8s.SERVICES[1:2] + [("leases", "get,list,watch,create,update")]
SCRAPES_PER_S = 5
Scrape = collections.namedtuple("Scrape", "time agent")


class Lease(k8s.Case):
    def setUp(self):
        super().setUp()
        self.account(RIGHTS)
        self.scrapes, self.agents = [], {}
        self.page_server = self.page(f"10.96.8.{next(k8s.numbers) % 250 + 1}",
                                     pages={"/metrics": self.served})
        self.cluster.create_service(self.namespace, "web", {"http": self.page_server.port},
                                    annotations={"prometheus.io/scrape": "true"},
                                    clusterIP=self.page_server.host)

    def served(self, request):
        self.scrapes.append(Scrape(time.monotonic(), request.headers["X-Agent"]))
        return k8s.PAGE

    def start_agents(self, *names, **lease):
        for name in names:
            source = self.source("service", interval=f"{1000 // SCRAPES_PER_S}ms", lease=lease,
                                 common={"http": {"headers": {"X-Agent": name}}})
            self.sink = f"{self.folder}/{name}.json"
            self.agents[name] = self.start([source], name=name, agent={"instance": name})
        for agent in self.agents.values():
            self.synced(agent)

    def since(self, moment):
        return [s for s in self.scrapes if s.time >= moment]

    def holder(self, timeout=k8s.SOON_S, but=()):
        """Who scrapes from now on."""
        start = time.monotonic()
        return self.wait_for(lambda: next((s for s in self.since(start) if s.agent not in but), None),
                             timeout, f"somebody but {but} scrapes").agent

    def check_alone(self, name):
        """For a while nobody else scrapes, and nobody else knows the target."""
        start = time.monotonic()
        self.wait_for(lambda: len(self.since(start)) >= 2 * SCRAPES_PER_S)
        self.assertEqual({s.agent for s in self.since(start)}, {name})
        for other, agent in self.agents.items():
            if agent.running():
                self.assertEqual(len(agent.targets()), int(other == name), other)

    def check_turns(self, *names, overlap_s=0):
        """They scraped one after the other."""
        for first, second in zip(names, names[1:]):
            last = max(s.time for s in self.scrapes if s.agent == first)
            self.assertGreater(min(s.time for s in self.scrapes if s.agent == second),
                               last - overlap_s, (first, second))

    def test_of_three_agents_one_scrapes_and_hands_over_when_it_stops_or_dies(self):
        self.start_agents("a", "b", "c")
        first = self.holder()
        self.check_alone(first)
        self.agents[first].send_signal(signal.SIGTERM)
        second = self.holder(2, but=[first])
        self.assertEqual(self.agents[first].wait(), 0)
        self.check_alone(second)
        self.agents[second].end(signal.SIGKILL)
        third = self.holder(15, but=[first, second])
        self.check_alone(third)
        self.check_turns(first, second, third)
        self.balanced(self.agents[third])
        self.stop(self.agents[third])
        held = self.cluster.get("leases", self.namespace, "strata-services")
        self.assertIn(held["spec"].get("holderIdentity"), (None, ""))
        self.check_rights_of_leases()

    def check_rights_of_leases(self):
        for e in self.asked():
            if e.resource == "leases":
                self.assertIn(e.verb, ("get", "list", "watch", "create", "update"), e)
                self.assertEqual(e.namespace, self.namespace, e)
            else:
                self.assertEqual((e.verb, e.resource), ("watch", "services"), e)

    def test_a_holder_that_stands_still_is_replaced_and_does_not_scrape_when_it_goes_on(self):
        self.start_agents("a", "b", duration="3s")
        first = self.holder()
        self.agents[first].freeze()
        second = self.holder(6, but=[first])
        moment = time.monotonic()
        self.agents[first].thaw()
        self.wait_for(lambda: not self.agents[first].targets(), k8s.SOON_S, "it knows that it lost")
        self.check_alone(second)
        self.assertLessEqual(len([s for s in self.since(moment) if s.agent == first]), 1)
        for agent in self.agents.values():
            self.balanced(agent)
            self.stop(agent)

    def test_an_api_server_that_is_away_ends_the_lease_and_back_it_begins_again(self):
        self.start_agents("a", "b", duration="6s")
        first = self.holder()
        self.cluster.kill_api()
        self.wait_for(lambda: not self.agents[first].targets(), 7, "the holder gives up")
        self.assertEqual({s.agent for s in self.scrapes}, {first})
        self.cluster.start_api()
        self.check_alone(self.holder(45))
        for agent in self.agents.values():
            self.stop(agent)

    def test_without_the_right_to_leases_nobody_scrapes_and_says_why(self):
        self.account(RIGHTS[:1], account="poor")
        self.start_agents("a", name="other")
        agent = self.agents["a"]
        error = self.wait_for(lambda: self.source_error(agent), what="the fault is shown")
        for word in ("cannot", '"leases"', self.user):
            self.assertIn(word, error)
        self.assertEqual(agent.targets(), {})
        self.cluster.grant(self.user, RIGHTS[1:], name=self.role + "-2")
        self.assertEqual(self.holder(45), "a")
        self.works(agent, 20)
        self.stop(agent)


if __name__ == "__main__":
    cluster.main(in_netns=True)
