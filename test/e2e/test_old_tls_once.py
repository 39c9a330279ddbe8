# SPDX-License-Identifier: Apache-2.0
"""test_old_tls_once.py - with whom TLS is spoken: from 1.2 on, by every part that speaks it."""
import json, os, socket, ssl, threading, warnings

import harness
from pki import Authority

INFO = {"server_id": "a", "version": "2.9.10", "proto": 1, "host": "127.0.0.1", "port": 1,
        "headers": True, "max_payload": 1 << 20, "tls_required": True, "nonce": "n"}
PARTS = ("scrape", "http", "nats", "kafka", "fluent")


class Peer:
    """Counts the handshakes that end well and those that don't, at one version of TLS."""

    def __init__(self, crt, key, version, greeting=b""):
        self.good, self.bad, self.greeting = 0, 0, greeting
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(crt, key)
        self.context.set_ciphers("ALL:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            self.context.minimum_version = self.context.maximum_version = version
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            try:
                connection.sendall(self.greeting)
                with self.context.wrap_socket(connection, server_side=True):
                    self.good += 1
            except OSError:
                self.bad += 1


class OldTls(harness.Case):
    def met(self, version):
        """The agent's parts have met a peer each that speaks only that; who, by part."""
        pki = Authority(os.path.join(self.folder, version.name))
        crt, key = pki.certificate("server", "/CN=peer", ["IP:127.0.0.1"])
        greetings = {"nats": b"INFO " + json.dumps(INFO).encode() + b"\r\n"}
        peers = {p: Peer(crt, key, version, greetings.get(p, b"")) for p in PARTS}
        for peer in peers.values():
            self.addCleanup(peer.listener.close)
        at = {p: f"127.0.0.1:{peer.port}" for p, peer in peers.items()}
        tls = {"ca": pki.crt}
        plain = self.targets(1, 10)
        agent = self.agent(harness.config(
            agent={"grace": "1s"},
            sources=[{"name": "plain", "pool": "main", "interval": "1s",
                      "static": {"targets": plain.targets}},
                     {"name": "old", "pool": "main", "interval": "1s", "http": {"tls": tls},
                      "static": {"targets": [f"https://{at['scrape']}/metrics"]}}],
            outputs=[{"json": {}, "sink": p} for p in ("http", "nats", "kafka")] +
                    [{"fluent": {}, "sink": "fluent"}],
            sinks=[{"name": "http", "http": {"url": f"https://{at['http']}/",
                                             "client": {"tls": tls}}},
                   {"name": "nats", "nats": {"servers": [f"tls://{at['nats']}"], "tls": tls}},
                   {"name": "kafka", "kafka": {"brokers": [at["kafka"]], "topic": "t",
                                               "protocol": "ssl", "tls": tls}},
                   {"name": "fluent", "fluent": {"servers": [f"tls://{at['fluent']}"],
                                                 "tls": tls}}]))
        self.wait_for(lambda: all(p.good + p.bad >= 1 for p in peers.values()), 30,
                      "each part has met its peer")
        self.stop(agent)
        return peers

    def test_before_1_2_nobody_speaks_and_from_then_on_all_do(self):
        for part, peer in self.met(ssl.TLSVersion.TLSv1_1).items():
            self.assertEqual(peer.good, 0, part)
        for part, peer in self.met(ssl.TLSVersion.TLSv1_2).items():
            self.assertGreaterEqual(peer.good, 1, part)


if __name__ == "__main__":
    harness.main(needs=["openssl"])
