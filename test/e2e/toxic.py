# SPDX-License-Identifier: Apache-2.0
"""toxic.py - proxies that delay, cut and stall: toxiproxy, which test/toxiproxy/build.sh makes.

    server = self.keep(toxic.Server(self.folder))
    proxy = server.proxy("late", upstream="127.0.0.1:4222")     proxy.address is where it listens
    proxy.add("latency", latency=300, jitter=100)               both ways unless it says one
    proxy.clear()

A toxic acts on connections that there are, too.
"""
import json, os

from receivers import Server as HttpServer

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build", "tools", "toxiproxy", "toxiproxy")
UP, DOWN = "upstream", "downstream"    # to the server, from the server


def missing():
    return [] if os.access(PROGRAM, os.X_OK) else ["toxiproxy (test/toxiproxy/build.sh)"]


class Server(HttpServer):
    ready = "/version"

    def __init__(self, folder):
        super().__init__([PROGRAM, "-host", "127.0.0.1", "-port", "0"], folder,
                         f"toxiproxy-{len(os.listdir(folder))}")

    def call(self, method, path, body=None):
        status, text = self.request(path, json.dumps(body).encode() if body else None,
                                    method=method)
        if status >= 300:
            raise AssertionError(f"toxiproxy answers {method} {path} with {status}: {text}")
        return json.loads(text) if text else None

    def proxy(self, name, upstream):
        return Proxy(self, name, upstream)


class Proxy:
    def __init__(self, server, name, upstream):
        self.server, self.path, self.toxics = server, f"/proxies/{name}", []
        self.address = server.call("POST", "/proxies", {
            "name": name, "listen": "127.0.0.1:0", "upstream": upstream, "enabled": True})["listen"]

    def add(self, kind, *streams, **attributes):
        for stream in streams or (UP, DOWN):
            made = self.server.call("POST", self.path + "/toxics", {
                "type": kind, "stream": stream, "attributes": attributes})
            self.toxics.append(made["name"])

    def clear(self):
        while self.toxics:
            self.server.call("DELETE", f"{self.path}/toxics/{self.toxics.pop()}")
