# SPDX-License-Identifier: Apache-2.0
"""test_kafka_login_once.py - TLS and login at a real broker: what arrives, and what is said when they are wrong."""
import datetime, json, os, re, shutil, subprocess, time

import books
import exposed
import harness
import kafka
import receivers
from kafka_case import Case, sink


def replace(path, text):
    with open(path + ".new", "w") as f:
        f.write(text)
    os.rename(path + ".new", path)


def samples(messages):
    """{(name, labels, ms): bits of the double}"""
    found = {}
    for m in messages:
        for line in m.data.decode().splitlines():
            o = json.loads(line, parse_int=float)
            ms = round(datetime.datetime.fromisoformat(o["timestamp"]).timestamp() * 1000)
            found[o["name"], tuple(sorted(o["tags"].items())), ms] = receivers.bits(o["value"])
    return found


def can_scram(broker):
    """librdkafka with that broker."""
    text = subprocess.run(["kcat", "-V"], capture_output=True, text=True).stdout
    version = re.search(r"librdkafka (\d+)\.(\d+)\.(\d+)", text).groups()
    return broker.programs == kafka.OLD or tuple(map(int, version)) >= (2, 6, 1)


class Security(Case):
    """An output for each way to be sure of each other: (listener, settings, kcat's properties)."""

    def login(self, broker, mechanism):
        word = {"user": kafka.USER, "password": kafka.PASSWORD}
        both = {"sasl.mechanism": mechanism.upper()}
        if mechanism == "oauthbearer":
            return ({"mechanism": mechanism, "token": kafka.token(kafka.USER, 3600)},
                    {**both, "enable.sasl.oauthbearer.unsecure.jwt": "true",
                     "sasl.oauthbearer.config": f"principal={kafka.USER}"})
        return ({"mechanism": mechanism, **word},
                {**both, "sasl.username": kafka.USER, "sasl.password": kafka.PASSWORD})

    def ways(self, broker, mechanisms, certificates):
        ca = {"ca": broker.pki.crt}
        other = {"ssl.ca.location": broker.pki.crt}
        ways = {}
        if certificates:
            crt, key = broker.pki.certificate("agent", "/CN=agent")
            ways["tls"] = ("TLS", {"tls": ca}, other)
            ways["mtls"] = ("SSL", {"tls": {**ca, "cert": crt, "key": key}},
                            {**other, "ssl.certificate.location": crt, "ssl.key.location": key})
        for mechanism in mechanisms:
            settings, properties = self.login(broker, mechanism)
            ways[mechanism] = ("SASL_SSL", {"sasl": settings, "tls": ca}, {**other, **properties})
        return ways

    def config(self, broker, ways, url):
        return harness.config(
            [url], agent={"cluster": ""}, source={"honor_labels": True},
            outputs=[{"name": name, "json": {}, "sink": name} for name in ways],
            sinks=[{**sink(broker, "way-" + name, listener, **settings), "name": name}
                   for name, (listener, settings, _) in ways.items()])

    def check_ways(self, broker, ways):
        page, want = exposed.page(int(time.time() * 1000))
        agent = self.agent(self.config(broker, ways, self.pages({"/metrics": page}).url()))
        for name in ways:
            self.wait_for(lambda: books.delivered(agent.metrics(), output=name) >= len(want), 20,
                          f"{name} delivers")
        self.assertEqual(self.stop(agent)["lost"], 0)
        self.assertNotIn(kafka.PASSWORD, agent.err())
        for name, (listener, _, properties) in ways.items():
            with self.subTest(name):
                got = samples(broker.read("way-" + name, listener=listener, options=properties))
                exposed.compare(self, exposed.plain(got), want)

    def test_what_arrives_by_each_is_what_was_exposed(self):
        self.check_ways(self.broker, self.ways(self.broker, ["plain", "oauthbearer"], True))

    def test_scram_with_a_broker_that_librdkafka_can_log_in_to(self):
        old = self.keep(kafka.Broker(self.folder, programs=kafka.OLD))
        self.assertTrue(can_scram(old))
        self.check_ways(old, self.ways(old, ["scram-sha-256", "scram-sha-512"], False))

    def test_scram_with_a_broker_of_today(self):
        """librdkafka before 2.6.1 is refused as with a wrong password: the agent says what else it may be."""
        ways = self.ways(self.broker, ["scram-sha-256", "scram-sha-512"], False)
        if can_scram(self.broker):
            self.check_ways(self.broker, ways)
            return
        agent = self.agent(self.config(self.broker, ways, self.targets().url(0)))
        said = r"invalid credentials.*; check sasl; librdkafka before 2\.6\.1 has no SCRAM for brokers 4\.0"
        for name in ways:
            self.wait_for(lambda: re.search(said, errors(agent)[name]), 20, f"{name} says why")
            self.assertEqual(books.delivered(agent.metrics(), output=name), 0)


def errors(agent):
    return {o["output"]: o["last_error"] or "" for o in agent.status()["lanes"]}


