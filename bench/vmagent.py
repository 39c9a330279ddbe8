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


def scrape_config(urls, interval):
    """What Prometheus, and all who read its configuration, need to scrape these targets."""
    places = [url.removeprefix("http://").partition("/") for url in urls]
    return {"global": {"scrape_interval": f"{interval}s", "scrape_timeout": f"{min(interval, 10)}s"},
            "scrape_configs": [{"job_name": "bench", "static_configs": [
                {"targets": [host], "labels": {"__metrics_path__": "/" + path,
                                               "instance": f"{host}/{path}"}}
                for host, _, path in places]}]}


class VmAgent(Process):
    """On the target server's targets, or those given; writes to a taker of its own, or to that one."""

    def __init__(self, binary, folder, targets, interval, urls=None, taker=None):
        self.taker = taker or takers.Http()
        path = os.path.join(folder, "vmagent.yaml")
        with open(path, "w") as f:
            json.dump(scrape_config(targets.targets if urls is None else urls, interval), f)
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
