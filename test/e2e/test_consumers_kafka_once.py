# SPDX-License-Identifier: Apache-2.0
"""test_consumers_kafka_once.py - docs/CONSUMERS.md: a group in Python, kcat and Telegraf, killed in
their work."""
import contextlib, functools, json, os, re, unittest

import books
import consumers
import exposed
import harness
import kafka

LINE = re.compile(r"((?:[^\\, ]|\\.)+)((?:,(?:[^\\, ]|\\.)+)*) (\S*) (\d+)$")
TAG = re.compile(r",((?:[^\\=]|\\.)+?)=((?:[^\\, ]|\\.)*)")
PLAIN = re.compile(r"\\([,= ])")


def plain(text):
    return PLAIN.sub(r"\1", text)


def influx(text):
    """(measurement, tags, fields, ms) of each line that Telegraf writes."""
    for line in text.splitlines():
        name, tags, fields, ns = LINE.match(line).groups()
        yield (plain(name), {plain(k): plain(v) for k, v in TAG.findall(tags)},
               dict(f.split("=", 1) for f in fields.split(",")), int(ns) // 10 ** 6)


class Case(harness.Case):
    @staticmethod
    @functools.cache
    def broker():
        folder = unittest.enterModuleContext(harness.temporary_folder())
        broker = kafka.Broker(folder)
        unittest.addModuleCleanup(broker.end)
        return broker

    def finish(self, agent, pages):
        pages.close()
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 20, "all is delivered")
        self.assertEqual(self.stop(agent)["lost"], 0)


class Groups(Case):
    def python(self, broker, number):
        return consumers.run(self, f"python-{number}", [
            *consumers.PYTHON, consumers.path("kafka_reader.py"), broker.address(), "metrics",
            "archive", "archive-0", os.path.join(self.folder, "python.db")])

    def kcat(self, broker):
        return consumers.run(self, "kcat", [consumers.path("kcat.sh")], BROKERS=broker.address())

    def test_groups_that_are_killed_keep_each_sample_once(self):
        broker = self.broker()
        python = self.python(broker, 1)
        self.wait_for(lambda: "kafka_reader: " in python.err(), 20, "it says that there is no topic")
        pages = consumers.Pages(self)
        agent = consumers.start_agent(self, "kafka.yaml", pages, BROKERS=broker.address())
        database = consumers.Database(os.path.join(self.folder, "python.db"))
        self.addCleanup(database.close)
        self.wait_for(lambda: books.delivered(agent.metrics()) > 0, 20, "there is a topic")
        kcat = self.kcat(broker)
        self.wait_for(lambda: database.count() > 2 and kcat.out().count("\n") > 2, 30, "they read")
        database.lock()
        pages.more(3)
        python.dies()
        kcat.dies()
        database.unlock()
        again = self.messages(kcat)
        self.assertGreater(len(again), 2)
        self.twice(broker, again)
        python, kcat = self.python(broker, 2), self.kcat(broker)
        pages.more()
        self.finish(agent, pages)
        self.wait_for(lambda: consumers.has_all(database.samples(), pages.want), 30, "Python has all")
        consumers.compare(self, database.samples(), pages.want)
        self.wait_for(lambda: consumers.has_all(self.shown(kcat), pages.want), 30, "kcat has all")
        self.assertGreaterEqual(len(self.messages(kcat)), len(again) + database.count())
        consumers.compare(self, self.shown(kcat), pages.want)
        python.end(15)
        self.assertEqual((python.popen.returncode, python.err()), (0, ""))

    def test_frames_are_opened_by_their_header(self):
        broker, path = self.broker(), os.path.join(self.folder, "frames.yaml")
        with open(consumers.path("kafka.yaml")) as f:
            text = f.read().replace("topic: metrics, compression: zstd", "topic: frames, compression: lz4_frame")
        self.assertIn("lz4_frame", text)
        with open(path, "w") as f:
            f.write(text)
        pages = consumers.Pages(self)
        agent = self.agent(None, path=path, env={"TARGET": pages.url(), "INTERVAL": "500ms", "LISTEN": "127.0.0.1:0",
                                                 "BROKERS": broker.address()})
        python = consumers.run(self, "python-frames", [
            *consumers.PYTHON, consumers.path("kafka_reader.py"), broker.address(), "frames", "frames", "frames-0",
            os.path.join(self.folder, "frames.db")])
        database = consumers.Database(os.path.join(self.folder, "frames.db"))
        self.addCleanup(database.close)
        pages.more(3)
        self.finish(agent, pages)
        self.wait_for(lambda: consumers.has_all(database.samples(), pages.want), 30, "Python has all")
        consumers.compare(self, database.samples(), pages.want)
        python.end(15)
        self.assertEqual(python.popen.returncode, 0, python.err())

    def messages(self, kcat):
        """What it has told of each.  A line may be cut by its death, and go on with another."""
        found = []
        for line in kcat.out().splitlines():
            with contextlib.suppress(ValueError):
                found.append(json.loads(line[line.rfind('{"topic":'):]))
        return found

    def twice(self, broker, messages):
        """They come once more behind all, as from an agent that did not hear their outcome."""
        for m in messages:
            file = os.path.join(self.folder, "message")
            with open(file, "w") as f:
                f.write(m["payload"])
            pairs = zip(m["headers"][::2], m["headers"][1::2])
            headers = [x for k, v in pairs for x in ("-H", f"{k}={v}")]
            broker.kcat("-P", "-t", "metrics", "-p", str(m["partition"]), "-k", m["key"], *headers,
                        file)

    def shown(self, kcat):
        """By its Strata-Id each message once."""
        found = {dict(zip(m["headers"][::2], m["headers"][1::2]))["Strata-Id"]: m["payload"]
                 for m in self.messages(kcat)}
        return [s for body in found.values() for s in consumers.of_lines(body)]


