# SPDX-License-Identifier: Apache-2.0
"""nats.py - a real nats-server, and a small client to look at what reached it.

    server = Server(folder, jetstream=True)
    server.kill(); server.start()            the same port and store again
    client = Client(server.url)
    client.make_stream("METRICS", ["metrics.>"])
    for message in client.read_stream("METRICS"): message.headers["Strata-Id"], message.data

One thread, no reconnect: a client lives between two kills of its server.
"""
import collections, json, os, select, signal, socket, time

from process import SLOW, Process, wait_for

Message = collections.namedtuple("Message", "subject reply headers status data")


class Server:
    def __init__(self, folder, jetstream=True, lines=(), host="127.0.0.1"):
        self.folder, self.process, self.number, self.host = folder, None, 0, host
        self.store = os.path.join(folder, f"store-{len(os.listdir(folder))}")
        self.port = -1
        self.jetstream, self.lines = jetstream, list(lines)
        self.start()

    def start(self):
        """The first time on any port, then on the same."""
        self.number += 1
        path = os.path.join(self.store + ".conf")
        lines = [f"host: {self.host}", f"port: {self.port}", f'ports_file_dir: "{self.folder}"',
                 *self.lines]
        if self.jetstream:
            lines += [f'jetstream {{ store_dir: "{self.store}" }}']
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        self.process = Process(["nats-server", "-c", path], self.folder,
                                       f"nats-{os.path.basename(self.store)}-{self.number}")
        ports = os.path.join(self.folder, f"nats-server_{self.process.pid}.ports")
        url = wait_for(lambda: self.ports(ports), what="nats-server listens")
        self.port = int(url.rsplit(":", 1)[1])
        self.url = f"nats://{self.host}:{self.port}"
        wait_for(self.answers, what="nats-server answers")

    def ports(self, path):
        if not self.process.running():
            raise AssertionError("nats-server ended:\n" + self.process.err())
        try:
            with open(path) as f:
                return json.load(f)["nats"][0]
        except (OSError, ValueError):
            return None

    def answers(self):
        try:
            with socket.create_connection((self.host, self.port), timeout=1) as s:
                return s.recv(4) == b"INFO"
        except OSError:
            return False

    def kill(self):
        self.process.end(signal.SIGKILL)

    def end(self):
        self.kill()


class Client:
    def __init__(self, url, user=None, password=None):
        host, port = url.removeprefix("nats://").rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=10 * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.held, self.sids, self.queues, self.next_inbox = bytearray(), 0, {}, 0
        self.info = json.loads(self.line().split(b" ", 1)[1])
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True,
                   "name": "e2e", "lang": "python", "version": "0", "protocol": 1}
        if user:
            options.update(user=user, **{"pass": password})
        self.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        while self.line() != b"PONG":
            pass
        self.inbox = "_INBOX." + os.urandom(8).hex()
        self.inbox_sid = self.subscribe(self.inbox + ".*")

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def more(self):
        got = self.socket.recv(1 << 18)
        if not got:
            raise ConnectionError("the server closed the connection")
        self.held += got

    def line(self):
        while True:
            at = self.held.find(b"\r\n")
            if at >= 0:
                line = bytes(self.held[:at])
                del self.held[:at + 2]
                return line
            self.more()

    def take(self, n):
        while len(self.held) < n + 2:
            self.more()
        data = bytes(self.held[:n])
        del self.held[:n + 2]
        return data

    def subscribe(self, subject):
        self.sids += 1
        self.queues[self.sids] = collections.deque()
        self.send(f"SUB {subject} {self.sids}\r\n".encode())
        return self.sids

    def publish(self, subject, data=b"", reply=""):
        self.send(f"PUB {subject} {reply} {len(data)}\r\n".encode() + data + b"\r\n")

    def flush(self):
        """What was sent before has been taken in by the server."""
        self.send(b"PING\r\n")
        while not self.read_one():
            pass

    def read_one(self):
        """Takes one thing from the connection; True for a PONG."""
        line = self.line()
        word, *rest = line.split()
        if word == b"PING":
            self.send(b"PONG\r\n")
        elif word == b"-ERR":
            raise ConnectionError(line.decode())
        elif word in (b"MSG", b"HMSG"):
            self.read_message(word == b"HMSG", [r.decode() for r in rest])
        return word == b"PONG"

    def read_message(self, with_headers, fields):
        numbers = 2 if with_headers else 1
        subject, sid, *reply = fields[:-numbers]
        head = int(fields[-2]) if with_headers else 0
        data = self.take(int(fields[-1]))
        lines = data[:head].decode().split("\r\n")
        status = lines[0].split()[1] if head and len(lines[0].split()) > 1 else ""
        headers = dict(line.split(": ", 1) if ": " in line else line.split(":", 1)
                       for line in lines[1:] if ":" in line)
        self.queues[int(sid)].append(
            Message(subject, reply[0] if reply else "", headers, status, data[head:]))

    def next(self, sid, timeout=10):
        """The next message of a subscription; None when the time is up."""
        deadline = time.monotonic() + timeout * SLOW
        while not self.queues[sid]:
            if b"\r\n" not in self.held:
                left = deadline - time.monotonic()
                if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                    return None
            self.read_one()
        return self.queues[sid].popleft()

    def drain(self, sid):
        """All that has come so far."""
        self.flush()
        got = list(self.queues[sid])
        self.queues[sid].clear()
        return got

    def request(self, subject, data=b"", timeout=10):
        self.next_inbox += 1
        reply = f"{self.inbox}.{self.next_inbox}"
        self.publish(subject, data, reply)
        while True:
            m = self.next(self.inbox_sid, timeout)
            if m is None:
                raise TimeoutError(subject)
            if m.subject == reply:
                return m

    def api(self, what, body=None):
        m = self.request("$JS.API." + what, json.dumps(body).encode() if body else b"")
        if m.status:
            raise ConnectionError(f"{what}: status {m.status}")
        answer = json.loads(m.data)
        if "error" in answer:
            raise LookupError(f"{what}: {answer['error']}")
        return answer

    def make_stream(self, name, subjects, **more):
        return self.api(f"STREAM.CREATE.{name}",
                        {"name": name, "subjects": subjects, "storage": "file",
                         "retention": "limits", "discard": "old", "max_consumers": -1,
                         "max_msgs": -1, "max_bytes": -1, "max_age": 0, "num_replicas": 1,
                         "duplicate_window": 120 * 10 ** 9, **more})

    def stream(self, name):
        return self.api(f"STREAM.INFO.{name}")

    def read_stream(self, name, headers_only=False, batch=64):
        """All messages there are now, in order."""
        consumer = self.api(f"CONSUMER.CREATE.{name}", {
            "stream_name": name, "config": {"deliver_policy": "all", "ack_policy": "none",
                                            "replay_policy": "instant", "mem_storage": True,
                                            "headers_only": headers_only,
                                            "inactive_threshold": 30 * 10 ** 9}})
        left = consumer["num_pending"]
        reply = f"{self.inbox}.read"
        while left > 0:
            asked = min(batch, left)
            self.publish(f"$JS.API.CONSUMER.MSG.NEXT.{name}.{consumer['name']}",
                         json.dumps({"batch": asked, "expires": 5 * 10 ** 9}).encode(), reply)
            for _ in range(asked):
                m = self.next(self.inbox_sid)
                if m is None or m.status:
                    raise TimeoutError(f"{left} messages of {name} did not come: {m}")
                yield m
                left -= 1
