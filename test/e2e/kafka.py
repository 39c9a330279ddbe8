# SPDX-License-Identifier: Apache-2.0
"""kafka.py - a real Kafka broker, and a look at what reached it.

    broker = Broker(folder)
    broker.kill(); broker.start()            the same ports and store again
    for message in broker.read("metrics"): message.key, message.headers["Strata-Id"], message.data

One node that is broker and controller, from test/kafka/build.sh (programs: NEW or OLD), with five listeners:
PLAINTEXT, SASL_PLAINTEXT (PLAIN, OAUTHBEARER with tokens nobody signed), SSL (with a certificate of the client),
TLS (without), SASL_SSL (besides, SCRAM).
"""
import base64, collections, json, os, shutil, signal, socket, subprocess, time

import pki
from process import SLOW, Process, die_with_parent, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
NEW = os.environ.get("STRATA_KAFKA", os.path.join(ROOT, "build", "tools", "kafka"))
OLD = os.environ.get("STRATA_KAFKA3", os.path.join(ROOT, "build", "tools", "kafka3"))
USER, PASSWORD = "agent", "s3cret-word"    # SCRAM's is in the store that build.sh makes
LISTENERS = ("PLAINTEXT", "SASL_PLAINTEXT", "SSL", "TLS", "SASL_SSL", "CONTROLLER")
PROTOCOLS = {**{l: l for l in LISTENERS}, "TLS": "SSL", "CONTROLLER": "PLAINTEXT"}
JAVA = ["java", "-Xms128m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
        "-Xshare:auto"]
LOG = """status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %m (%c)%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = info
"""

Message = collections.namedtuple("Message", "partition offset key headers data")


def free_ports(count):
    """Of the kernel; all held until the last is known, so that they differ."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in held]
    for s in held:
        s.close()
    return ports


def token(user, seconds):
    """A JWT without a signature."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + seconds})
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).rstrip(b"=").decode()
                    for p in parts) + "."


