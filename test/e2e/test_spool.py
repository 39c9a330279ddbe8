# SPDX-License-Identifier: Apache-2.0
"""test_spool.py - what is on disk is delivered: after an outage, a stop, with a reader beside."""
import json, os, sqlite3

import books
import harness
import nats
from chaos import read_all
from process import SLOW


class SpoolCase(harness.Case):
    def conf(self, server, targets, interval=f"{1 + SLOW:.0f}s", more=None, **spool):
        return harness.config(
            targets, agent={"grace": "1s"}, source={"interval": interval}, sinks=[
                harness.nats_sink(server.url, "metrics.{instance}", "METRICS", **{
                    "buffer": "8MiB", "spool": {"path": self.path(), "size": "64MiB", **spool},
                    **(more or {})})],
            outputs=[{"name": "main", "json": {}, "sink": "queue", "max_message": "64KiB"}])

    def path(self):
        return os.path.join(self.folder, "spool")

    def file(self):
        return os.path.join(self.path(), "main.main.db")

    def stream(self):
        """A server on an address of its own: nobody takes its port while it is away."""
        number = os.getpid() % 2 ** 22
        host = f"127.{64 + (number >> 16)}.{number >> 8 & 255}.{number & 255 or 1}"
        server = self.keep(nats.Server(self.folder, host=host))
        self.client(server).make_stream("METRICS", ["metrics.>"])
        return server

    def ask(self, text):
        """One number of the file, as an operator asks for it."""
        db = sqlite3.connect(f"file:{self.file()}?mode=ro", uri=True)
        try:
            return db.execute(text).fetchone()[0]
        finally:
            db.close()

    def check_file(self):
        db = sqlite3.connect(self.file())
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        db.close()

    def emptied(self, agent, timeout=60):
        self.wait_for(lambda: (m := agent.metrics()) and books.in_spool(m) == 0 and
                      books.in_memory(m) == 0, timeout, "all is delivered")


