#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""spdx.py ROOT - every source says its licence in its first three lines, and every header says
in the line behind it what it is: /* name.h - half a sentence."""
import os
import sys

LINE = 'SPDX-License-Identifier: Apache-2.0'
ENDS = ('.c', '.h', '.py', '.sh', '.cmake', '.supp', '/CMakeLists.txt', '/dev', '/.ci/run', '.in', '.go')


def sources(root):
    for d, dirs, names in os.walk(root):
        dirs[:] = [n for n in dirs if n not in ('build', '.git')]
        yield from (p for n in sorted(names) if (p := os.path.join(d, n)).endswith(ENDS))


def faults(path):
    with open(path, encoding='utf-8') as f:
        lines = [line.rstrip('\n') for _, line in zip(range(3), f)]
    if not any(LINE in line for line in lines):
        yield f'no line "{LINE}"'
    name = os.path.basename(path)
    if name.endswith('.h') and not any(line.startswith(f'/* {name} - ') for line in lines):
        yield f'no line "/* {name} - half a sentence."'


def main(root):
    files = list(sources(root))
    bad = [f'{p}: {what}' for p in files for what in faults(p)]
    print(*bad, f'{len(files)} files, {len(bad)} faults', sep='\n')
    return bool(bad) or not files


if __name__ == '__main__':
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else '.'))
