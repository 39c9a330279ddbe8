# SPDX-License-Identifier: Apache-2.0
"""soak_world.py - what surrounds the agent in soak.py: targets that churn, and a receiver over HTTP.

    fleet = Fleet(choice)
    fleet.trouble = 0.2             every fifth answer is a fault from now on
    fleet.churns = True             each page has other series than a while ago
    receiver = Receiver()
    receiver.mode = "keeps quiet"   takes a message, stores it and says nothing

Both count what they did, under locks: what the agent says is compared with it.
"""
import collections, http.server, threading

import page_server
from chaos import FIRST_SEQUENCE, Found

HANG_SECONDS = 30       # longer than any time-out here
STEADY, SLOTS = 10, 20  # series of a page that stay, and that come and go
FAULTS = ("status", "hang", "garbage", "cut")


class Pages:
    """Every path is a page of the fleet."""

    def __init__(self, fleet):
        self.fleet = fleet

    def get(self, path, _):
        return lambda handler: self.fleet.answer(int(path.rpartition("/")[2]), handler)


class Fleet:
    """Targets /t/0, /t/1, ...; a page says how many good ones of its target went before it."""

    def __init__(self, choice):
        self.choice, self.lock = choice, threading.Lock()
        self.trouble, self.churns, self.over = 0, False, threading.Event()
        self.served, self.samples = collections.Counter(), {}
        self.requests, self.faults = 0, collections.Counter()
        self.server = page_server.PageServer({})
        self.server.pages = Pages(self)
        self.server.requests = collections.deque(maxlen=1)

    def url(self, number):
        return self.server.url(f"/t/{number}")

    def answer(self, number, handler):
        with self.lock:
            self.requests += 1
            fault = self.choice.choice(FAULTS) if self.choice.random() < self.trouble else None
            if fault is None:
                return self.page(number)
            self.faults[fault] += 1
        return getattr(self, fault)(handler)

    def page(self, number):
        sequence = self.served[number]
        self.served[number] += 1
        first = (sequence // 5 * 7) % 997 if self.churns else 0
        lines = ["# TYPE bench_page_sequence_total counter",
                 f"bench_page_sequence_total {FIRST_SEQUENCE + sequence}",
                 "# TYPE soak_steady gauge", "# HELP soak_steady A series that stays."]
        lines += [f'soak_steady{{n="{n}"}} {sequence}.5' for n in range(STEADY)]
        lines += ["# TYPE soak_slot gauge"]
        lines += [f'soak_slot{{slot="{n}",of="{number}"}} {n}e3' for n in range(first, first + SLOTS)]
        self.samples[number, sequence] = 1 + STEADY + SLOTS
        return "\n".join(lines) + "\n"

    def status(self, handler):
        return 503, {}, b"not now\n"

    def hang(self, handler):
        self.over.wait(HANG_SECONDS)
        raise ConnectionAbortedError

    def garbage(self, handler):
        return 200, {"Content-Type": "text/html"}, b"<html><body>hello</body></html>\n"

    def cut(self, handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n"
                            b"Content-Length: 5000\r\n\r\nsoak_cut 1\n")
        raise ConnectionAbortedError

    def end(self):
        self.over.set()
        self.server.end()


class Receiver:
    """Stores what is POSTed, once for each id, as any consumer that remembers ids."""

    MODES = ("status", "too many", "hangs", "keeps quiet", "hangs up")
    name = "receiver"

    def __init__(self, host="127.0.0.1", port=0):
        self.mode, self.found, self.again = "takes", Found(), 0
        self.lock, self.over = threading.Lock(), threading.Event()
        self.server = page_server.Server((host, port), Handler)
        self.server.daemon_threads, self.server.owner = True, self
        self.port = self.server.server_address[1]
        self.url = f"http://{host}:{self.port}/in"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def store(self, headers, data):
        with self.lock:
            if headers["Strata-Id"] in self.found.ids:
                self.again += 1
            else:
                self.found.add(headers, data)

    def end(self):
        self.over.set()
        self.server.shutdown()
        self.server.server_close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 120

    def do_POST(self):
        owner, mode = self.server.owner, self.server.owner.mode
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if mode == "hangs":
            owner.over.wait(HANG_SECONDS)
        if mode in ("hangs", "hangs up"):
            raise ConnectionAbortedError
        if mode in ("takes", "keeps quiet"):
            owner.store(self.headers, data)
        if mode == "keeps quiet":
            raise ConnectionAbortedError
        self.send_response({"takes": 204, "status": 503, "too many": 429}[mode])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def handle(self):
        try:
            super().handle()
        except OSError:
            pass    # its own, or the peer went

    def log_message(self, *args):
        pass
