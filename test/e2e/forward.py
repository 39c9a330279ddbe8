# SPDX-License-Identifier: Apache-2.0
"""forward.py - a real server of the Forward protocol (test/forward/server.js), and what it was given.

    server = forward.Server(folder, shared_key="secret")
    server.kill(); server.start()            the same port and file again
    for message in server.messages(): message["tag"], message["entries"]
    as_json(message)                         the same as a message of our encoder json, for chaos.Found
"""
import collections, json, os, re, subprocess

from process import Process, wait_for

HERE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "forward")


Message = collections.namedtuple("Message", "headers data")


def as_json(message):
    records = [json.dumps(entry[3], separators=(",", ":")) + "\n" for entry in message["entries"]]
    return Message({"Strata-Id": message["chunk"], "Strata-Samples": len(records)},
                   "".join(records).encode())


def missing():
    """What keeps the server from running here: [] when it is there, or can be had."""
    done = subprocess.run([os.path.join(HERE, "build.sh")], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True)
    return ["test/forward: " + done.stderr.strip()[-300:]] if done.returncode else []


class Server:
    name = "forward"

    def __init__(self, folder, shared_key=None, users=None, tls=None):
        """users: {name: password}; tls: paths of certificate and key."""
        self.folder, self.port, self.number = folder, 0, 0
        self.path = os.path.join(folder, f"forward-{len(os.listdir(folder))}.jsonl")
        self.options = {}
        if shared_key:
            self.options["security"] = {"serverHostname": "forward", "sharedKey": shared_key}
            if users:
                self.options["security"].update(authorize=True, userDict=users)
        if tls:
            self.options["tlsOptions"] = {"cert": tls[0], "key": tls[1]}
        self.start()

    def start(self):
        """The first time on any port, then on the same."""
        self.number += 1
        self.cut_back()
        options = {**self.options, "listenOptions": {"host": "127.0.0.1", "port": self.port}}
        self.process = Process(
            ["node", os.path.join(HERE, "server.js"), self.path, json.dumps(options)], self.folder,
            f"{os.path.basename(self.path)}-{self.number}")
        self.port = int(wait_for(self.listening, what="the server listens")[1])
        self.url = f"{'tls' if 'tlsOptions' in self.options else 'tcp'}://127.0.0.1:{self.port}"

    def cut_back(self):
        """What a killed server wrote in part it has not acknowledged."""
        if os.path.exists(self.path):
            with open(self.path, "rb+") as f:
                f.truncate(f.read().rfind(b"\n") + 1)

    def listening(self):
        if not self.process.running():
            raise AssertionError("the server ended:\n" + self.process.err())
        return re.search(r"listening (\d+)", self.process.out())

    def kill(self):
        self.process.end()

    end = kill

    def count(self):
        """How many there are, which is quick."""
        if not os.path.exists(self.path):
            return 0
        with open(self.path, "rb") as f:
            return f.read().count(b"\n")

    def messages(self):
        """All whole ones, in the order in which they came."""
        if not os.path.exists(self.path):
            return []
        with open(self.path) as f:
            return [json.loads(line) for line in f if line.endswith("\n")]
