# SPDX-License-Identifier: Apache-2.0
"""test_spool_kill.py - kill -9 at random moments of an agent whose messages are on disk first.

The server of the queue is up, away, just coming back, or hangs (it stands still, and what is written to it
stays on the way: strait.py) when the agent is killed.  target_server
says when the agent had read each page, so each page that is missing has an age: how long before the kill
that was.  When it was served says less: on a busy machine the agent's worker may wait for a processor for
longer than a scrape may take, while the kernel holds the page; that scrape fails by its time-out, which
is told (`up 0`), or still runs when the agent is killed, and no page of it came.  A disk on which others
write can keep a commit waiting for long; a file beside the spool that is written and synced all the time
says when that was.  STRATA_KILLS is how often; test_spool_kill_long.py does it a thousand times."""
import bisect, collections, os, random, re, shutil, signal, sqlite3, threading, time

import books
import harness
import test_spool
from chaos import Found
from process import SLOW
from strait import Strait

KILLS = int(os.environ.get("STRATA_KILLS", "12"))
INTERVAL = 0.2 * SLOW
LIFE = 2.0 * SLOW   # of an agent, at most: its start is part of it
COMMIT = 0.1        # between two commits
WORK = 0.2 * SLOW   # a page's way into the file, and a commit, on a busy machine
STATES = ("up", "away", "coming back", "hanging")
LARGE = 1000        # samples of a page: ten of them fill the way to a server that hangs
SAID = re.compile(r"^(sent|read) (\d+) (\d+) (\d+)$", re.M)
FOUND = re.compile(r'msg="found in the spool".* samples=(\d+)')


class Disk(threading.Thread):
    """waits: (from, to) of each time that writing 4 KiB took longer than STALL, monotonic, ns."""
    STALL = 20 * 10 ** 6

    def __init__(self, folder):
        super().__init__(daemon=True)
        self.fd = os.open(os.path.join(folder, "beside"), os.O_CREAT | os.O_RDWR)
        self.waits, self.over = [], threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.05):
            before = time.monotonic_ns()
            os.pwrite(self.fd, bytes(4096), 0)
            os.fsync(self.fd)
            if time.monotonic_ns() - before > self.STALL:
                self.waits.append((before, time.monotonic_ns()))

    def end(self):
        self.over.set()
        self.join()
        os.close(self.fd)

    def waited(self, since, until):
        """s of that time in which it waited."""
        return sum(max(0, min(b, until) - max(a, since)) for a, b in self.waits) / 1e9

    def longest_ms(self):
        return round(max((b - a for a, b in self.waits), default=self.STALL) / 1e6)


Age = collections.namedtuple("Age", "age waited served life")   # s; life: of the agent
Life = collections.namedtuple("Life", "state born killed")      # born, killed: monotonic, ns


def times(servers):
    """{(target, number): monotonic, ns} of the pages that were served, and of those that were read."""
    found = {"sent": {}, "read": {}}
    for server in servers:
        server.stats()    # it has seen all that was before this
        for what, target, number, ns in SAID.findall(server.out()):
            found[what][int(target), int(number)] = int(ns)
    return found["sent"], found["read"]