class Telegraf(Case):
    def telegraf(self, env):
        return consumers.run(self, "telegraf", [consumers.TELEGRAF, "--config",
                                                consumers.path("telegraf.conf")], **env)

    def test_its_outputs_have_each_sample_of_both_queues(self):
        broker, nats = self.broker(), self.nats()
        out = os.path.join(self.folder, "telegraf.out.txt")
        env = {"NATS_URL": nats.url, "BROKERS": broker.address(), "OUT": out}
        pages = consumers.Pages(self)
        agent = consumers.start_agent(self, "telegraf.yaml", pages, **env)
        client = self.client(nats)
        self.wait_for(lambda: books.delivered(agent.metrics(), output="json-queue") > 0 and
                      books.delivered(agent.metrics(), output="influx-log") > 0, 20, "delivery")
        with open(consumers.path("telegraf_consumer.json")) as f:
            client.api("CONSUMER.DURABLE.CREATE.ARRAYS.telegraf",
                       {"stream_name": "ARRAYS", "config": json.load(f)})
        telegraf = self.telegraf(env)
        self.wait_for(lambda: min(self.sizes(out)) > 0, 30, "Telegraf writes both", step=0.1)
        pages.more()
        telegraf.dies()
        telegraf = self.telegraf(env)
        self.finish(agent, pages)
        want = exposed.in_influx_words(pages.want)    # its output is such lines
        for route in (self.json_samples, self.line_samples):
            self.wait_for(lambda: consumers.has_all(route(out), want), 40, "Telegraf has all",
                          step=0.5)
            # A point that comes twice is the same point to a store.
            consumers.compare(self, set(route(out)), want)
        telegraf.end(2)
        info = client.api("CONSUMER.INFO.ARRAYS.telegraf")
        self.assertEqual((info["num_pending"], info["num_ack_pending"]), (0, 0))

    def lines(self, out):
        """A line that a death has cut is none."""
        try:
            with open(out) as f:
                text = f.read()
        except FileNotFoundError:
            return []
        return list(influx(text[:text.rfind("\n") + 1]))

    def sizes(self, out):
        return len(self.json_samples(out)), len(self.line_samples(out))

    def json_samples(self, out):
        return [s for name, tags, fields, ms in self.lines(out)
                if name == "strata" and "value" in fields and
                (s := consumers.bare(tags["name"], self.labels(tags), ms, fields["value"]))]

    def labels(self, tags):
        return {k.removeprefix("tags_"): v for k, v in tags.items() if k.startswith("tags_")}

    def line_samples(self, out):
        return [s for name, tags, fields, ms in self.lines(out) if name != "strata"
                if (s := consumers.bare(name, tags, ms, fields["value"]))]


if __name__ == "__main__":
    harness.main(needs=["java", "kcat", "nats-server", "openssl"],
                 missing=[*kafka.missing(), *consumers.missing()])
