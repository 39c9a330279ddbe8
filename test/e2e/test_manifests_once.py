# SPDX-License-Identifier: Apache-2.0
"""test_manifests_once.py - the plain manifests of deploy/kubernetes: the same objects as the chart's."""
import copy, os, re, subprocess

import manifests
import harness
from manifests import ROOT, Objects, environment, helm_template, yaml

FOLDER = os.path.join(ROOT, "deploy", "kubernetes")
SERVICES = ("strata-services", {"kind": "Deployment", "replicas": 2})
NATS = {"nats": {"enabled": True}}
KUBELET = {"kubelet": {"enabled": True}}
NATS_URL = {"nats": {"url": "nats://strata-nats:4222"}}
# folder: releases of the chart that make the same
SAME = {
    "base": [("strata", {})],
    "overlays/with-nats": [("strata", NATS)],
    "overlays/services": [("strata", {}), SERVICES],
    "overlays/full": [("strata", {**NATS, **KUBELET}), (SERVICES[0], {**SERVICES[1], **NATS_URL})],
}
HELM_ONLY = ("app.kubernetes.io/version", "app.kubernetes.io/managed-by", "helm.sh/chart")


def kustomize(folder):
    done = subprocess.run(["kubectl", "kustomize", os.path.join(FOLDER, folder)], capture_output=True,
                          text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return Objects(done.stdout)


def plain(o):
    """Without what only Helm writes, and a configuration as what it says, not as how it is written."""
    o = copy.deepcopy(o)
    for label in HELM_ONLY:
        o["metadata"].get("labels", {}).pop(label, None)
    if o["kind"] == "ConfigMap":
        o["data"]["agent.yaml"] = yaml.safe_load(o["data"]["agent.yaml"])
    if o["kind"] in manifests.WORKLOADS:
        for c in o["spec"]["template"]["spec"]["containers"]:
            c.get("env", []).sort(key=lambda e: e["name"])
    return o


def by_name(objects):
    return {(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): plain(o)
            for o in objects if o["kind"] != "Namespace"}


class Manifests(harness.Case):
    maxDiff = 4000

    def test_they_say_what_the_chart_says(self):
        for folder, releases in SAME.items():
            with self.subTest(folder):
                chart = []
                for name, values in releases:
                    done = helm_template(values, self.folder, name=name)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    chart += Objects(done.stdout).all
                ours, theirs = by_name(kustomize(folder).all), by_name(chart)
                self.assertEqual(sorted(map(str, ours)), sorted(map(str, theirs)))
                for key, value in theirs.items():
                    self.assertEqual(ours[key], value)

    def test_the_overlay_in_the_guide_is_good(self):
        with open(os.path.join(ROOT, "docs", "KUBERNETES.md")) as f:
            block = re.search(r"(?ms)^```yaml\n# kustomization.yaml\n(.*?)^```", f.read())[1]
        os.symlink(ROOT, os.path.join(self.folder, "strata"))
        os.mkdir(os.path.join(self.folder, "mine"))
        with open(os.path.join(self.folder, "mine", "kustomization.yaml"), "w") as f:
            f.write(block)
        objects = kustomize(os.path.join(self.folder, "mine"))
        images = {c["image"] for w in objects.of("DaemonSet", "Deployment")
                  for c in w["spec"]["template"]["spec"]["containers"]}
        self.assertEqual(images, {"example.org/strata-agent:0.1.0"})

    def test_every_overlay_is_compared(self):
        overlays = {f"overlays/{name}" for name in os.listdir(os.path.join(FOLDER, "overlays"))}
        self.assertEqual(overlays | {"base"}, set(SAME))

    def test_the_agent_takes_their_configurations(self):
        objects = kustomize("overlays/full")
        for workload in objects.of("DaemonSet", "Deployment"):
            path = os.path.join(self.folder, "agent.yaml")
            with open(path, "w") as f:
                f.write(objects.config(workload))
            done = self.run_agent("check-config", path, env=environment(workload))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    harness.main(needs=["helm", "kubectl"])
