# SPDX-License-Identifier: Apache-2.0
"""kafka_reader.py BROKERS TOPIC GROUP MEMBER DATABASE - keeps each sample of a topic once.

Offsets are committed once a batch is stored: a reader that dies in between reads it again.
"""
import signal
import sys

from confluent_kafka import Consumer, KafkaException

from store import Store

BATCH = 64
stopped = []


def main(brokers, topic, group, member, path):
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.append(True))
    store = Store(path)
    consumer = Consumer({
        "bootstrap.servers": brokers, "group.id": group,
        "group.instance.id": member,          # started again, it has its partitions at once
        "enable.auto.commit": False,          # or it would commit what is not yet stored
        "auto.offset.reset": "earliest",      # a new group starts with what there is
        "topic.metadata.refresh.interval.ms": 5000,    # a topic that is not there yet is found
        "queued.max.messages.kbytes": 16384,  # the most that the library reads ahead
        "partition.assignment.strategy": "cooperative-sticky"})
    consumer.subscribe([topic])
    while not stopped:
        got = consumer.consume(BATCH, timeout=1)    # while the brokers are away: nothing
        for m in got:
            if m.error():
                print(f"kafka_reader: {m.error()}", file=sys.stderr)
        messages = [m for m in got if not m.error()]
        if not messages:
            continue
        batch = [({k: v.decode() for k, v in m.headers() or ()}, m.value()) for m in messages]
        store.put([(headers, body) for headers, body in batch if "Strata-Id" in headers])
        try:
            consumer.commit(asynchronous=False)
        except KafkaException as e:    # another reader has the partition now, and reads it again
            print(f"kafka_reader: {e}", file=sys.stderr)
    consumer.close()


main(*sys.argv[1:])
