#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""layers.py ROOT - includes follow the data.

Data flows from the first folder below to the last.  A file may include headers
of its own folder, of folders further down the list, and of lib/ itself, never
upstream.  Single filters, encoders, sinks and sources (the leaves) see lib/ and
their own interface header only; a leaf may be several files, NAME.c and NAME_*.c.  Also checked: no name of a header twice, and in
test/ and bench/ as well no file above 600 lines, no function above 60.
"""
import os, re, sys

FLOW = ['cmd', 'lib/config', 'lib/web', 'lib/discover', 'lib/registry', 'lib/scrape',
        'lib/pipeline', 'filters', 'encoders', 'sinks', 'lib/spool', 'lib/net', 'lib']
RANK = {d: i for i, d in enumerate(FLOW)}
LEAF = {'filters': 'filter.h', 'encoders': 'encoder.h', 'sinks': 'sink.h'}    # own interface
SIDEWAYS = [{'filters', 'encoders', 'sinks'}, {'lib/config', 'lib/web'}]       # siblings: do not see each other
MAX_FILE, MAX_FUNC = 600, 60

def folder(path):
    d = os.path.dirname(path)
    while d and d not in RANK:
        d = os.path.dirname(d)
    return d

def functions(lines):
    start = None
    for n, line in enumerate(lines, 1):
        if line.startswith('{'):
            start = n
        elif line.startswith('}') and start:
            yield start, n - start + 1
            start = None

def sources(root, tops):
    for top in tops:
        for d, _, names in os.walk(os.path.join(root, top)):
            yield from (os.path.relpath(os.path.join(d, n), root) for n in names if n.endswith(('.c', '.h')))

def sizes(root, files):
    for f in sorted(files):
        lines = open(os.path.join(root, f)).read().splitlines()
        if len(lines) > MAX_FILE:
            yield f'{f}: {len(lines)} lines, the most is {MAX_FILE}'
        for at, n in functions(lines):
            if n > MAX_FUNC:
                yield f'{f}:{at}: function of {n} lines, the most is {MAX_FUNC}'

def main(root):
    files = list(sources(root, ('cmd', 'lib', 'filters', 'encoders', 'sinks')))
    bad = list(sizes(root, files + list(sources(root, ('test', 'bench')))))
    where = {}
    for f in files:
        if f.endswith('.h'):
            name = os.path.basename(f)
            if name in where:
                bad.append(f'{f}: another header has this name: {where[name]}')
            where[name] = f
    for f in sorted(files):
        here, name = folder(f), os.path.basename(f)
        lines = open(os.path.join(root, f)).read().splitlines()
        leaf = here in LEAF and f.endswith('.c') and name != os.path.basename(here) + '.c'
        for at, line in enumerate(lines, 1):
            m = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not m:
                continue
            inc = os.path.basename(m.group(1))
            if inc not in where:
                bad.append(f'{f}:{at}: no such header: {m.group(1)}')
                continue
            there = folder(where[inc])
            if RANK[there] < RANK[here]:
                bad.append(f'{f}:{at}: {here} must not see {where[inc]} (upstream)')
            elif there != here and any({here, there} <= s for s in SIDEWAYS):
                bad.append(f'{f}:{at}: {here} must not see {where[inc]} (sibling)')
            elif leaf and there == here and inc != LEAF[here] and inc[:-2].split('_')[0] != name[:-2].split('_')[0]:
                bad.append(f'{f}:{at}: a single {LEAF[here][:-2]} sees only lib/ and {LEAF[here]}')
    for b in bad:
        print(b)
    print(f'{len(files)} files, {len(bad)} faults')
    return bool(bad)

if __name__ == '__main__':
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else '.'))
