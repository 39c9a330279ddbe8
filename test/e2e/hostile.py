# SPDX-License-Identifier: Apache-2.0
"""hostile.py - a server whose answers are bytes, or a function that writes them as it likes.

    server = self.keep(hostile.Server({"/cut": hostile.page("a 1\\n", length=100), "/hang": hostile.silent}))
    server.times["/good"]       when it was asked for that, in seconds of the monotonic clock

An answer that is bytes is sent, and the connection closed; a function is called with the socket,
and the connection closed when it returns.  Each connection has a thread of its own.
"""
import collections, gzip, itertools, socket, threading, time

from process import SLOW


def head(*lines, status="200 OK", content_type="text/plain; version=0.0.4"):
    return "\r\n".join([f"HTTP/1.1 {status}", f"Content-Type: {content_type}", *lines, "", ""]).encode()


def page(body, *lines, length=None, **more):
    """length: what Content-Length says, if it lies."""
    body = body if isinstance(body, bytes) else body.encode()
    return head(f"Content-Length: {len(body) if length is None else length}", *lines, **more) + body


def silent(connection):
    """Until the peer hangs up."""
    while connection.recv(4096):
        pass


def dripping(answer, before=0):
    """before bytes at once, then one each second."""
    def send(connection):
        connection.sendall(answer[:before])
        for i in range(before, len(answer)):
            connection.sendall(answer[i:i + 1])
            time.sleep(1)
        silent(connection)
    return send


def held(answer):
    """Sends it, and keeps the connection."""
    def send(connection):
        connection.sendall(answer)
        silent(connection)
    return send


def endless(block):
    """Chunks of that, for ever."""
    def send(connection):
        connection.sendall(head("Transfer-Encoding: chunked"))
        for i in itertools.count():
            body = block(i)
            connection.sendall(f"{len(body):x}\r\n".encode() + body + b"\r\n")
    return send


def endless_headers(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    for i in itertools.count():
        connection.sendall(f"X-Padding-{i}: {'x' * 1000}\r\n".encode())


def bomb(mib):
    """So much of a page in a thousandth of it."""
    squeezed = gzip.compress(b"a 1\n" * (mib << 18), mtime=0)
    return page(squeezed, "Content-Encoding: gzip")


class Server:
    name = "hostile"

    def __init__(self, answers, tls=None, address=("127.0.0.1", 0)):
        self.answers, self.tls = dict(answers), tls
        self.times = collections.defaultdict(list)
        self.open, self.connections = set(), 0
        self.socket = socket.create_server(address, backlog=256)
        self.port = self.socket.getsockname()[1]
        self.base = f"{'https' if tls else 'http'}://{address[0]}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def url(self, path):
        return self.base + path

    def accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return    # it is closed
            self.open.add(connection)
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        accepted = connection
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
            connection.settimeout(60 * SLOW)
            self.answer(connection)
        except OSError:
            pass    # the peer went, as it should
        finally:
            connection.close()
            self.open.discard(accepted)

    def answer(self, connection):
        asked = b""
        while b"\r\n\r\n" not in asked:
            more = connection.recv(4096)
            if not more:
                return
            asked += more
        path = asked.split(b" ", 2)[1].decode()
        self.times[path].append(time.monotonic())
        answer = self.answers[path]
        if callable(answer):
            answer(connection)
            return
        connection.sendall(answer)
        connection.shutdown(socket.SHUT_WR)
        silent(connection)    # what is not read would make it a reset

    def end(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in list(self.open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
