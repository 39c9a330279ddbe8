# SPDX-License-Identifier: Apache-2.0
"""kubelet.py - what an agent sees of a node's kubelet: pages by HTTPS, for those who may.

    kubelet = Kubelet(cluster, node)        a PageServer; kubelet.answers: [(path, status)]
"""
import page_server

PAGES = {"/metrics": "kubelet_running_pods 3\n", "/metrics/cadvisor": "container_cpu_seconds 1.5\n",
         "/metrics/probes": "prober_probe_total 7\n"}


class Kubelet(page_server.PageServer):
    """Asks the API server who sends the token and whether that one may get nodes/metrics, as kubelets do."""
    name = "kubelet"

    def __init__(self, cluster, node):
        self.cluster, self.node, self.answers = cluster, node, []
        pair = cluster.pki.certificate("kubelet-" + node, f"/O=system:nodes/CN=system:node:{node}",
                                       ["IP:127.0.0.1"])
        super().__init__(dict.fromkeys(PAGES, self.page), tls=page_server.tls_server(*pair))

    def page(self, request):
        status = self.status_for(request.headers.get("Authorization", ""))
        self.answers.append((request.path, status))
        return PAGES[request.path] if status == 200 else (status, {}, "no\n")

    def status_for(self, authorization):
        token = authorization.removeprefix("Bearer ")
        review = self.cluster.create("tokenreviews", None, {"spec": {"token": token}})["status"]
        if token == authorization or not review.get("authenticated"):
            return 401
        allowed = self.cluster.create("subjectaccessreviews", None, {"spec": {
            "user": review["user"]["username"], "groups": review["user"]["groups"],
            "resourceAttributes": {"verb": "get", "resource": "nodes", "subresource": "metrics",
                                   "name": self.node}}})["status"]["allowed"]
        return 200 if allowed else 403
