# SPDX-License-Identifier: Apache-2.0
"""store.py - keeps samples in a SQLite database; those of a message once, however often it comes.

A batch is one transaction.  The message's id is kept beside its samples and is the primary key:
that is what makes of "at least once" an "exactly once".
"""
import json
import sqlite3

TABLES = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS messages(id TEXT PRIMARY KEY, target TEXT, due INTEGER);
CREATE TABLE IF NOT EXISTS samples(id TEXT, name TEXT, tags TEXT, time TEXT, value, ended INTEGER);
"""    # value has no type of its own: SQLite keeps a double as it is, and "NaN" as a text


def opened(headers, body):
    """The body as it was before it was compressed."""
    encoding = headers.get("Content-Encoding")
    if encoding is None:
        return body
    if encoding != "lz4":
        raise ValueError(f"message {headers['Strata-Id']}: this reader does not open {encoding}")
    import lz4.frame    # needed only here
    return lz4.frame.decompress(body)


def records(body):
    """The objects of a message.  Each number is a double, 17 and -0 too."""
    return [json.loads(line, parse_int=float) for line in body.splitlines()]


class Store:
    def __init__(self, path):
        self.db = sqlite3.connect(path, timeout=60, isolation_level=None,
                                  check_same_thread=False)    # used by one at a time
        self.db.executescript(TABLES)

    def put(self, batch):
        """batch: (headers, body) of each message.  When this returns, they are on the disk."""
        self.db.execute("BEGIN IMMEDIATE")
        with self.db:
            for headers, body in batch:
                new = self.db.execute("INSERT OR IGNORE INTO messages VALUES(?, ?, ?)", (
                    headers["Strata-Id"], headers["Strata-Target"], int(headers["Strata-Due"])))
                if new.rowcount:
                    self.db.executemany("INSERT INTO samples VALUES(?, ?, ?, ?, ?, ?)", [
                        (headers["Strata-Id"], o["name"], json.dumps(o["tags"]), o["timestamp"],
                         o.get("value"), "ended" in o) for o in records(opened(headers, body))])
