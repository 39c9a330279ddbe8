# SPDX-License-Identifier: Apache-2.0
"""vmagent.py - vmagent under the same load, as the baseline that CPU figures are compared with.

Its binary is named by the environment variable VMAGENT.  It scrapes the same target_server and
writes to a receiver on loopback that throws away what comes, so that only its own process counts.
"""
import json, os, re, socket

import harness
import takers
from process import Process, http_get


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class VmAgent(Process):
    def __init__(self, binary, folder, targets, interval):
        self.taker = takers.Http()
        jobs = [{"job_name": f"t{i}", "metrics_path": f"/t/{i}",
                 "static_configs": [{"targets": [f"127.0.0.1:{targets.port}"]}]}
                for i in range(len(targets.targets))]
        path = os.path.join(folder, "vmagent.yaml")
        with open(path, "w") as f:
            json.dump({"global": {"scrape_interval": f"{interval}s"}, "scrape_configs": jobs}, f)
        port = free_port()
        self.metrics_url = f"http://127.0.0.1:{port}/metrics"
        super().__init__(
            [binary, f"-promscrape.config={path}", f"-httpListenAddr=127.0.0.1:{port}",
             f"-remoteWrite.url=http://{self.taker.address}/write",
             f"-remoteWrite.tmpDataPath={os.path.join(folder, 'vmagent-queue')}"],
            folder, "vmagent")
        harness.wait_for(lambda: self.samples() >= 0, 20, "vmagent answers")

    def samples(self):
        """Scraped since its start; below 0 while it does not answer."""
        try:
            text = http_get(self.metrics_url)[2]
        except OSError:
            return -1
        found = re.search(r"^vm_promscrape_scraped_samples_sum (\S+)", text, re.M)
        return float(found[1]) if found else 0

    def end(self):
        super().end()
        self.taker.end()
