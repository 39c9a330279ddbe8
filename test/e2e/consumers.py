# SPDX-License-Identifier: Apache-2.0
"""consumers.py - what docs/CONSUMERS.md shows, run: an agent on its configuration, its readers, and
what has to be there afterwards.

    pages = Pages(case)                                    each answer has samples of its own
    agent = start_agent(case, "jetstream.yaml", pages, NATS_URL=server.url)
    reader = run(case, "reader-1", [*PYTHON, path("jetstream_reader.py"), ...])
    pages.close()                                          no more answers
    compare(case, held_by_store(database), pages.want)     each sample once, bit for bit
"""
import collections, datetime, json, os, sqlite3, time

import exposed
import receivers
from process import Process, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TOOLS = os.path.join(ROOT, "build", "tools", "consumers")
PYTHON = [os.path.join(TOOLS, "python", "bin", "python3"), "-B"]
TELEGRAF = os.path.join(TOOLS, "telegraf")
C_READER = os.environ.get("STRATA_READER", "")
ADDED = ("instance", "job", "cluster")    # labels of the target


def path(name):
    return os.path.join(ROOT, "docs", "consumers", name)


def missing():
    return [] if os.access(os.path.join(TOOLS, "stamp"), os.R_OK) else [
        "the consumers (test/consumers/build.sh)"]


class Pages:
    """A target; want has all samples that it has served so far, each with a time of its own."""

    def __init__(self, case, series=60):
        self.want, self.served, self.open = {}, 0, True
        self.began, self.series = int(time.time() * 1000), series
        self.server = case.pages({"/metrics": self.answer})

    def url(self):
        return self.server.url()

    def answer(self, request):
        if not self.open:
            return 503, {}, b""
        text, want = exposed.page(self.began + 1000 * self.served, self.series)
        self.want.update(want)
        self.served += 1
        return text

    def close(self):
        self.open = False

    def more(self, scrapes=2):
        before = self.served
        wait_for(lambda: self.served >= before + scrapes, 20, "scrapes go on")


def start_agent(case, name, pages, **env):
    env = {"TARGET": pages.url(), "INTERVAL": "500ms", "LISTEN": "127.0.0.1:0", **env}
    return case.agent(None, path=path(name), env=env)


class Reader(Process):
    """Of which a death is expected; name: also of the files that it writes to."""

    def dies(self):
        if not self.running():
            raise AssertionError(f"{self.name} had ended with {self.popen.returncode}: {self.err()}")
        self.end()


def run(case, name, args, **env):
    return case.keep(Reader(args, case.folder, name, env={**os.environ, **env}))


def bare(name, tags, ms, value):
    """A sample without the target's labels: key and bits; None for a meta series."""
    key = name, tuple(sorted((k, v) for k, v in tags.items() if k not in ADDED)), ms
    return None if name.startswith(("up", "scrape_")) else (key, receivers.bits(value))


def milliseconds(text):
    return round(datetime.datetime.fromisoformat(text).timestamp() * 1000)


def of_records(records):
    return [s for o in records if "value" in o and
            (s := bare(o["name"], o["tags"], milliseconds(o["timestamp"]), o["value"]))]


def of_lines(text):
    """Of a body of JSON lines."""
    return of_records(json.loads(line, parse_int=float) for line in text.splitlines())


class Database:
    """What a reader keeps in SQLite; its lock stops the reader in the middle of its work."""

    def __init__(self, file):
        self.db = sqlite3.connect(file, timeout=20, isolation_level=None)

    def close(self):
        self.db.close()

    def count(self):
        try:
            return self.db.execute("SELECT count(*) FROM messages").fetchone()[0]
        except sqlite3.OperationalError:    # no table yet
            return 0

    def lock(self):
        self.db.execute("BEGIN IMMEDIATE")

    def unlock(self):
        self.db.execute("ROLLBACK")

    def bodies(self):
        """Samples of jetstream_reader.c's table."""
        return [s for body, in self.db.execute("SELECT body FROM messages")
                for s in of_lines(body.decode())]

    def samples(self):
        """Those of store.py's."""
        return of_records({"name": name, "tags": json.loads(tags), "timestamp": at, "value": value}
                          for name, tags, at, value in self.db.execute(
                              "SELECT name, tags, time, value FROM samples WHERE NOT ended"))


def once(case, held):
    """held as a dictionary: no sample is there twice."""
    twice = [key for key, n in collections.Counter(key for key, _ in held).items() if n > 1]
    case.assertEqual(twice[:5], [], "samples that are there twice")
    return dict(held)


def has_all(held, want):
    return {key for key, _ in held} >= set(want)


def compare(case, held, want):
    exposed.compare(case, once(case, held), want)
