#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""nats_sub.py HOST:PORT SUBJECT [READY] - prints what is published under a subject of a NATS server.

For each message a line "# subject header..." on stderr and its body on stdout, so that the
samples can be piped on.  A core subscription, which sees what a stream takes in as well; it
speaks the server's text protocol, so that nothing has to be installed for it.  The file READY
is written once the subscription stands.
"""
import os
import signal
import socket
import sys


def messages(stream, ready):
    """(subject, headers as bytes, body) of each message; answers the server's pings."""
    for line in stream:
        verb, *args = line.split()
        if verb == b'PING':
            stream.write(b'PONG\r\n')
            stream.flush()
        elif verb == b'PONG' and ready:      # the answer to the PING behind SUB
            with open(ready, 'w', encoding='utf-8') as f:
                f.write('ready\n')
        elif verb == b'-ERR':
            sys.exit(f'nats_sub: {line.decode()}')
        elif verb in (b'MSG', b'HMSG'):      # subject, sid, [reply,] [size of headers,] size
            size = int(args[-1])
            headers = int(args[-2]) if verb == b'HMSG' else 0
            data = stream.read(size + 2)[:size]
            yield args[0].decode(), data[:headers], data[headers:]


def main(address, subject, ready=None):
    host, _, port = address.rpartition(':')
    stream = socket.create_connection((host, int(port))).makefile('rwb')
    stream.write(b'CONNECT {"verbose":false,"headers":true,"name":"nats_sub"}\r\n')
    stream.write(f'SUB {subject} 1\r\nPING\r\n'.encode())
    stream.flush()
    out = sys.stdout.buffer
    for subject, headers, body in messages(stream, ready):
        lines = headers.decode().split('\r\n')[1:]
        print('#', subject, *filter(None, lines), sep=' ', file=sys.stderr, flush=True)
        out.write(body if body.endswith(b'\n') else body + b'\n')
        out.flush()


if __name__ == '__main__':
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    for sig in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(sig, lambda *_: os._exit(0))
    main(*sys.argv[1:])
