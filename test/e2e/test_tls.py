# SPDX-License-Identifier: Apache-2.0
"""test_tls.py - TLS, credentials and headers of scrapes, and what must not happen with them."""
import base64, os, shutil, subprocess, threading

import books
import harness
import page_server
from process import SLOW

PAGE = "up_total 1\n"
# The first scrape comes at once, and has time to fail for its own reason on a busy machine.
PATIENT = {"interval": "20s", "timeout": "20s"}


class Tls(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certs = cls.enterClassContext(harness.temporary_folder())
        for ca in ("ca", "other"):
            cls.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-days", "2", "-subj", f"/CN={ca}", "-keyout", f"{ca}.key",
                        "-out", f"{ca}.pem")
        for name, ca, names in (("server", "ca", "IP:127.0.0.1"), ("client", "ca", "DNS:client"),
                                ("named", "ca", "DNS:metrics.example"),
                                ("stranger", "other", "DNS:stranger")):
            cls.openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
            with open(cls.cert(f"{name}.ext"), "w") as f:
                f.write(f"subjectAltName={names}\n")
            cls.openssl("x509", "-req", "-days", "2", "-in", f"{name}.csr", "-CA", f"{ca}.pem",
                        "-CAkey", f"{ca}.key", "-CAcreateserial", "-extfile", f"{name}.ext",
                        "-out", f"{name}.pem")

    @classmethod
    def cert(cls, name):
        return os.path.join(cls.certs, name)

    @classmethod
    def openssl(cls, *args):
        subprocess.run(["openssl", *args], cwd=cls.certs, check=True, capture_output=True)

    def server(self, name="server", client_ca=None, page=PAGE):
        tls = page_server.tls_server(self.cert(f"{name}.pem"), self.cert(f"{name}.key"), client_ca)
        return self.pages({"/metrics": page}, tls=tls)

    def scrape(self, pages, http, **source):
        return self.agent(harness.config([pages.url()],
                                         source={"http": http, **(source or PATIENT)}))

    def good(self, agent, count=1):
        self.wait_for(lambda: books.scraped(agent.metrics()) >= count, 20, "good scrapes")
        self.assertEqual(books.failed(agent.metrics()), {})
        self.stop(agent)

    def fails(self, agent, *reasons):
        metrics = self.wait_for(lambda: (m := agent.metrics()) and books.failed(m) and m,
                                20, "a failed scrape")
        self.assertLessEqual(set(books.failed(metrics)), set(reasons),
                             [books.target_error(t) for t in agent.targets().values()])
        self.assertEqual(books.scraped(metrics), 0)
        self.stop(agent)

    def test_a_known_authority(self):
        self.good(self.scrape(self.server(), {"tls": {"ca": self.cert("ca.pem")}},
                              interval="4s", timeout="4s"), 2)

    def test_an_unknown_authority(self):
        pages = self.server()
        self.fails(self.scrape(pages, {"tls": {"ca": self.cert("other.pem")}}), "tls")
        self.assertEqual(pages.requests, [])

    def test_who_trusts_another_authority_gets_no_connection_of_those_who_trust_this_one(self):
        # One server, many connections kept alive: each of the others could take one that is there.
        server = self.server()
        names = {ca: [f"/{ca}/{i}" for i in range(40)] for ca in ("ca", "other")}
        server.pages = {path: PAGE for paths in names.values() for path in paths}
        agent = self.agent(harness.config(pool={"workers": 1, "in_flight": 1}, sources=[
            {"name": ca, "static": {"targets": [server.url(path) for path in paths]}, "pool": "main",
             "interval": "2s", "timeout": "2s", "http": {"tls": {"ca": self.cert(f"{ca}.pem")}}}
            for ca, paths in names.items()]))
        self.wait_for(lambda: all(t["scrapes"] >= 3 for t in agent.targets().values()), 30, "rounds")
        entries = agent.targets()
        self.assertEqual({entries[server.url(p)]["health"] for p in names["ca"]}, {"up"})
        self.assertEqual({entries[server.url(p)]["health"] for p in names["other"]}, {"down"})
        self.assertEqual(set(books.failed(agent.metrics())), {"tls"})
        self.assertEqual({r.path for r in server.requests}, set(names["ca"]))
        self.stop(agent)

    def test_authorities_that_change_count_from_the_next_connection_on(self):
        ca = os.path.join(self.folder, "ca.pem")
        shutil.copy(self.cert("other.pem"), ca)
        agent = self.scrape(self.server(), {"tls": {"ca": ca}}, interval="1s", timeout="1s")
        self.wait_for(lambda: "tls" in books.failed(agent.metrics()), 20, "a failed scrape")
        self.assertEqual(books.scraped(agent.metrics()), 0)
        os.truncate(ca, 0)
        self.wait_for(lambda: "tls.ca" in books.target_error(*agent.targets().values()), 20, "it is said")
        shutil.copy(self.cert("ca.pem"), ca + ".new")
        os.rename(ca + ".new", ca)
        self.wait_for(lambda: books.scraped(agent.metrics()) > 0, 20, "a good scrape")
        self.stop(agent)

    def test_the_systems_authorities_do_not_know_it(self):
        self.fails(self.scrape(self.server(), {}), "tls")

    def test_another_name_in_the_certificate(self):
        self.fails(self.scrape(self.server("named"), {"tls": {"ca": self.cert("ca.pem")}}), "tls")

    def test_the_name_may_be_configured(self):
        self.good(self.scrape(self.server("named"), {
            "tls": {"ca": self.cert("ca.pem"), "server_name": "metrics.example"}}))

    def test_verification_off_is_explicit_and_shown(self):
        agent = self.scrape(self.server(), {"tls": {"verify": False}})
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, 20, "a scrape")
        self.assertEqual(agent.status()["targets_without_tls_verification"], 1)
        entry, = agent.targets().values()
        self.assertIs(entry["tls_verified"], False)
        self.stop(agent)

    def test_verification_on_is_shown_too_and_says_nothing_of_plain_http(self):
        secure, plain = self.server(), self.pages({"/metrics": PAGE})
        agent = self.agent(harness.config([secure.url(), plain.url()], source={
            "http": {"tls": {"ca": self.cert("ca.pem")}}, **PATIENT}))
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 2, 20, "scrapes")
        self.assertEqual(agent.status()["targets_without_tls_verification"], 0)
        shown = agent.targets()
        self.assertIs(shown[secure.url()]["tls_verified"], True)
        self.assertNotIn("tls_verified", shown[plain.url()])
        self.stop(agent)

    def test_a_configured_name_with_and_without_tls_in_one_source(self):
        # One worker, one scrape at a time: the handles of one kind are used again for the other.
        paths = [f"/{i}" for i in range(4)]
        secure, plain = self.server("named"), self.pages({})
        for pages in (secure, plain):
            pages.pages = {path: PAGE for path in paths}
        urls = [pages.url(path) for path in paths for pages in (secure, plain)]
        agent = self.agent(harness.config(urls, pool={"workers": 1, "in_flight": 1}, source={
            "http": {"tls": {"ca": self.cert("ca.pem"), "server_name": "metrics.example"}},
            "interval": "4s", "timeout": "4s"}))
        self.wait_for(lambda: all(t["scrapes"] >= 2 for t in agent.targets().values()), 20,
                      "each is scraped twice")
        self.assertEqual({t["health"] for t in agent.targets().values()}, {"up"})
        self.assertEqual(books.failed(agent.metrics()), {})
        self.balanced(agent)
        self.stop(agent)
        for pages in (secure, plain):
            self.assertEqual({r.path for r in pages.requests}, set(paths))
            for r in pages.requests:    # the name is that of the certificate alone
                self.assertEqual(r.headers["Host"], f"127.0.0.1:{pages.port}")

    def test_a_client_certificate(self):
        ca = self.cert("ca.pem")
        tls = {"ca": ca, "cert": self.cert("client.pem"), "key": self.cert("client.key")}
        self.good(self.scrape(self.server(client_ca=ca), {"tls": tls}))

    def test_a_missing_or_foreign_client_certificate(self):
        # With TLS 1.3 a server refuses a client when that has already begun to send: it may look
        # like a broken transfer.
        ca = self.cert("ca.pem")
        self.fails(self.scrape(self.server(client_ca=ca), {"tls": {"ca": ca}}), "tls", "broken")
        agent = self.agent(harness.config([self.server(client_ca=ca).url()], source={**PATIENT, "http": {
            "tls": {"ca": ca, "cert": self.cert("stranger.pem"),
                    "key": self.cert("stranger.key")}}}), name="stranger")
        self.fails(agent, "tls", "broken")

    def test_a_bearer_file_is_read_again_when_it_changes(self):
        token = os.path.join(self.folder, "token")
        allowed = ["first"]

        def page(request):
            good = request.headers["Authorization"] == f"Bearer {allowed[-1]}"
            return PAGE if good else (401, {}, "no\n")
        with open(token, "w") as f:
            f.write("first\n")
        agent = self.scrape(self.server(page=page), {
            "bearer": f"file:{token}", "tls": {"ca": self.cert("ca.pem")}}, interval="1s")
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, what="a scrape")
        with open(token + ".new", "w") as f:
            f.write("second\n")
        os.rename(token + ".new", token)
        allowed.append("second")
        before = books.scraped(agent.metrics())
        self.wait_for(lambda: books.scraped(agent.metrics()) >= before + 2, 15, "the new token")
        # A file that goes for a moment costs nothing: its last content counts.
        os.remove(token)
        before = books.scraped(agent.metrics())
        self.wait_for(lambda: books.scraped(agent.metrics()) >= before + 2, 15, "the last token")
        self.stop(agent)
        self.assertNotIn("second", agent.err())

    def test_a_bearer_file_that_is_not_there_is_named(self):
        pages = self.server()
        token = os.path.join(self.folder, "token")
        agent = self.scrape(pages, {"bearer": f"file:{token}", "tls": {"ca": self.cert("ca.pem")}},
                            interval="1s")
        self.wait_for(lambda: books.failed(agent.metrics()).get("credentials"), what="a failure")
        self.assertEqual(pages.requests, [])
        with open(token, "w") as f:
            f.write("first\n")
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, 15, "it is there now")
        self.stop(agent)

    def test_tokens_change_while_handshakes_are_under_way(self):
        token = os.path.join(self.folder, "token")
        valid, lock, shaking, go_on = [], threading.Lock(), [0], threading.Event()

        def write(word):
            valid.append(f"Bearer {word}")
            with open(token + ".new", "w") as f:
                f.write(word + "\n")
            os.rename(token + ".new", token)

        def slow_handshake():
            with lock:
                shaking[0] += 1
            go_on.wait(5 * SLOW)    # less than a scrape may take
            with lock:
                shaking[0] -= 1

        def page(request):
            good = request.headers["Authorization"] in valid
            return (200 if good else 401, {"Connection": "close"}, PAGE)
        write("token-0")
        context = page_server.tls_server(self.cert("server.pem"), self.cert("server.key"))
        slow = self.pages({f"/{i}": page for i in range(6)}, tls=context, before=slow_handshake)
        fast = self.pages({f"/{i}": page for i in range(12)}, tls=context)
        urls = [pages.url(path) for pages in (slow, fast) for path in pages.pages]
        interval = f"{6 * SLOW:.0f}s"
        agent = self.agent(harness.config(
            urls, agent={"first_scrape": "spread"}, pool={"workers": 1}, source={
                "interval": interval, "timeout": interval,
                "http": {"bearer": f"file:{token}", "tls": {"ca": self.cert("ca.pem")}}}))
        during = 0
        for number in range(1, 6):
            self.wait_for(lambda: shaking[0] > 0, what="a handshake is under way")
            write(f"token-{number}")
            self.wait_for(lambda: fast.requests and
                          fast.requests[-1].headers["Authorization"] == valid[-1],
                          what="a scrape with the new token")
            during += shaking[0] > 0
            go_on.set()
            self.wait_for(lambda: shaking[0] == 0, what="the handshakes go on")
            go_on.clear()
        go_on.set()
        self.assertGreater(during, 0)    # a new token came while a handshake went on
        self.wait_for(lambda: {r.path for r in slow.requests} == set(slow.pages) and
                      {r.path for r in fast.requests} == set(fast.pages), what="all are scraped")
        self.wait_for(lambda: slow.requests[-1].headers["Authorization"] == valid[-1],
                      what="the last token is used by slow ones too")
        self.assertEqual(books.failed(agent.metrics()), {})
        self.balanced(agent)
        self.stop(agent)
        self.assertNotIn("token-", agent.err().replace(token, ""))


