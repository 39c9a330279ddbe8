# SPDX-License-Identifier: Apache-2.0
"""etsy.py - statsd itself (Etsy's), which test/statsd/etsy.sh makes.

    server = self.keep(etsy.Server(self.folder))
    ... an agent sends to server.udp and server.tcp ...
    server.ask("gauges")                    {name: number}, as the management port shows them

It never flushes: counters are sums of all that came.
"""
import json, os, re, shutil, socket

from process import SLOW, Process, wait_for
from statsd import free_port

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build", "tools", "etsy", "node_modules", "statsd", "stats.js")
LINE = re.compile(r"(?:'([^']*)'|([\w$]+)): (-?[\w.+-]+)")    # of JavaScript's inspect


def address(text):
    host, port = text.split(":")
    return host, int(port)


class Server(Process):
    def __init__(self, folder):
        ports = {"udp": free_port(socket.SOCK_DGRAM), "tcp": free_port(), "web": free_port()}
        self.udp, self.tcp, self.web = (f"127.0.0.1:{port}" for port in ports.values())
        path = os.path.join(folder, "etsy.js")
        with open(path, "w") as f:
            json.dump({"servers": [{"server": f"./servers/{kind}", "address": "127.0.0.1",
                                    "port": ports[kind]} for kind in ("udp", "tcp")],
                       "mgmt_address": "127.0.0.1", "mgmt_port": ports["web"],
                       "backends": ["./backends/console"], "flushInterval": 24 * 3600 * 1000, "automaticConfigReload": False}, f)
        super().__init__(["node", PROGRAM, path], folder, "etsy")
        wait_for(self.answers, 20, "statsd answers")

    def answers(self):
        """Each of the ports, for it opens them one after the other."""
        if not self.running():
            raise AssertionError(f"statsd ended with {self.popen.returncode}:\n{self.err()}")
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
                s.sendto(b"ready_udp:1|g", address(self.udp))
            with socket.create_connection(address(self.tcp)) as s:
                s.sendall(b"ready_tcp:1|g\n")
            return {"ready_udp", "ready_tcp"} <= set(self.ask("gauges"))
        except OSError:
            return False

    def ask(self, command):
        """What `gauges` or `counters` answers."""
        with socket.create_connection(address(self.web), 10 * SLOW) as s:
            s.sendall(command.encode() + b"\n")
            text = b""
            while not text.endswith(b"END\n\n"):
                piece = s.recv(65536)
                if not piece:
                    raise OSError("the management port closed")
                text += piece
        return {quoted or plain: float(number)
                for quoted, plain, number in LINE.findall(text.decode())}


def missing():
    return [what for what, there in ((PROGRAM + " (test/statsd/etsy.sh makes it)", os.path.exists(PROGRAM)),
                                     ("node", shutil.which("node"))) if not there]
