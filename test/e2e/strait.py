# SPDX-License-Identifier: Apache-2.0
"""strait.py - the way to a server, as narrow as one across a network, and blocked when it is told so.

    strait = self.keep(Strait((server.host, server.port)))
    strait.url                      of a server of NATS to the agent; what comes is passed on, both ways
    strait.block(); strait.open()   nothing passes; connections stay

Through the loopback a peer that has stopped reading is written megabytes before its writer has to wait.
Segments and buffers are small here, so a writer waits when about a megabyte is on its way, as it would for a distant
peer."""
import selectors, socket, threading

SEGMENT, BUFFER, PIECE = 1400, 8 << 10, 16 << 10


class Strait(threading.Thread):
    def __init__(self, to):
        super().__init__(daemon=True)
        self.to, self.blocked, self.over = to, threading.Event(), False
        self.listener = socket.socket()
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(16)
        self.url = f"nats://127.0.0.1:{self.listener.getsockname()[1]}"
        self.sockets = selectors.DefaultSelector()
        self.own, self.other = socket.socketpair()    # wakes the thread
        self.sockets.register(self.listener, selectors.EVENT_READ)
        self.sockets.register(self.own, selectors.EVENT_READ)
        self.ends = {}      # socket: the one on the other side
        self.start()

    def block(self):
        self.blocked.set()

    def open(self):
        self.blocked.clear()
        self.other.send(b"x")

    def end(self):
        self.over = True
        self.open()
        self.join()
        for s in (self.listener, self.own, self.other, *self.ends):
            s.close()

    def accept(self):
        near = self.listener.accept()[0]
        far = socket.socket()
        far.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
        try:
            far.connect(self.to)
        except OSError:     # the server is away
            near.close()
            far.close()
            return
        for a, b in ((near, far), (far, near)):
            a.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.ends[a] = b
            self.sockets.register(a, selectors.EVENT_READ)

    def drop(self, a):
        for s in (a, self.ends[a]):
            self.sockets.unregister(s)
            del self.ends[s]
            s.close()

    def send(self, to, data):
        """Waits while the way is blocked, as all that comes after does."""
        to.settimeout(0.05)
        while data and not self.over:
            try:
                data = data[to.send(data):]
            except TimeoutError:
                pass

    def pass_on(self, a):
        try:
            data = a.recv(PIECE)
            if not data:
                raise ConnectionError
            self.send(self.ends[a], data)
        except OSError:
            self.drop(a)

    def run(self):
        while not self.over:
            if self.blocked.is_set():
                self.own.recv(1)    # until it is opened
                continue
            for key, _ in self.sockets.select():
                if key.fileobj is self.own:
                    self.own.recv(1)
                elif key.fileobj is self.listener:
                    self.accept()
                elif key.fileobj in self.ends and not self.blocked.is_set():
                    self.pass_on(key.fileobj)
