# SPDX-License-Identifier: Apache-2.0
"""test_floor.py - bench_floor moves the bytes that it says, at its pace, so that its CPU is what they cost."""
import os, re, signal, socket, sys, time

import harness

BENCH = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "bench")
sys.path.insert(0, BENCH)
import floor
import pairs
import takers
import where

pairs.use("")    # STRATA_AGENT and the like say where the programs are
MAX_PAYLOAD = 10_000
INTERVAL = 0.2


class Peer(takers.Tcp):
    """A server of NATS that reads what it takes, and pings after each scrape's last message."""

    def __init__(self):
        self.sizes, self.pongs, self.faults, self.ended = [], 0, [], False
        super().__init__()

    def serve(self, connection):
        with connection.makefile("rb") as f:
            try:
                connection.sendall(b'INFO {"server_id":"X","max_payload":%d,"headers":true}\r\n' % MAX_PAYLOAD)
                if f.readline() != b'CONNECT {"verbose":false}\r\n':
                    self.faults.append("no CONNECT")
                while line := f.readline():
                    self.take(connection, f, line)
            finally:
                self.ended = True

    def take(self, connection, f, line):
        if line == b"PING\r\n":
            connection.sendall(b"PONG\r\n")
        elif line == b"PONG\r\n":
            self.pongs += 1
        elif m := re.fullmatch(rb"PUB metrics\.floor (\d+)\r\n", line):
            size = int(m[1])
            if f.read(size + 2) != b"x" * size + b"\r\n":
                self.faults.append(f"no message of {size}")
            self.sizes.append(size)
            if size != MAX_PAYLOAD:
                connection.sendall(b"PI")    # in two pieces
                connection.sendall(b"NG\r\n")
        else:
            self.faults.append(line)


class Halves(takers.Tcp):
    """Sends each page in two pieces; early: messages that came between them."""
    PAGE = b"a 1\n" * 1000

    def __init__(self, peer):
        self.peer, self.pages, self.early = peer, 0, 0
        super().__init__()

    def serve(self, connection):
        with connection.makefile("rb") as f:
            while f.readline():
                while f.readline() != b"\r\n":
                    pass
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(self.PAGE) + self.PAGE[:2000])
                time.sleep(INTERVAL / 4)    # time enough for a message, if it were sent
                self.early += max(0, len(self.peer.sizes) - self.pages)
                self.pages += 1
                connection.sendall(self.PAGE[2000:])


def pieces(size):
    return [MAX_PAYLOAD] * (size // MAX_PAYLOAD) + [size % MAX_PAYLOAD] * bool(size % MAX_PAYLOAD)


class Floor(harness.Case):
    def setUp(self):
        super().setUp()
        self.servers, self.peer = [self.targets(3, 2000), self.targets(1, 10)], self.keep(Peer())

    def served(self):
        return [n for server in self.servers for n in server.stats()["served"]]

    def start(self, lines, *args):
        return self.keep(floor.start(self.folder, f"nats://{self.peer.address}", INTERVAL, lines, args))

    def check_moved(self, *args):
        sizes = [3 * MAX_PAYLOAD + 1, MAX_PAYLOAD // 2, 2 * MAX_PAYLOAD + 7, 1]
        urls = [url for server in self.servers for url in server.targets]
        begun = time.monotonic()
        program = self.start(zip(urls, sizes), *args)
        self.wait_for(lambda: min(self.served()) >= 3 and self.peer.pongs >= 10, 20, "three rounds")
        fds = f"/proc/{program.pid}/fd/"
        sockets = [fd for fd in os.listdir(fds) if os.readlink(fds + fd).startswith("socket:")]
        self.assertEqual(len(sockets), 3)    # of two page servers and the peer
        program.send_signal(signal.SIGTERM)
        self.assertEqual(program.wait(), 0, program.err())
        self.assertLessEqual(sum(self.served()), 1 + (time.monotonic() - begun) / (INTERVAL / len(sizes)))
        self.wait_for(lambda: self.peer.ended, what="all has come")
        self.assertEqual(self.peer.faults, [])
        served = self.served()
        self.assertLessEqual(max(served) - min(served), 1)
        expected = [n for i in range(sum(served)) for n in pieces(sizes[i % len(sizes)])]
        self.assertEqual(self.peer.sizes, expected)
        self.assertEqual(program.out() + program.err(), "")

    def test_the_bytes_of_each_scrape_come(self):
        self.check_moved()

    def test_likewise_with_copies(self):
        self.check_moved("--copy")

    def test_a_page_is_read_whole_before_its_message_goes(self):
        server = self.keep(Halves(self.peer))
        program = self.start([(f"http://{server.address}/", 1)])
        self.wait_for(lambda: len(self.peer.sizes) >= 4, what="messages come")
        self.assertTrue(program.running())
        self.assertEqual(server.early, 0)

    def test_what_goes_wrong_ends_it(self):
        gone = f"http://127.0.0.1:{self.closed_port()}/t/0"
        for url, what in ((self.servers[0].url("/nothing"), "no answer 200"), (gone, "connect")):
            program = self.start([(url, 1)])
            self.assertEqual(program.wait(), 1)
            self.assertIn(f"bench_floor: {what}", program.err())
        program = self.start([(self.servers[0].url(0), 1)])
        self.wait_for(lambda: self.peer.sizes, what="a message comes")
        self.peer.end()
        self.assertEqual(program.wait(), 1)

    def closed_port(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            return s.getsockname()[1]


class Turns(harness.Case):
    def test_the_agent_and_the_floor_have_figures_in_one_table(self):
        where.LOADS["tiny"] = (5, 50, 1, True)
        turns = floor.measure(where.Where("tiny:lz4"), self.folder, 1, 1)
        self.assertEqual([len(each) for each in turns.each.values()], [1, 1, 1])
        self.assertLess(turns.sent, 100)    # bytes of a sample: it is LZ4
        self.assertEqual(len(turns.lines), 5)
        self.assertEqual(turns.lines[0][1], round(turns.sent * turns.samples))
        rows = {row[0]: row for row in turns.rows()}
        self.assertAlmostEqual(float(rows["floor"][6]), float(rows["agent"][1]) / float(rows["floor"][1]), delta=0.1)
        floor.DOCUMENT = os.path.join(self.folder, "doc.md")
        with open(floor.DOCUMENT, "w") as f:
            f.write("above\n" + floor.MARKS[0] + "old\n" + floor.MARKS[1] + "below\n")
        for _ in range(2):
            floor.document([turns], 1, 1, 0.5, "hot")
        with open(floor.DOCUMENT) as f:
            text = f.read()
        self.assertRegex(text, r"(?s)^above\n.*\| tiny:lz4: 5 × 50 / 1 s \|.*\| floor, with copies \|.*\| agent \|.*\nhot\n.*\nbelow\n$")
        self.assertNotIn("old", text)
        self.assertEqual(text.count("| agent |"), 1)


if __name__ == "__main__":
    harness.main(needs=["nats-server"], missing=[] if os.access(os.environ.get("STRATA_FLOOR", ""), os.X_OK) else ["(STRATA_FLOOR)"])