class Spool(SpoolCase):
    def test_what_an_outage_leaves_is_delivered_once_and_in_order_while_somebody_reads(self):
        server = self.stream()
        targets = self.targets(10, 1000)
        agent = self.agent(self.conf(server, targets.targets, f"{SLOW:.0f}s"))
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="delivery")
        server.kill()
        self.wait_for(lambda: books.in_spool(agent.metrics()) > 20000, 60, "it goes to disk")
        reader = sqlite3.connect(f"file:{self.file()}?mode=ro", uri=True)
        reader.execute("BEGIN")
        self.assertGreater(reader.execute("SELECT sum(samples) FROM payload").fetchone()[0], 0)
        before = books.in_spool(agent.metrics())
        self.wait_for(lambda: books.in_spool(agent.metrics()) > before + 20000, 60, "and more")
        self.balanced(agent)
        server.start()
        self.emptied(agent)
        self.wait_for(lambda: self.ask("SELECT count(*) FROM payload") < 50, what="the file is empty")
        reader.close()
        self.assertEqual(books.lost(self.balanced(agent)), {})
        account = self.stop(agent)
        found = read_all(self, self.client(server))
        found.check_sequences(self, targets.stats()["served"])
        self.assertEqual(account["lost"], 0)
        self.assertEqual(account["left"], 0)
        self.assertEqual(found.samples, account["delivered"])
        self.check_file()

    def test_a_stop_in_the_middle_of_an_outage_leaves_it_for_the_next_start(self):
        server = self.stream()
        targets = self.targets(5, 200)
        conf = self.conf(server, targets.targets)
        server.kill()
        agent = self.agent(conf)
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 10, 30, "scrapes")
        account = self.stop(agent)
        self.assertEqual(account["delivered"] + account["lost"], 0)
        self.assertGreaterEqual(account["left"], 10 * 206)
        self.assertEqual(self.ask("SELECT sum(samples) FROM payload"), account["left"])
        again = self.agent(conf, name="again")
        self.wait_for(lambda: books.restored(again.metrics()) == account["left"], what="it is found")
        self.balanced(again)
        server.start()
        self.emptied(again)
        second = self.stop(again)
        found = read_all(self, self.client(server))
        found.check_sequences(self, targets.stats()["served"])
        self.assertEqual(second["lost"] + second["left"], 0)
        self.assertEqual(found.samples, second["delivered"])

    def test_a_stop_while_somebody_reads_loses_nothing(self):
        """A reader that stays in a transaction keeps the log from being emptied."""
        server = self.stream()
        targets = self.targets(10, 500)
        size = 4 << 20
        conf = self.conf(server, targets.targets, mode="always", size=f"{size >> 20}MiB")
        agent = self.agent(conf)
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="delivery")
        reader = sqlite3.connect(f"file:{self.file()}?mode=ro", uri=True)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM payload").fetchone()
        server.kill()
        self.wait_for(lambda: "cannot be emptied while" in agent.err(), 60, "the log is full")
        waits = books.in_memory(agent.metrics())
        self.wait_for(lambda: books.in_memory(agent.metrics()) > waits + 5000, 30, "more in memory")
        account = self.stop(agent)
        self.assertEqual(account["lost"], 0)
        self.assertGreater(account["left"], 5000)
        sizes = [os.path.getsize(self.file() + ending) for ending in ("", "-wal")]
        self.assertGreater(sizes[1], size / 8)
        self.assertLessEqual(sum(sizes), size)
        reader.close()
        server.start()
        again = self.agent(conf, name="again")
        self.wait_for(lambda: books.restored(again.metrics()) >= account["left"], what="it is found")
        self.emptied(again)
        self.assertEqual(self.stop(again)["lost"], 0)
        found = read_all(self, self.client(server))
        found.check_sequences(self, targets.stats()["served"])
        self.check_file()

    def test_a_second_agent_on_the_same_folder_says_so_and_goes_on(self):
        server = self.stream()
        targets = self.targets(1, 10)
        conf = self.conf(server, targets.targets, mode="always")
        first = self.agent(conf)
        self.wait_for(lambda: books.spool_works(first.metrics()), what="the first has it")
        second = self.agent(conf, name="second")
        self.wait_for(lambda: books.delivered(second.metrics()) > 0, what="delivery")
        self.assertIn(f"process {first.pid} has the spool", second.err())
        self.assertFalse(books.spool_works(second.metrics()))
        lane = second.status()["lanes"][0]
        self.assertIn("has the spool", str(lane["spool"]))
        self.stop(second)
        self.stop(first)

    def test_rubbish_in_place_of_the_file_is_set_aside(self):
        server = self.stream()
        targets = self.targets(1, 10)
        os.mkdir(self.path())
        with open(self.file(), "w") as f:
            f.write("this is no database, whatever its name says\n" * 100)
        agent = self.agent(self.conf(server, targets.targets, mode="always"))
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, what="delivery")
        self.assertIn("set aside", agent.err())
        self.assertTrue(any(".corrupt-" in name for name in os.listdir(self.path())))
        self.assertEqual(self.stop(agent)["lost"], 0)

    def left_by(self, server, targets):
        """The file that an agent left whose server is away, and what is in it."""
        conf = self.conf(server, targets.targets)
        server.kill()
        agent = self.agent(conf)
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 3, 30, "scrapes")
        return conf, self.stop(agent)["left"]

    def test_a_file_is_shown_flushed_through_another_output_and_dropped(self):
        server = self.stream()
        targets = self.targets(3, 50)
        conf, left = self.left_by(server, targets)
        done = self.run_agent("queue", "show", "--json", "--rows", "2", self.file())
        shown = json.loads(done.stdout)
        self.assertEqual((shown["samples"], shown["in_use"]), (left, False), done.stderr)
        self.assertEqual(len(shown["rows"]), 2)
        self.assertRegex(shown["rows"][0]["id"], "^[0-9a-f]{32}$")
        self.assertIn(shown["rows"][0]["target"], ["node-a/" + t for t in targets.targets])
        done = self.run_agent("queue", "show", self.file())
        self.assertIn(f"{left} samples", done.stdout)

        conf["pools"][0]["outputs"][0]["name"] = "other"
        path = os.path.join(self.folder, "other.yaml")
        with open(path, "w") as f:
            f.write(harness.text_of(conf))
        done = self.run_agent("queue", "flush", "-c", path, self.file())
        self.assertEqual(done.returncode, 1)
        self.assertIn("has no output 'main/main'", done.stderr)
        flush = ["queue", "flush", "-c", path, "--output", "main/other"]
        done = self.run_agent(*flush, "--timeout", "1", self.file(), timeout=30)
        self.assertEqual(done.returncode, 1, "the server is away")
        self.assertIn(f"{left} left", done.stdout)
        server.start()
        done = self.run_agent(*flush, self.file(), timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(f"{left} samples delivered", done.stdout)
        found = read_all(self, self.client(server))
        self.assertEqual(found.samples, left)
        found.check_sequences(self, targets.stats()["served"])
        self.assertEqual(self.run_agent(*flush, self.file()).returncode, 0)
        self.assertNotEqual(self.run_agent("queue", "drop", self.file(), text="").returncode, 0)
        done = self.run_agent("queue", "drop", "--yes", self.file())
        self.assertEqual((done.returncode, "0 samples deleted" in done.stdout), (0, True))

    def test_what_an_output_leaves_that_is_no_more_is_reported(self):
        server = self.stream()
        targets = self.targets(3, 50)
        conf, left = self.left_by(server, targets)
        conf["pools"][0]["outputs"][0]["name"] = "other"
        agent = self.agent(conf, name="other")
        self.assertEqual([e["file"] for e in agent.status()["spools_left"]], [self.file()])
        self.assertIn("a spool of no output", agent.err())
        self.assertEqual(agent.metrics().sum("strata_spool_files_left"), 1)
        done = self.run_agent("queue", "drop", "--yes", self.file())
        self.assertIn(f"{left} samples deleted", done.stdout)
        agent.reload()
        self.assertEqual(agent.status()["spools_left"], [])
        done = self.run_agent("queue", "drop", "--yes", self.file().replace("main.db", "other.db"))
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"process {agent.pid} has", done.stderr)
        # Back again: the lane of the other name leaves what it has.
        conf["pools"][0]["outputs"][0]["name"] = "main"
        agent.reload(conf)
        self.wait_for(lambda: len(agent.status()["spools_left"]) == 1, 20, "it is reported")
        self.stop(agent)


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
