#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""quote.py [--check] DOCUMENT... - brings the files that a document shows up to date in it.

A fenced block behind a line that is a link and a colon, as [a.yaml](consumers/a.yaml): , shows that
file: all but its lines #! and SPDX.  --check: names what differs, and fails.
"""
import os
import re
import sys

SHOWN = re.compile(r'(?m)^\[[^\]]*\]\(([^)]+)\):\n\n(```[a-z]+\n)((?:.*\n)*?)```$')
LEFT_OUT = re.compile(r'^(#!|.*SPDX-License-Identifier)')


def text_of(path):
    with open(path, encoding='utf-8') as f:
        return ''.join(line for line in f if not LEFT_OUT.match(line))


def main(args):
    check = '--check' in args
    faults = shown = 0
    for document in [a for a in args if a != '--check']:
        with open(document, encoding='utf-8') as f:
            old = f.read()

        def quote(m):
            text = text_of(os.path.join(os.path.dirname(document), m[1]))
            return m[0].replace(m[2] + m[3], m[2] + text)
        new = SHOWN.sub(quote, old)
        shown += len(SHOWN.findall(old))
        if new == old:
            continue
        if check:
            print(f'{document}: a file that it shows has changed: scripts/quote.py {document}')
            faults += 1
        else:
            with open(document, 'w', encoding='utf-8') as f:
                f.write(new)
    print(f'{shown} files shown, {faults} faults')
    return bool(faults) or not shown


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
