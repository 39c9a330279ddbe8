# SPDX-License-Identifier: Apache-2.0
"""vmagent.py - vmagent under the same load, as the baseline that CPU figures are compared with.

Its binary is named by the environment variable VMAGENT.  It scrapes the same target_server and
writes to a receiver on loopback that throws away what comes, so that only its own process counts.
"""
import http.server, json, os, re, socket, threading

import harness
from process import Process, http_get


class Receiver(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(204)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class VmAgent(Process):
    def __init__(self, binary, folder, targets, interval):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
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
             f"-remoteWrite.url=http://127.0.0.1:{self.server.server_port}/write",
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
        self.server.shutdown()
        self.server.server_close()
