#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""values_schema.py AGENT [--check] - writes charts/strata/values.schema.json, or compares it.

It is scripts/chart_values.yaml, with what `AGENT settings --schema` prints (a JSON schema, draft-07)
as the schema of `config`."""
import json
import os
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OWN = os.path.join(ROOT, 'scripts', 'chart_values.yaml')
OUT = os.path.join(ROOT, 'charts', 'strata', 'values.schema.json')
HELD = ('definitions', '$defs')     # where a schema keeps what its $refs name


def closed(node):
    """The schema with every map of known keys refusing others, so that a misspelt one is named."""
    if isinstance(node, list):
        return [closed(n) for n in node]
    if not isinstance(node, dict):
        return node
    node = {key: closed(value) for key, value in node.items()}
    if isinstance(node.get('properties'), dict):
        node = {'type': 'object', 'additionalProperties': False, **node}
    return node


def renamed(node):
    """The agent's schema, whose definitions stand among the chart's under names of their own."""
    if isinstance(node, list):
        return [renamed(n) for n in node]
    if not isinstance(node, dict):
        return node
    out = {key: renamed(value) for key, value in node.items()}
    ref = out.get('$ref')
    if isinstance(ref, str):
        for held in HELD:
            ref = ref.replace(f'#/{held}/', '#/definitions/config-')
        out['$ref'] = '#/properties/config' if ref == '#' else ref
    return out


def agent_schema(agent):
    done = subprocess.run([agent, 'settings', '--schema'], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def merge(own, config):
    schema = closed(own)
    held = {name: value for key in HELD for name, value in config.get(key, {}).items()}
    schema['definitions'].update({f'config-{name}': renamed(value) for name, value in held.items()})
    config = renamed({k: v for k, v in config.items() if k not in (*HELD, '$schema', '$id')})
    # The chart's values are not the whole file: it adds sources, and Helm merges what the user leaves out.
    config.pop('required', None)
    schema['properties']['config'] = config
    return schema


def main(agent, check=None):
    with open(OWN, encoding='utf-8') as f:
        own = yaml.safe_load(f)
    text = json.dumps(merge(own, agent_schema(agent)), indent=1, ensure_ascii=False) + '\n'
    if not check:
        with open(OUT, 'w', encoding='utf-8') as f:
            f.write(text)
        return 0
    with open(OUT, encoding='utf-8') as f:
        if f.read() == text:
            return 0
    print(f'{OUT} is old: run scripts/values_schema.py AGENT')
    return 1


if __name__ == '__main__':
    if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], ['--check']):
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
