# SPDX-License-Identifier: Apache-2.0
"""load.py - many pods, made and changed over several connections at once.

    load = Load(cluster.api, "many")                the namespace is there already
    load.create(5000, nodes=100)                    running pods p-0 ... on node-0 ..., with addresses
    report = load.change(rate=50, seconds=120)      annotations; or replace=True: deleted and made anew
    load.delete()

By hand, on a cluster of ./dev cluster, whose KUBECONFIG is taken:
    python3 test/e2e/load.py [--pods 5000] [--nodes 100] [--rate 50] [--seconds 120] [--replace]
"""
import argparse, base64, collections, json, os, tempfile, threading, time, urllib.parse

import kube

# A pod is 3 KiB, of which nobody here reads anything: the answer is its metadata only.
SHORT = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
Report = collections.namedtuple("Report", "done seconds latest_s")   # latest: behind its due time


def address_of(i):
    return f"10.244.{i // 250 % 250}.{i % 250 + 1}"


class Load:
    def __init__(self, api, namespace, connections=8):
        self.api, self.namespace, self.connections = api, namespace, connections
        self.pods, self.nodes, self.changes = 0, 1, 0

    def call(self, method, name="", body=None, sub=None, accept=SHORT):
        path = kube.path_of("pods", self.namespace, name, sub)
        content = kube.MERGE if method == "PATCH" else kube.JSON
        status, _, answer = self.api.request(method, path, json.dumps(body or {}), None,
                                             {"Content-Type": content, "Accept": accept})
        if status >= 400:
            raise kube.Refused(method, path, status, answer)

    def pod(self, i):
        return {"metadata": {"name": f"p-{i}", "labels": {"app": f"app-{i % 10}"},
                             "annotations": {"prometheus.io/scrape": "true",
                                             "prometheus.io/port": "8080", "changed": "0"}},
                "spec": {"nodeName": f"node-{i % self.nodes}",
                         "automountServiceAccountToken": False,
                         "containers": [kube.container_of("app", {"metrics": 8080})]}}

    def create_one(self, i):
        self.call("POST", body=self.pod(i))
        self.call("PATCH", f"p-{i}", {"status": {
            "phase": "Running", "podIP": address_of(i), "podIPs": [{"ip": address_of(i)}],
            "conditions": [{"type": "Ready", "status": "True"}]}}, "status")

    def delete_one(self, i):
        self.call("DELETE", f"p-{i}", {"gracePeriodSeconds": 0})

    def annotate_one(self, n):
        self.call("PATCH", f"p-{n % self.pods}", {"metadata": {"annotations": {"changed": str(n)}}})

    def replace_one(self, n):
        self.delete_one(n % self.pods)
        self.create_one(n % self.pods)

    def in_parallel(self, work, count, rate=None):
        """work(0) ... work(count - 1), each when it is due; the first error ends all."""
        numbers, lock, errors, latest = iter(range(count)), threading.Lock(), [], [0.0]
        start = time.monotonic()

        def run():
            try:
                while not errors:
                    with lock:
                        i = next(numbers, None)
                    if i is None:
                        break
                    if rate:
                        late = time.monotonic() - start - i / rate
                        if late < 0:
                            time.sleep(-late)
                        latest[0] = max(latest[0], late)
                    work(i)
            except Exception as e:      # told by the thread that asked
                errors.append(e)
            finally:
                self.api.close()
        threads = [threading.Thread(target=run) for _ in range(self.connections)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        if errors:
            raise errors[0]
        return Report(count, time.monotonic() - start, latest[0])

    def create(self, count, nodes=100):
        self.pods, self.nodes = count, nodes
        return self.in_parallel(self.create_one, count)

    def change(self, rate=50, seconds=120, replace=False):
        one = self.replace_one if replace else self.annotate_one
        first = self.changes + 1
        self.changes += int(rate * seconds)
        return self.in_parallel(lambda i: one(first + i), int(rate * seconds), rate)

    def delete(self):
        report = self.in_parallel(self.delete_one, self.pods)
        self.pods = 0
        return report


def api_of(path, folder):
    """From a kubeconfig as kubeconfig.text writes it."""
    with open(path) as f:
        config = json.load(f)
    cluster = next(c["cluster"] for c in config["clusters"] if c["name"] == "test")
    user = next(u["user"] for u in config["users"] if u["name"] == "me")
    ca = os.path.join(folder, "ca.crt")
    with open(ca, "wb") as f:
        f.write(base64.b64decode(cluster["certificate-authority-data"]))
    url = urllib.parse.urlsplit(cluster["server"])
    return kube.Api(url.hostname, url.port, ca, user["token"])


def by_hand():
    p = argparse.ArgumentParser()
    for name, default in (("pods", 5000), ("nodes", 100), ("rate", 50), ("seconds", 120)):
        p.add_argument("--" + name, type=int, default=default)
    p.add_argument("--replace", action="store_true")
    args = p.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        objects = kube.Objects()
        objects.api = api_of(os.environ["KUBECONFIG"], folder)
        load = Load(objects.api, objects.namespace("many-" + os.urandom(3).hex()))
        print("created", load.create(args.pods, args.nodes))
        print("changed", load.change(args.rate, args.seconds, args.replace))
        print("deleted", load.delete())


if __name__ == "__main__":
    by_hand()