class Wrong(Case):
    """Each is denied, loses nothing, says why, and delivers when it is put right."""

    FILES = {"password": "authentication failed.*check sasl",
             "authority": "certificate verify failed.*check tls.ca",
             "certificate": "alert .*certificate.*check .*tls.cert"}
    SETTINGS = {"bare": "alert .*certificate.*check .*tls.cert",
                "host": "certificate verify failed.*check tls.ca"}

    def path(self, name):
        return os.path.join(self.folder, name)

    def begin(self):
        """Files that another authority has made; what there is to be in them."""
        pki, other = self.broker.pki, kafka.pki.Authority(self.path("other"))
        shutil.copy(other.crt, self.path("ca.pem"))
        right = pki.certificate("rightful", "/CN=agent")
        for wrong, name in zip(other.certificate("wrong", "/CN=agent"), ("crt.pem", "key.pem")):
            shutil.copy(wrong, self.path(name))
        replace(self.path("password"), "wrong-word\n")
        contents = {"password": kafka.PASSWORD + "\n"}
        for name, path in (("ca.pem", pki.crt), ("crt.pem", right[0]), ("key.pem", right[1])):
            with open(path) as f:
                contents[name] = f.read()
        return contents, right

    def config(self, right, localhost, bare):
        ca = {"ca": self.broker.pki.crt}
        word = {"user": kafka.USER, "password": "file:" + self.path("password")}
        own = {"cert": self.path("crt.pem"), "key": self.path("key.pem")}
        sinks = {
            "password": sink(self.broker, "password", "SASL_SSL", sasl=word, tls=ca),
            "authority": sink(self.broker, "authority", "TLS", tls={"ca": self.path("ca.pem")}),
            "certificate": sink(self.broker, "certificate", "SSL", tls={**ca, **own}),
            "bare": sink(self.broker, "bare", "SSL",
                         tls=ca if bare else {**ca, "cert": right[0], "key": right[1]}),
            "host": sink(self.broker, "host", "TLS", tls=ca,
                         properties={"broker.address.family": "v4"})}
        if localhost:    # which the certificate does not name
            host = sinks["host"]["kafka"]
            host["brokers"] = [host["brokers"][0].replace("127.0.0.1", "localhost")]
        return harness.config([self.target.url(0)], agent={"grace": "1s"},
                              outputs=[{"name": n, "json": {}, "sink": n} for n in sinks],
                              sinks=[{**s, "name": n} for n, s in sinks.items()])

    def test_each_is_denied_until_it_is_put_right(self):
        self.target = self.targets()
        contents, right = self.begin()
        agent = self.agent(self.config(right, True, True))
        for name, said in {**self.FILES, **self.SETTINGS}.items():
            self.wait_for(lambda: re.search(said, errors(agent)[name], re.I), 20,
                          f"{name} says why")
            self.wait_for(lambda: re.search(f"denies access.* lane=main/{name} ", agent.err()), 20,
                          f"{name} is denied")
        metrics = agent.metrics()
        self.assertEqual(books.delivered(metrics), 0)
        self.assertEqual(books.lost(metrics), {})
        for name, text in contents.items():
            replace(self.path(name), text)
        for name in self.FILES:
            self.wait_for(lambda: books.delivered(agent.metrics(), output=name) > 0, 40,
                          f"{name} delivers")
        agent.reload(self.config(right, False, False))
        for name in self.SETTINGS:
            self.wait_for(lambda: books.delivered(agent.metrics(), output=name) > 0, 40,
                          f"{name} delivers")
        metrics = self.balanced(agent)
        for name in self.FILES:
            self.assertEqual(books.lost(metrics, output=name), {})
        self.stop(agent)
        self.assertNotIn("wrong-word", agent.err())


class Login(Case):
    def sasl(self, topic, listener="SASL_PLAINTEXT", tls=None, **sasl):
        more = {"tls": tls} if tls else {}
        return sink(self.broker, topic, listener,
                    sasl={"user": kafka.USER, "password": kafka.PASSWORD, **sasl}, **more)

    def test_user_and_password(self):
        agent = self.delivers(self.sasl("plain", password="${WORD}"), env={"WORD": kafka.PASSWORD})
        self.stop(agent)
        self.assertNotIn(kafka.PASSWORD, agent.err())

    def test_a_mechanism_that_brokers_do_not_offer_is_named(self):
        self.fails(self.sasl("scram", mechanism="scram-sha-512"), "SCRAM-SHA-512", "check sasl")

    def test_a_token_is_read_again_when_it_is_refused(self):
        path = os.path.join(self.folder, "token")
        with open(path, "w") as f:
            f.write(kafka.token("agent", -300) + "\n")
        conf = sink(self.broker, "token", "SASL_PLAINTEXT",
                    sasl={"mechanism": "oauthbearer", "token": f"file:{path}"})
        agent = self.agent(harness.config([self.targets().url(0)], sinks=[conf]))
        self.wait_for(lambda: re.search("check sasl", str(agent.status())), 20, "it is refused")
        replace(path, kafka.token("agent", 300) + "\n")
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, 30, "the new token")
        self.assertEqual(self.stop(agent)["lost"], 0)

    def test_a_token_that_is_not_there_is_named(self):
        path = os.path.join(self.folder, "token")
        conf = sink(self.broker, "token", "SASL_PLAINTEXT",
                    sasl={"mechanism": "oauthbearer", "token": f"file:{path}"})
        self.fails(conf, re.escape(path))


if __name__ == "__main__":
    harness.main(needs=["java", "kcat", "openssl"], missing=kafka.missing(kafka.NEW, kafka.OLD))
