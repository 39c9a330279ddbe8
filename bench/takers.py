# SPDX-License-Identifier: Apache-2.0
"""takers.py - receivers that cost next to nothing: they take what comes, answer what must be answered, count bytes.

Each has .address, .bytes (what has come, as one number) and .end(); they are threads of this process.
None reads what it takes: that the right thing arrives is what test/e2e is about.  Nats
counts pages besides: how often the name of the sample was there that each page has once.
"""
import os, re, socket, threading, time

ROOM = 1 << 20
SEQUENCE = b"bench_page_sequence_total"    # made_page.h


def loop(f, *args):
    """f(*args) until its socket is closed."""
    def run():
        try:
            f(*args)
        except (OSError, ValueError):
            pass
    threading.Thread(target=run, daemon=True).start()


class Tcp:
    """serve(connection), once for each."""

    def __init__(self):
        self.bytes, self.open = 0, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        loop(self.accept)

    def accept(self):
        while True:
            connection = self.listener.accept()[0]
            self.open.append(connection)
            loop(self.serve, connection)

    def end(self):
        for s in [self.listener, *self.open]:
            try:
                s.shutdown(socket.SHUT_RDWR)    # wakes who waits in it
            except OSError:
                pass
            s.close()


class Http(Tcp):
    """Answers each request with 204; bytes are those of bodies."""
    HEAD_MAX = 65536
    LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.I)
    CONTINUE = re.compile(rb"\r\nexpect: *100-continue", re.I)

    def serve(self, connection):
        room, held = memoryview(bytearray(ROOM)), b""
        while True:
            while (end := held.find(b"\r\n\r\n")) < 0:
                got = connection.recv(self.HEAD_MAX)
                if not got or len(held) > self.HEAD_MAX:
                    return
                held += got
            head, held = held[:end + 2], held[end + 4:]
            found = self.LENGTH.search(head)
            left = int(found[1]) if found else 0
            self.bytes += left
            if self.CONTINUE.search(head):
                connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            left, held = max(0, left - len(held)), held[left:]
            while left > 0:
                n = connection.recv_into(room[:min(left, ROOM)])
                if n == 0:
                    return
                left -= n
            self.answer(connection)

    def answer(self, connection):
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")


class Pages:
    """How many pages have come, and when the first did."""

    def __init__(self):
        self.pages, self.first, self.lock = 0, None, threading.Lock()

    def found(self, n):
        with self.lock:
            self.first = self.first or (time.monotonic() if n else None)
            self.pages += n


class Nats(Tcp, Pages):
    """A server to publish to, in one direction: it answers pings.  Bytes are all that comes, the protocol's too."""
    INFO = (b'INFO {"server_id":"BENCH","version":"2.9.10","proto":1,"headers":true,'
            b'"max_payload":1048576}\r\n')
    PING = b"PING\r\n"

    def __init__(self):
        Pages.__init__(self)
        Tcp.__init__(self)

    def serve(self, connection):
        connection.sendall(self.INFO)
        room, tail = bytearray(ROOM), b""
        view = memoryview(room)
        while n := connection.recv_into(room):
            self.bytes += n
            text = tail + view[:n].tobytes()
            if pings := text.count(self.PING, max(0, len(tail) - len(self.PING) + 1)):
                connection.sendall(b"PONG\r\n" * pings)
            self.found(text.count(SEQUENCE))
            keep = len(SEQUENCE) - 1    # too short to hold what was counted
            tail = text[-keep:]


class Silent(Http):
    """Takes requests and never answers one."""

    def answer(self, connection):
        pass


class Forward(Tcp):
    """Acknowledges each chunk of the Forward protocol: it looks for nothing but their ids."""
    CHUNK = re.compile(rb"\xa5chunk\xb8([A-Za-z0-9+/]{22}==)")
    LEN = 31    # of what it looks for

    def serve(self, connection):
        room, tail = bytearray(ROOM), b""
        view = memoryview(room)
        while n := connection.recv_into(room):
            self.bytes += n
            text = tail + view[:n].tobytes()
            last = 0
            for found in self.CHUNK.finditer(text):
                connection.sendall(b"\x81\xa3ack\xb8" + found[1])
                last = found.end()
            tail = text[max(last, len(text) - self.LEN + 1):]


class Datagrams:
    """Over UDP on any port, or a Unix socket on that path.  Of UDP those are counted that found room."""

    def __init__(self, path=None):
        self.bytes, self.ended = 0, False
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.address = path or "127.0.0.1:%d" % self.socket.getsockname()[1]
        loop(self.run)

    def run(self):
        room = bytearray(65536)
        while not self.ended:
            self.bytes += self.socket.recv_into(room)

    def end(self):
        self.ended = True
        with socket.socket(self.socket.family, socket.SOCK_DGRAM) as s:
            s.sendto(b".", self.socket.getsockname())
        if self.socket.family == socket.AF_UNIX:
            os.unlink(self.address)


class Fifo:
    """A pipe with a name, for what is written to a terminal."""

    def __init__(self, path):
        self.bytes, self.address = 0, path
        os.mkfifo(path)
        self.fd = os.open(path, os.O_RDWR)    # so that it never ends, and opening it never waits
        self.ended = False
        loop(self.run)

    def run(self):
        while not self.ended:
            self.bytes += len(os.read(self.fd, ROOM))
        os.close(self.fd)

    def end(self):
        self.ended = True
        os.write(self.fd, b"\n")
