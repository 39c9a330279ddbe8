# SPDX-License-Identifier: Apache-2.0
"""jetstream_reader.py URL STREAM SUBJECT DURABLE DATABASE - keeps each sample of a stream once.

A batch is acknowledged once it is stored: a reader that dies in between gets it again.
"""
import asyncio
import signal
import sys

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from store import Store

BATCH = 64
CONFIG = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, ack_wait=10,    # s; then a message is given out again
                        max_ack_pending=256)    # of all readers of this name together


async def main(url, stream, subject, durable, path):
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    store = Store(path)
    client = await nats.connect(url, max_reconnect_attempts=-1, reconnect_time_wait=0.5)
    reader = await client.jetstream().pull_subscribe(subject, durable, stream=stream, config=CONFIG)
    while not stopped.is_set():
        try:
            messages = await reader.fetch(BATCH, timeout=1)
        except nats.errors.TimeoutError:
            continue    # nothing has come
        except nats.errors.Error as e:
            if client.is_closed:    # for good: whoever starts this starts it again
                sys.exit(f"jetstream_reader: {e!r}")
            await asyncio.sleep(0.5)    # the server is away: the library connects again
            continue
        await asyncio.to_thread(store.put, [(m.headers, m.data) for m in messages
                                            if m.headers and "Strata-Id" in m.headers])
        for m in messages:
            await m.ack()    # one that is lost costs a redelivery
    await client.close()


asyncio.run(main(*sys.argv[1:]))
