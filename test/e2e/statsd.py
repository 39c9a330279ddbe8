# SPDX-License-Identifier: Apache-2.0
"""statsd.py - a statsd server that shows what it got: statsd_exporter, which test/statsd/build.sh makes.

    server = self.keep(statsd.Server(self.folder))
    ... an agent sends to server.udp, server.tcp, server.unixgram ...
    server.metrics()

page(0) to page(3) are what a target shows one after the other.
"""
import os, random, socket

import books
from process import Process, http_get, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.path.join(ROOT, "build", "tools", "statsd", "statsd_exporter")

# In one page of four.
HITS = ("10", "25", "4", "4.5")    # a counter, whose target starts again once
GROWN = 15 + 4 + 0.5
TEMPERATURE = ("-5.5", "-7", "3", "-0.125")
ODD = random.Random(1)
GAUGES = {f"odd_{i}": repr(ODD.choice((ODD.uniform(-1e3, 1e3), ODD.uniform(-1, 1) * 10.0 ** ODD.randint(-30, 30),
                                       ODD.randint(-10**6, 10**6)))) for i in range(300)}
REST = """# TYPE latency histogram
latency_bucket{le="0.5"} 3
latency_bucket{le="+Inf"} 4
latency_sum 2.25
latency_count 4
# TYPE size summary
size{quantile="0.9"} 17
size_sum 100
size_count 9
nothing NaN
"""


def page(number):
    return "".join([
        "# TYPE hits_total counter\n",
        *(f'hits_total{{code="{code}",path="/a b"}} {float(HITS[number]) * code:g}\n' for code in (1, 2)),
        f"# TYPE temperature gauge\ntemperature {TEMPERATURE[number]}\n",
        *(f"{name} {value}\n" for name, value in GAUGES.items()), REST])


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server(Process):
    """Listens on all three; again on the same ones when it is made from another one."""

    def __init__(self, folder, like=None):
        self.udp = like.udp if like else f"127.0.0.1:{free_port(socket.SOCK_DGRAM)}"
        self.tcp = like.tcp if like else f"127.0.0.1:{free_port()}"
        self.web = like.web if like else f"127.0.0.1:{free_port()}"
        self.unixgram = os.path.join(folder, "statsd.socket")
        if os.path.exists(self.unixgram):    # a killed one leaves it behind
            os.unlink(self.unixgram)
        super().__init__([PROGRAM, f"--web.listen-address={self.web}",
                          f"--statsd.listen-udp={self.udp}", f"--statsd.listen-tcp={self.tcp}",
                          f"--statsd.listen-unixgram={self.unixgram}"],
                         folder, f"statsd-{len(os.listdir(folder))}")
        wait_for(self.answers, what="statsd_exporter answers")

    def answers(self):
        if not self.running():
            raise AssertionError(f"statsd_exporter ended with {self.popen.returncode}:\n{self.err()}")
        try:
            return http_get(f"http://{self.web}/metrics")[0] == 200 and os.path.exists(self.unixgram)
        except OSError:
            return False

    def metrics(self):
        return books.Metrics(http_get(f"http://{self.web}/metrics")[2])