class Broker:
    def __init__(self, folder, properties=(), programs=NEW, through=()):
        """through: (port, address) of more PLAINTEXT listeners, each reached through a proxy that
        listens at this address: the brokers tell clients to go on there."""
        self.folder, self.programs = os.path.join(folder, os.path.basename(programs)), programs
        self.through = through
        shutil.copytree(os.path.join(programs, "store"), os.path.join(self.folder, "store"))
        self.ports = dict(zip(LISTENERS, free_ports(len(LISTENERS))))
        self.pki = pki.Authority(os.path.join(self.folder, "pki"))
        crt, key = self.pki.certificate("broker", "/CN=broker", ["IP:127.0.0.1"])
        self.keystore = os.path.join(self.folder, "broker.pem")
        with open(self.keystore, "w") as f:
            for path in (key, crt):
                with open(path) as g:
                    f.write(g.read())
        self.number, self.process = 0, None
        self.start(properties)

    def address(self, listener="PLAINTEXT"):
        return f"127.0.0.1:{self.ports[listener]}"

    def properties(self):
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        more = [f"P{i}" for i in range(len(self.through))]
        oauth = ("org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
                 'unsecuredLoginStringClaim_sub="broker";')
        p = {
            "process.roles": "broker,controller", "node.id": 1,
            "log.dirs": os.path.join(self.folder, "store"),
            "listeners": ",".join([
                *(f"{l}://{self.address(l)}" for l in LISTENERS),
                *(f"{l}://127.0.0.1:{port}" for l, (port, _) in zip(more, self.through))]),
            "advertised.listeners": ",".join([
                *(f"{l}://{self.address(l)}" for l in LISTENERS[:-1]),
                *(f"{l}://{address}" for l, (_, address) in zip(more, self.through))]),
            "listener.security.protocol.map": ",".join(
                f"{l}:{PROTOCOLS.get(l, 'PLAINTEXT')}" for l in (*PROTOCOLS, *more)),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.quorum.voters": f"1@{self.address('CONTROLLER')}",
            "offsets.topic.replication.factor": 1, "offsets.topic.num.partitions": 1,
            "transaction.state.log.replication.factor": 1, "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 1,
            "num.partitions": 4, "group.initial.rebalance.delay.ms": 0,
            "log.segment.bytes": 16 << 20, "num.recovery.threads.per.data.dir": 1,
            "num.network.threads": 1, "num.io.threads": 2,
            # A broker that was killed is taken back when its session has ended.
            "broker.session.timeout.ms": 2000, "broker.heartbeat.interval.ms": 400,
            "ssl.keystore.type": "PEM", "ssl.keystore.location": self.keystore,
            "ssl.truststore.type": "PEM", "ssl.truststore.location": self.pki.crt,
            "listener.name.ssl.ssl.client.auth": "required",
        }
        for name in ("sasl_plaintext", "sasl_ssl"):
            prefix = f"listener.name.{name}."
            p[prefix + "sasl.enabled.mechanisms"] = "PLAIN,OAUTHBEARER"
            p[prefix + "plain.sasl.jaas.config"] = f'{plain} user_{USER}="{PASSWORD}";'
            p[prefix + "oauthbearer.sasl.jaas.config"] = oauth
        prefix = "listener.name.sasl_ssl."
        for name in ("scram-sha-256", "scram-sha-512"):
            p[prefix + "sasl.enabled.mechanisms"] += "," + name.upper()
            p[f"{prefix}{name}.sasl.jaas.config"] = scram
        return p

    def start(self, properties=()):
        self.number += 1
        path = os.path.join(self.folder, "server.properties")
        with open(path, "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in {**self.properties(), **dict(properties)}.items())
        log = os.path.join(self.folder, "log4j2.properties")
        with open(log, "w") as f:
            f.write(LOG)
        libs = os.path.join(self.programs, "libs", "*")
        self.process = Process(
            [*JAVA, f"-Dlog4j2.configurationFile={log}", "-cp", libs, "kafka.Kafka", path],
            self.folder, f"broker-{self.number}")
        wait_for(self.is_ready, 60, "the broker is ready")

    def is_ready(self):
        if not self.process.running():
            raise AssertionError("the broker ended:\n" + self.process.out()[-4000:])
        return "Kafka Server started" in self.process.out()

    def kill(self):
        self.process.end(signal.SIGKILL)

    end = kill

    def kcat(self, *args, listener="PLAINTEXT", options=()):
        """options: {property of librdkafka: value}."""
        pairs = {"security.protocol": PROTOCOLS[listener], **dict(options)}
        done = subprocess.run(["kcat", "-b", self.address(listener), *args,
                               *[word for k, v in pairs.items() for word in ("-X", f"{k}={v}")]],
                              capture_output=True, text=True,
                              timeout=30 * SLOW, preexec_fn=die_with_parent)
        if done.returncode:
            raise AssertionError(done.stderr)
        return done.stdout

    def topics(self):
        return {t["topic"]: len(t["partitions"]) for t in json.loads(self.kcat("-L", "-J"))["topics"]}

    def read(self, topic, **how):
        """All messages of a topic, those of a partition in order; how: as kcat takes it."""
        messages = []
        for line in self.kcat("-C", "-t", topic, "-o", "beginning", "-e", "-q", "-J", **how).splitlines():
            m = json.loads(line)
            pairs = m.get("headers", [])
            messages.append(Message(m["partition"], m["offset"], m["key"],
                                    dict(zip(pairs[::2], pairs[1::2])), m["payload"].encode()))
        return messages

    def read_bytes(self, topic):
        """As read, of bodies that are no text; no header has a comma."""
        done = subprocess.run(["kcat", "-b", self.address(), "-C", "-t", topic, "-o", "beginning", "-e",
                               "-q", "-f", "%p %o %K %S\n%h\n%k%s"], capture_output=True,
                              timeout=30 * SLOW, preexec_fn=die_with_parent, check=True)
        left, messages = done.stdout, []
        while left:
            numbers, headers, left = left.split(b"\n", 2)
            partition, offset, key, size = map(int, numbers.split())
            messages.append(Message(partition, offset, left[:key].decode(),
                                    dict(h.split("=", 1) for h in headers.decode().split(",")),
                                    left[key:key + size]))
            left = left[key + size:]
        return messages


def missing(*programs):
    return [] if all(os.access(os.path.join(p, "stamp"), os.R_OK) for p in programs or [NEW]) else [
        "the broker (test/kafka/build.sh)"]
