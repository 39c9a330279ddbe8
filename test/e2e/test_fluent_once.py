# SPDX-License-Identifier: Apache-2.0
"""test_fluent_once.py - the encoder and the sink fluent with a real server of the Forward protocol."""
import base64, os, struct

import books
import forward
import harness
import pki
from chaos import Found, exposed_so_far

PAGE = """# TYPE requests_total counter
# HELP requests_total How many there were.
requests_total{code="200",path="/a b"} 9007199254740993
requests_total{code="500",path="ü"} 0.1
# TYPE temperature gauge
# UNIT temperature celsius
temperature -0
temperature{room="nan"} NaN
temperature{room="hot"} +Inf
temperature{room="cold"} -Inf
timed 5e-324 1795271160123
"""
VALUES = {   # name, and one label that tells them apart
    ("requests_total", "200"): 9007199254740993.0, ("requests_total", "500"): 0.1,
    ("temperature", None): -0.0, ("temperature", "nan"): float("nan"),
    ("temperature", "hot"): float("inf"), ("temperature", "cold"): float("-inf"),
    ("timed", None): 5e-324,
}
MODES = ("forward", "packed", "gzip", "message")


def sink(*servers, **more):
    return {"name": "queue", "fluent": {"servers": [s if isinstance(s, str) else s.url
                                                    for s in servers], **more}}


def output(mode, **more):
    return {"name": mode, "fluent": {"mode": mode, "tag": f"m.{mode}.{{job}}", **more},
            "sink": "queue"}


def by_chunk(messages):
    """What a consumer keeps that knows a chunk again: a resend is the same, byte for byte."""
    kept = {}
    for m in messages:
        assert kept.setdefault(m["chunk"], m) == m, m["chunk"]
    return kept.values()


def records(messages):
    return sum(len(m["entries"]) for m in messages)


