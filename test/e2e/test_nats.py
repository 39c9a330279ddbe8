# SPDX-License-Identifier: Apache-2.0
"""test_nats.py - real nats-servers: what was scraped is in the stream, or is named as lost."""
import re, time

import books
import harness
from chaos import Chaos, read_all


class Core(harness.Case):
    def test_headers_and_subject_keep_the_contract(self):
        server = self.nats(jetstream=False)
        client = self.client(server)
        sid = client.subscribe("metrics.>")
        client.flush()
        pages = self.pages({"/metrics": "up_total 1\n"})
        conf = harness.config([pages.url()], agent={"cluster": "prod"},
                              sinks=[harness.nats_sink(server.url, "metrics.{namespace}.x")])
        conf["sources"][0]["static"]["labels"] = {"namespace": "a b.c>*"}
        agent = self.agent(conf)
        message = client.next(sid)
        self.assertIsNotNone(message, agent.err())
        self.assertRegex(message.subject, r"^metrics\.[^ .*>]+\.x$")
        self.assertRegex(message.headers["Strata-Id"], r"^[0-9a-f]{32}$")
        self.assertEqual(message.headers["Strata-Schema"], "1")
        self.assertIn("json", message.headers["Content-Type"])
        self.assertTrue(message.headers["Strata-Target"].startswith("node-a"), message.headers)
        self.assertLess(abs(int(message.headers["Strata-Due"]) / 1000 - time.time()), 60)
        samples = harness.check_messages(self, message.data.decode())
        self.assertEqual(len(samples), int(message.headers["Strata-Samples"]))
        self.assertIn("up_total", [s["name"] for s in samples])
        self.balanced(agent)
        self.stop(agent)

    def test_the_next_server_of_the_list_takes_over(self):
        first, second = self.nats(jetstream=False), self.nats(jetstream=False)
        client = self.client(second)
        sid = client.subscribe("metrics.>")
        client.flush()
        sink = harness.nats_sink(first.url)
        sink["nats"]["servers"].append(second.url)
        first.kill()
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[sink]))
        self.assertIsNotNone(client.next(sid, 20), agent.err())
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)

    def test_user_and_password(self):
        lines = ["authorization {", "  user: agent", "  password: secret", "}"]
        server = self.nats(jetstream=False, lines=lines)
        client = self.client(server, user="agent", password="secret")
        sid = client.subscribe("metrics.>")
        client.flush()
        sink = harness.nats_sink(server.url)
        sink["nats"].update(user="agent", password="${NATS_PASSWORD}")
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[sink]),
                           env={"NATS_PASSWORD": "secret"})
        self.assertIsNotNone(client.next(sid), agent.err())
        self.stop(agent)
        self.assertNotIn("secret", agent.err())

    def test_a_wrong_password_is_shown_and_what_is_lost_is_counted(self):
        lines = ["authorization {", "  user: agent", "  password: secret", "}"]
        server = self.nats(jetstream=False, lines=lines)
        sink = harness.nats_sink(server.url)
        sink["nats"].update(user="agent", password="wrong-word")
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[sink],
                                          agent={"grace": "1s"}))
        self.wait_for(lambda: re.search("authori[sz]|denied", str(agent.status()), re.I),
                      what="/status names the refusal")
        account = self.stop(agent)
        self.assertEqual(account["delivered"], 0)
        self.assertGreater(account["lost"], 0)
        self.assertNotIn("wrong-word", agent.err())


class JetStream(harness.Case):
    def test_the_stream_is_made_if_asked(self):
        server = self.nats()
        client = self.client(server)
        sink = harness.nats_sink(server.url, "metrics.{instance}", "METRICS")
        sink["nats"]["jetstream"]["create"] = True
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[sink]))

        def made():
            try:
                return client.stream("METRICS")
            except LookupError:
                return None
        info = self.wait_for(made, what="the stream is there")
        self.assertEqual(info["config"]["duplicate_window"], 120 * 10 ** 9)
        self.wait_for(lambda: client.stream("METRICS")["state"]["messages"] > 0)
        account = self.stop(agent)
        found = read_all(self, client)
        self.assertEqual(found.samples, account["delivered"])

    def test_without_the_stream_nothing_is_lost_until_it_is_there(self):
        server = self.nats()
        client = self.client(server)
        targets = self.targets()
        agent = self.agent(harness.config(
            [targets.url(0)], source={"interval": "2s"},
            sinks=[harness.nats_sink(server.url, "metrics.x", "METRICS")]))
        self.wait_for(lambda: targets.stats()["served"][0] >= 2)
        self.assertEqual(books.delivered(agent.metrics()), 0)
        client.make_stream("METRICS", ["metrics.>"])
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, 20, "delivery begins")
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 20, "nothing waits")
        account = self.stop(agent)
        found = read_all(self, client)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(found.samples, account["delivered"])
        found.check_sequences(self, targets.stats()["served"])


class Short(Chaos):
    TARGETS, SAMPLES, INTERVAL, SECONDS, KILLS = 5, 300, 2, 10, 2

    def test_two_deaths_of_the_server_cost_nothing(self):
        self.survive()

    def test_a_small_buffer_loses_by_name(self):
        self.lose_by_name()


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