class Kill(test_spool.SpoolCase):
    def live(self, kill, server, strait, confs, chance):
        """An agent that is killed at a random moment: in its start, between two scrapes, in one, in
        a commit, ..."""
        state = STATES[kill % len(STATES)]
        end = chance.uniform(*(LIFE / 2, 1.25 * LIFE) if state == "hanging" else (0, LIFE))
        if state in ("away", "coming back"):
            server.kill()
        born = time.monotonic_ns()
        agent = self.agent(confs[state == "hanging"], name=f"agent-{kill}", listens=False)
        if state == "coming back":
            back = max(0, end - chance.uniform(0, LIFE / 2))
            time.sleep(back)    # the moment is what is tested, not a condition
            server.start()
        if state == "hanging":
            time.sleep(chance.uniform(0, LIFE / 4))
            strait.block()
            server.process.freeze()
        time.sleep(max(0, born / 1e9 + end - time.monotonic()))
        self.assertTrue(agent.running(), agent.err()[-4000:])
        agent.send_signal(signal.SIGKILL)
        killed = time.monotonic_ns()
        agent.wait(10)
        self.started.remove(agent)
        restored = FOUND.search(agent.err())
        self.check_copy()
        if state == "away":
            server.start()
        if state == "hanging":
            server.process.thaw()
            strait.open()
        return Life(state, born, killed), int(restored[1]) if restored else 0

    def check_copy(self):
        """What the kill left, as the next agent will find it; whoever opens the file itself would put
        it in order."""
        copy = os.path.join(self.folder, "copy.db")
        if not os.path.exists(self.file()):
            return      # it was killed before it made one
        for ending in ("", "-wal"):
            if os.path.exists(self.file() + ending):
                shutil.copyfile(self.file() + ending, copy + ending)
        db = sqlite3.connect(copy)
        self.assertEqual(db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        db.close()
        os.remove(copy)

    def ages(self, lives, missing, served_at, read_at, disk):
        """{state: [Age]}: how long before the kill each page that is missing was read."""
        born, ages = [life.born for life in lives], {state: [] for state in STATES}
        for page in missing:
            life = lives[bisect.bisect(born, served_at[page]) - 1]
            ages[life.state].append(Age(max(0, life.killed - read_at[page]) / 1e9,
                                        disk.waited(read_at[page], life.killed),
                                        (life.killed - served_at[page]) / 1e9,
                                        (life.killed - life.born) / 1e9))
        for state, of in ages.items():
            print(f"oldest, server {state}:", *sorted(of)[-3:])
        return ages

    def kill(self):
        server = self.stream()
        strait = self.keep(Strait((server.host, server.port)))
        # Only the next scrape of a target waits for the end of the last: one page of each is on its way.
        targets, large = self.targets(10, 20, ["--times"]), self.targets(20, LARGE, ["--times"])
        confs = [self.conf(peer, urls, f"{interval * 1000:.0f}ms", mode="always")
                 for peer, urls, interval in ((server, targets.targets, INTERVAL),
                                              (strait, large.targets[10:], 3 * INTERVAL))]
        disk = self.keep(Disk(self.folder))
        chance, lives, restored, started = random.Random(KILLS), [], 0, time.monotonic()
        for kill in range(KILLS):
            life, rows = self.live(kill, server, strait, confs, chance)
            lives.append(life)
            restored += rows
        last = self.agent(confs[0], name="last")
        self.wait_for(lambda: books.delivered(last.metrics()) > 0, 30, "delivery")
        self.emptied(last)
        account = self.stop(last)
        self.assertEqual((account["lost"], account["left"]), (0, 0))
        self.assertEqual([n for n in os.listdir(self.path()) if "corrupt" in n], [])
        self.check_file()

        served_at, read_at = times((targets, large))
        found = Found(self.client(server).read_stream("METRICS"))
        self.assertEqual(found.lines, found.samples, "lines against Strata-Samples")
        missing = set(read_at)
        for target, seen in found.sequences.items():
            # No page twice under two ids, and in order.
            self.assertEqual(seen, sorted(set(seen)), f"order of target {target}")
            missing -= {(target, n) for n in seen}
        self.assertEqual(sum(len(s) for s in found.sequences.values()),
                         len(read_at) - len(missing), "all that came was read")
        ages = self.ages(lives, missing, served_at, read_at, disk)
        all_ages = sorted(age for of in ages.values() for age in of)
        own = max(age.age - age.waited for age in all_ages)
        figures = {
            "kills": KILLS, **{f"of these, server {state}": sum(l.state == state for l in lives)
                               for state in STATES},
            "duration": f"{(time.monotonic() - started) / 60:.1f} min",
            "pages served": len(served_at), "pages that the agent read": len(read_at),
            "pages in the stream": len(read_at) - len(missing),
            "samples found on disk by the next start": restored,
            "pages missing": len(missing),
            "read before the kill, at most, ms": round(1000 * all_ages[-1].age),
            **{f"likewise, server {state}": round(1000 * max((a.age for a in ages[state]), default=0))
               for state in STATES},
            "likewise, the 99th of 100 missing pages":
                round(1000 * all_ages[(len(all_ages) - 1) * 99 // 100].age),
            "likewise, served and not yet read for a part of it":
                round(1000 * max(age.served for age in all_ages)),
            "likewise, without what the disk kept others waiting, at most": round(1000 * own),
            "that, at most, for 4 KiB, ms": disk.longest_ms(),
            "pages twice, for a reader that honours ids": 0,
            "messages twice, known by their id": len(found.twice),
            "damaged files": 0}
        for name, value in figures.items():
            print(f"{name}: {value}")
        self.assertGreater(len(read_at), 5 * KILLS)
        self.assertLessEqual(own, COMMIT + WORK)
        return figures

    def test_at_most_what_was_not_committed_yet_is_missing(self):
        self.kill()


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