class Fluent(harness.Case):
    def server(self, **kwargs):
        return self.keep(forward.Server(self.folder, **kwargs))

    def config(self, targets, *servers, outputs=None, sink_more=(), **more):
        return harness.config(targets, sinks=[sink(*servers, **dict(sink_more))],
                              outputs=outputs or [output("forward")], **more)

    def account_for(self, agent, messages):
        """Each delivered record has come, and nothing else; returns how many."""
        metrics = self.balanced(agent)
        self.assertEqual(books.lost(metrics), {})
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.assertEqual(records(by_chunk(messages())), account["delivered"])
        return account["delivered"]

    def check_page(self, message):
        """The entries of PAGE in the message, which are all there."""
        seen = {}
        for seconds, nanos, bits, record in message["entries"]:
            tags = record["tags"]
            key = record["name"], tags.get("code") or tags.get("room")
            if key in VALUES:
                seen[key] = bits
                if record["name"] == "timed":
                    self.assertEqual((seconds, nanos), (1795271160, 123000000))
                if key[1] == "200":
                    self.assertEqual((tags["path"], record["type"]), ("/a b", "counter"))
        return seen

    def test_all_modes_arrive_bit_by_bit_and_are_acknowledged(self):
        server, pages = self.server(), self.pages({"/metrics": PAGE})
        agent = self.agent(self.config([pages.url()], server,
                                       outputs=[output(mode) for mode in MODES]))

        def all_there():
            return set(MODES) <= {m["mode"] for m in server.messages()} and \
                books.scraped(agent.metrics()) >= 2
        self.wait_for(all_there, 20, "all modes arrive")
        self.account_for(agent, server.messages)
        for mode in MODES:
            messages = [m for m in server.messages() if m["tag"] == f"m.{mode}.static"]
            self.assertEqual({m["mode"] for m in messages}, {mode})
            seen = {}
            for m in messages:
                seen.update(self.check_page(m))
            self.assertEqual(set(seen), set(VALUES), mode)
            for key, bits in seen.items():
                if VALUES[key] == VALUES[key]:
                    self.assertEqual(bytes.fromhex(bits), struct.pack(">d", VALUES[key]), key)
                else:
                    self.assertNotEqual(struct.unpack(">d", bytes.fromhex(bits))[0], VALUES[key])

    def test_a_server_killed_under_load_misses_nothing_that_it_acknowledged(self):
        server, targets = self.server(), self.targets(8, samples=100)
        agent = self.agent(self.config(targets.targets, server, source={"interval": "500ms"},
                                       outputs=[output("packed"), output("gzip")]))
        for _ in range(3):
            before = server.count()
            self.wait_for(lambda: server.count() > before + 40, 20, "messages")
            server.kill()
            self.wait_for(lambda: books.in_memory(agent.metrics()) > 0, what="messages wait")
            server.start()
        before = books.delivered(agent.metrics())
        self.wait_for(lambda: books.delivered(agent.metrics()) > before + 4000, 20, "all goes on")
        self.assertGreaterEqual(books.connects(agent.metrics()), 4)    # one that waits may miss a start
        self.assertGreater(self.account_for(agent, server.messages), 12000)
        stats = targets.stats()
        for mode in ("packed", "gzip"):
            found = Found(forward.as_json(m) for m in server.messages()
                          if m["tag"] == f"m.{mode}.static")
            found.check(self, stats, exposed_so_far(stats))

    def test_a_queue_gets_the_same_messages(self):
        """Whole ones of the protocol, each with the queue's id for its chunk."""
        server = self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        pages = self.pages({"/metrics": PAGE})
        outputs = [output(mode, tag=mode) for mode in MODES]
        agent = self.agent(harness.config(
            [pages.url()], outputs=outputs,
            sinks=[harness.nats_sink(server.url, "metrics.x", "METRICS")]))
        self.wait_for(lambda: books.delivered(agent.metrics()) > 100, what="delivery")
        account = self.stop(agent)
        messages = list(client.read_stream("METRICS"))
        self.assertEqual(sum(int(m.headers["Strata-Samples"]) for m in messages),
                         account["delivered"])
        for m in messages:
            self.assertEqual(m.headers["Content-Type"], "application/msgpack")
            chunk = base64.b64encode(bytes.fromhex(m.headers["Strata-Id"]))
            self.assertIn(b"\xa5chunk\xb8" + chunk, m.data)
            mode = next(mode for mode in MODES if m.data[2:].startswith(mode.encode()))
            self.assertEqual(m.data[0], 0x94 if mode == "message" else 0x93)

    def test_another_server_takes_over(self):
        first, second = self.server(), self.server()
        targets = self.targets(3, samples=50)
        agent = self.agent(self.config(targets.targets, first, second,
                                       source={"interval": "300ms"}))
        self.wait_for(lambda: first.messages(), what="the first one gets messages")
        self.assertEqual(second.messages(), [])
        first.kill()
        self.wait_for(lambda: second.messages(), what="the second one gets messages")
        self.account_for(agent, lambda: first.messages() + second.messages())

    def test_tls_with_a_shared_key_and_a_user(self):
        authority = pki.Authority(os.path.join(self.folder, "pki"))
        other = pki.Authority(os.path.join(self.folder, "other"))
        pair = authority.certificate("server", "/CN=server", ["IP:127.0.0.1"])
        server = self.server(shared_key="secret", users={"ann": "pass"}, tls=pair)
        good = {"shared_key": "secret", "user": "ann", "password": "pass",
                "tls": {"ca": authority.crt}}
        bad = [("shared key", {**good, "shared_key": "wrong"}),
               ("password", {**good, "password": "wrong"}),
               ("certificate", {**good, "tls": {"ca": other.crt}}),
               ("certificate", {**good, "tls": {"ca": authority.crt, "server_name": "else"}})]
        pages = self.pages({"/metrics": "up_total 1\n"})
        for number, (words, more) in enumerate(bad):
            agent = self.agent(self.config([pages.url()], server, sink_more=more,
                                           agent={"grace": "1s"}), name=f"bad-{number}")
            self.wait_for(lambda: "sink denies access" in agent.err(), what=words)
            self.assertEqual(books.delivered(agent.metrics()), 0)
            self.assertIn(words.replace("shared key", "shared"), agent.err())
            for secret in ("secret", "pass\"", "wrong"):
                self.assertNotIn(secret, agent.err())
            agent.end()
        self.assertEqual(server.messages(), [])
        agent = self.agent(self.config([pages.url()], server, sink_more=good))
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="delivery")
        self.account_for(agent, server.messages)


if __name__ == "__main__":
    harness.main(needs=["nats-server", "node", "openssl"], missing=forward.missing())