class Http(harness.Case):
    def one(self, http, page=PAGE, env=None):
        pages = self.pages({"/metrics": page})
        agent = self.agent(harness.config([pages.url()], source={"http": http}), env=env)
        self.wait_for(lambda: len(pages.requests) >= 2, what="two requests")
        return pages, agent

    def test_basic_authentication(self):
        pages, agent = self.one({"user": "me", "password": "pa:ss"})
        self.stop(agent)
        self.assertEqual(pages.requests[0].headers["Authorization"],
                         "Basic " + base64.b64encode(b"me:pa:ss").decode())

    def check_shown(self, http, many):
        _, agent = self.one(http | {"tls": {"verify": False}})
        self.assertEqual(agent.status()["targets_without_tls_verification"], many)
        self.stop(agent)

    def test_a_login_without_tls_is_shown_where_verification_is_off(self):
        self.check_shown({"user": "me"}, 1)

    def test_plain_http_without_a_login_is_none_that_is_not_verified(self):
        self.check_shown({}, 0)

    def test_headers_of_ones_own_and_no_others(self):
        pages, agent = self.one({"headers": {"X-Scope-OrgID": "team"}})
        self.stop(agent)
        headers = pages.requests[0].headers
        self.assertEqual(headers["X-Scope-OrgID"], "team")
        self.assertIn("text/plain", headers["Accept"])
        self.assertIn("0.0.4", headers["Accept"])
        self.assertIn("strata", headers["User-Agent"].lower())
        for name in ("Authorization", "Accept-Encoding", "Proxy-Connection", "Cookie"):
            self.assertIsNone(headers[name], name)

    def test_gzip_only_when_configured(self):
        pages, agent = self.one({"gzip": True})
        self.stop(agent)
        self.assertIn("gzip", pages.requests[0].headers["Accept-Encoding"])

    def test_proxy_variables_are_ignored(self):
        proxy = self.pages({})
        env = {name: proxy.base for name in ("http_proxy", "HTTP_PROXY", "https_proxy",
                                             "HTTPS_PROXY", "all_proxy", "ALL_PROXY")}
        env.update(no_proxy="", NO_PROXY="")
        pages, agent = self.one({}, env=env)
        self.assertEqual(books.failed(agent.metrics()), {})
        self.stop(agent)
        self.assertEqual(proxy.requests, [])

    def test_a_configured_proxy_is_used(self):
        proxy = self.pages({})
        pages = self.pages({"/metrics": PAGE})
        proxy.pages[pages.url()] = PAGE
        agent = self.agent(harness.config([pages.url()], source={"http": {"proxy": proxy.base}}))
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, what="a scrape")
        self.stop(agent)
        self.assertEqual(pages.requests, [])

    def test_a_proxy_gets_its_own_user_and_password_and_the_target_gets_none(self):
        secret = os.path.join(self.folder, "proxy-password")
        with open(secret, "w") as f:
            f.write("s3cret\n")
        proxy = self.pages({})
        url = "http://127.0.0.1:9/metrics"
        proxy.pages[url] = PAGE
        agent = self.agent(harness.config([url], source={"http": {
            "proxy": proxy.base, "proxy_user": "strata", "proxy_password": f"file:{secret}"}}))
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 1, what="a scrape")
        self.stop(agent)
        headers = proxy.requests[0].headers
        self.assertEqual(base64.b64decode(headers["Proxy-Authorization"].split()[1]),
                         b"strata:s3cret")
        self.assertIsNone(headers["Authorization"])

    def test_redirects_are_not_followed(self):
        other = self.pages({"/metrics": PAGE})
        pages, agent = self.one({"bearer": "hidden"},
                                page=(302, {"Location": other.url()}, ""))
        self.wait_for(lambda: books.failed(agent.metrics()).get("status"), what="a failure")
        self.stop(agent)
        self.assertEqual(other.requests, [])

    def test_connections_are_kept(self):
        pages, agent = self.one({})
        self.wait_for(lambda: len(pages.requests) >= 4, what="four requests")
        self.stop(agent)
        self.assertEqual(len({r.client_address for r in pages.requests}), 1)


if __name__ == "__main__":
    harness.main(needs=["openssl"])
