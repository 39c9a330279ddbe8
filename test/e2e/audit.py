# SPDX-License-Identifier: Apache-2.0
"""audit.py - what an API server was asked, from its audit log.

    log = Log(path)
    for e in log.entries("system:serviceaccount:a:b", resource="pods"): e.verb, e.uri

An entry is there as soon as the request is answered; that of a watch when it begins, and has a code
of 200 from then on.  Entries stand in the order in which they were answered first.
"""
import collections, json

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""

Entry = collections.namedtuple(
    "Entry", "verb resource sub namespace name uri code user agent time stage")


def entry_of(event):
    ref = event.get("objectRef", {})
    return Entry(event["verb"], ref.get("resource", ""), ref.get("subresource", ""),
                 ref.get("namespace", ""), ref.get("name", ""), event["requestURI"],
                 event.get("responseStatus", {}).get("code"), event["user"].get("username", ""),
                 event.get("userAgent", ""), event["requestReceivedTimestamp"], event["stage"])


class Log:
    def __init__(self, path):
        self.path, self.at, self.found = path, 0, {}

    def read(self):
        try:
            with open(self.path, "rb") as f:
                f.seek(self.at)
                text = f.read()
        except FileNotFoundError:
            return
        end = text.rfind(b"\n") + 1     # the last line may not be whole yet
        self.at += end
        for line in text[:end].splitlines():
            event = json.loads(line)
            self.found[event["auditID"]] = entry_of(event)

    def entries(self, user=None, **fields):
        """All so far whose fields have these values: verb="watch", resource="pods", ..."""
        self.read()
        if user is not None:
            fields["user"] = user
        return [e for e in self.found.values()
                if all(getattr(e, name) == value for name, value in fields.items())]
