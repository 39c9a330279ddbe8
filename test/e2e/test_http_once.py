# SPDX-License-Identifier: Apache-2.0
"""test_http_once.py - a real nginx: what was scraped is stored there, or is named as lost."""
import collections, os

import books
import harness
import nginx
import pki
from chaos import Found
from process import SLOW


def http_sink(server, buffer="64MiB", **settings):
    return {"name": "queue", "buffer": buffer,
            "http": {"url": server.url, "method": "PUT", **settings}}


class Http(harness.Case):
    def nginx(self, **kwargs):
        return self.keep(nginx.Server(self.folder, **kwargs))

    def begin(self, server, targets=4, samples=200, interval="1s", **settings):
        sources = self.targets(targets, samples)
        conf = harness.config(sources.targets, source={"interval": interval},
                              sinks=[http_sink(server, **settings)])
        return sources, self.agent(conf)

    def finish(self, server, sources, agent):
        """Stops, and all that was scraped is there, once; each target's scrapes are in order."""
        self.balanced(agent, 30)
        account = self.stop(agent, timeout=40)
        stats = sources.stats()
        found = Found(server.read())
        self.assertEqual(account["lost"], 0)
        found.check(self, stats, account["delivered"])
        self.check_log(server)
        return found

    def check_log(self, server):
        """A target's scrapes were asked to be stored in order, each under its own key."""
        dues = collections.defaultdict(list)
        for line in server.log():
            self.assertEqual(line["key"], line["id"])
            if line["status"] in (201, 204):
                dues[line["target"]].append(int(line["due"]))
        for target, seen in dues.items():
            self.assertEqual(seen, sorted(seen), target)

    def stored(self, server, count):
        self.wait_for(lambda: len(server.read()) >= count, 20, f"{count} messages are stored")

    def test_four_connections_keep_each_targets_order(self):
        server = self.nginx()
        sources, agent = self.begin(server, targets=8, connections=4, compression="gzip")
        self.stored(server, 24)
        found = self.finish(server, sources, agent)
        self.assertGreater(len(found.ids), 16)
        log = server.log()
        self.assertEqual({line["status"] for line in log}, {201})
        self.assertEqual({line["type"] for line in log}, {"application/x-ndjson"})
        self.assertGreaterEqual(len({line["connection"] for line in log}), 2)
        self.assertLessEqual(len({line["connection"] for line in log}), 4)

    def test_what_is_too_large_is_cut(self):
        server = self.nginx(limit="20k")
        sources, agent = self.begin(server, targets=2, samples=600)
        self.stored(server, 20)
        found = self.finish(server, sources, agent)
        statuses = collections.Counter(line["status"] for line in server.log())
        self.assertGreater(statuses[413], 0)
        self.assertLess(statuses[413], statuses[201])    # it learns
        self.assertGreater(len(found.ids), sum(sources.stats()["served"]))

    def test_two_deaths_of_the_server_cost_nothing(self):
        server = self.nginx()
        sources, agent = self.begin(server, targets=5, samples=300, interval=f"{SLOW:.0f}s",
                                    timeout="5s", compression="gzip")
        for _ in range(2):
            before = books.delivered(agent.metrics())
            self.wait_for(lambda: books.delivered(agent.metrics()) > before + 1000, 20, "delivery")
            served = sources.stats()["samples"]
            server.kill()
            self.wait_for(lambda: sources.stats()["samples"] >= served + 600 and
                          "onnect" in str(agent.status()), 20, "scraping goes on")
            server.start()
        before = books.delivered(agent.metrics())
        self.wait_for(lambda: books.delivered(agent.metrics()) > before + 1000, 30, "delivery")
        self.finish(server, sources, agent)

    def test_the_death_of_the_agent_leaves_no_odd_message(self):
        """What it had delivered is there; a second agent goes on."""
        server = self.nginx()
        sources, agent = self.begin(server)
        self.stored(server, 8)
        delivered = books.delivered(agent.metrics())
        agent.end()
        found = Found(server.read())
        self.assertGreaterEqual(found.samples, delivered)
        self.assertEqual(found.lines, found.samples)
        agent = self.agent(None, path=agent.config_path, name="second")
        self.stored(server, len(found.ids) + 8)
        self.balanced(agent)
        self.assertEqual(self.stop(agent)["lost"], 0)

    def test_client_certificates_over_tls(self):
        authority = pki.Authority(os.path.join(self.folder, "pki"))
        crt, key = authority.certificate("server", "/CN=server", ["IP:127.0.0.1", "DNS:metrics"])
        mine, my_key = authority.certificate("agent", "/CN=agent")
        server = self.nginx(tls=(crt, key, authority.crt))
        tls = {"ca": authority.crt, "cert": mine, "key": my_key, "server_name": "metrics"}
        sources, agent = self.begin(server, client={"tls": tls})
        self.stored(server, 8)
        self.finish(server, sources, agent)

    def test_a_missing_certificate_denies_until_it_is_there(self):
        authority = pki.Authority(os.path.join(self.folder, "pki"))
        crt, key = authority.certificate("server", "/CN=server", ["IP:127.0.0.1"])
        mine, my_key = authority.certificate("agent", "/CN=agent")
        server = self.nginx(tls=(crt, key, authority.crt))
        sources, agent = self.begin(server, client={"tls": {"ca": authority.crt}})
        self.wait_for(lambda: ": 403" in str(agent.status()) and "sink denies access" in agent.err(),
                      what="/status and the log name the refusal")
        self.assertEqual(books.delivered(agent.metrics()), 0)
        self.assertEqual(books.lost(agent.metrics()), {})
        agent.end()
        other = self.agent(harness.config(sources.targets, sinks=[http_sink(server)]), name="other")
        self.wait_for(lambda: "certificate" in str(other.status()), what="/status names the authority")
        self.assertEqual(books.lost(other.metrics()), {})
        other.end()

    def test_a_rotated_token_file_is_used(self):
        server = self.nginx(more='if ($http_authorization != "Bearer right") { return 401; }')
        token = os.path.join(self.folder, "token")
        with open(token, "w") as f:
            f.write("wrong\n")
        sources, agent = self.begin(server, client={"bearer": "file:" + token})
        self.wait_for(lambda: "401" in str(agent.status()), what="/status names the refusal")
        with open(token + ".new", "w") as f:
            f.write("right\n")
        os.rename(token + ".new", token)
        self.stored(server, 8)
        self.finish(server, sources, agent)
        self.assertNotIn("wrong", agent.err())

    def test_the_url_may_be_made_of_labels(self):
        server = self.nginx()
        pages = self.pages({"/metrics": "up_total 1\n"})
        sink = http_sink(server)
        sink["http"]["url"] += "/{zone}?key=hidden"
        conf = harness.config([pages.url()], sinks=[sink])
        conf["sources"][0]["static"]["labels"] = {"zone": "a/b"}
        agent = self.agent(conf)
        self.stored(server, 1)
        self.balanced(agent)
        self.stop(agent)
        self.assertEqual({line["uri"] for line in server.log()}, {"/in/a_b?key=hidden"})
        self.assertNotIn("hidden", agent.err())


if __name__ == "__main__":
    harness.main(needs=["nginx", "openssl"])
