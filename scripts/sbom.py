#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sbom.py AGENT ADMINDIR PACKAGE... - what an image is made of, as SPDX 2.3 in JSON, to standard output.

AGENT is the program, ADMINDIR dpkg's folder of the image, PACKAGE... those whose libraries the
agent is linked with (NAME or NAME:ARCHITECTURE).  The version and the time come from CMakeLists.txt
and SOURCE_DATE_EPOCH, and the document's name from its content, so that the same image has the
same text.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import uuid

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FIELDS = ('Package', 'Version', 'Architecture', 'Maintainer', 'source:Package', 'source:Version')


def installed(admindir):
    """Each package that dpkg lists as installed, as a dictionary of FIELDS."""
    form = '${db:Status-Abbrev}\t' + '\t'.join(f'${{{f}}}' for f in FIELDS) + '\n'
    out = subprocess.run(['dpkg-query', f'--admindir={admindir}', '-W', '-f', form],
                         check=True, capture_output=True, text=True).stdout
    for line in sorted(out.splitlines()):
        status, *values = line.split('\t')
        if status.startswith('ii'):
            yield dict(zip(FIELDS, values))


def spdx_id(*words):
    return 'SPDXRef-' + '-'.join(re.sub(r'[^A-Za-z0-9.-]', '-', w) for w in words)


def quoted(text):
    """As a package URL wants it."""
    return ''.join(c if c.isalnum() or c in '.-_~' else f'%{ord(c):02X}' for c in text)


def debian(p):
    name, version, arch = p['Package'], p['Version'], p['Architecture']
    return {'SPDXID': spdx_id('deb', name, arch), 'name': name, 'versionInfo': version,
            'supplier': 'Organization: ' + p['Maintainer'].replace(' <', ' (').replace('>', ')'),
            'sourceInfo': f"built from {p['source:Package']} {p['source:Version']}",
            'downloadLocation': 'NOASSERTION', 'filesAnalyzed': False,
            'licenseConcluded': 'NOASSERTION', 'licenseDeclared': 'NOASSERTION',
            'copyrightText': f'see /usr/share/doc/{name}/copyright',
            'externalRefs': [{'referenceCategory': 'PACKAGE-MANAGER', 'referenceType': 'purl',
                              'referenceLocator': f'pkg:deb/debian/{quoted(name)}@{quoted(version)}'
                                                  f'?arch={arch}&distro=debian-12'}]}


def agent(path):
    with open(os.path.join(ROOT, 'CMakeLists.txt'), encoding='utf-8') as f:
        version = re.search(r'project\(strata VERSION (\S+)', f.read())[1]
    with open(path, 'rb') as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    return {'SPDXID': spdx_id('strata-agent'), 'name': 'strata-agent', 'versionInfo': version,
            'downloadLocation': 'NOASSERTION', 'filesAnalyzed': False,
            'packageFileName': './usr/bin/strata-agent', 'primaryPackagePurpose': 'APPLICATION',
            'checksums': [{'algorithm': 'SHA256', 'checksumValue': digest}],
            'licenseConcluded': 'Apache-2.0', 'licenseDeclared': 'Apache-2.0',
            'copyrightText': 'NOASSERTION'}


def main(path, admindir, linked):
    own, packages = agent(path), [debian(p) for p in installed(admindir)]
    ids = {p['name']: p['SPDXID'] for p in packages}
    relations = [('SPDXRef-DOCUMENT', 'DESCRIBES', own['SPDXID'])]
    relations += [(own['SPDXID'], 'DEPENDS_ON', ids[name.split(':')[0]]) for name in linked]
    relations += [('SPDXRef-DOCUMENT', 'DESCRIBES', p['SPDXID']) for p in packages]
    body = {'packages': [own, *packages],
            'relationships': [{'spdxElementId': a, 'relationshipType': how, 'relatedSpdxElement': b}
                              for a, how, b in relations]}
    name = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(body))
    created = time.gmtime(int(os.environ.get('SOURCE_DATE_EPOCH') or 0))
    json.dump({'spdxVersion': 'SPDX-2.3', 'dataLicense': 'CC0-1.0', 'SPDXID': 'SPDXRef-DOCUMENT',
               'name': f"strata-agent-{own['versionInfo']}-image", 'documentNamespace': f'urn:uuid:{name}',
               'creationInfo': {'created': time.strftime('%Y-%m-%dT%H:%M:%SZ', created),
                                'creators': ['Tool: strata-scripts-sbom.py']}, **body},
              sys.stdout, indent=1, ensure_ascii=False)
    print()


if __name__ == '__main__':
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
