# SPDX-License-Identifier: Apache-2.0
"""cluster.py - a real Kubernetes API server for tests: etcd, TLS, RBAC, audit log.

    class SomeTest(cluster.Case):                   one cluster for the class, self.cluster
        options = {"controllers": True}             arguments of Cluster
        def test_a_sentence(self):
            pod = self.cluster.create_pod(self.namespace, "a", node="n1", ip="10.244.0.2")
            token = self.cluster.token(self.namespace, "default")

    if __name__ == "__main__":
        cluster.main(netns=True, needs=["nats-server"])

docs/internals/TESTBED.md tells what it can do; the makers of objects are in kube.py.  All listens
on 127.0.0.1, on ports of its own, and lives in one folder; all ends with the thread that started it.
By hand: ./dev cluster.
"""
import base64, contextlib, json, os, re, shutil, signal, socket, subprocess, sys, tempfile
import time, urllib.request

import audit
import harness
import kube
import kubeconfig
import netns
import pki
from process import DIRECT, SLOW, Process, wait_for

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.environ.get("STRATA_CLUSTER", os.path.join(ROOT, "build", "tools", "cluster"))
KWOK_STAGES = os.path.join(ROOT, "test", "cluster", "kwok.yaml")
ISSUER = "https://kubernetes.default.svc"
SHORTEST_TOKEN_S = 600      # the API makes none that live shorter
LEEWAY_S = 60               # the server takes a token for that long behind its end


def program(name):
    return os.path.join(PROGRAMS, name)


def old_etcd():
    """Path of an etcd without streaming lists (3.4, as Debian 12 has it); None if there is none."""
    for folder in (os.path.join(ROOT, "build/tools/usr/bin"), "/usr/bin"):
        path = os.path.join(folder, "etcd")
        if os.access(path, os.X_OK) and "Version: 3.4." in subprocess.run(
                [path, "--version"], capture_output=True, text=True).stdout:
            return path
    return None


def reserved_port():
    """(socket, port): nobody else gets this port while the socket is open, for it is bound and
    never listens; a server that sets SO_REUSEPORT may use it, also after a restart."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(("127.0.0.1", 0))
    return s, s.getsockname()[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Cluster(kube.Objects):
    """controllers: controller manager and scheduler; kwok: a fake kubelet for nodes() (pods get
    addresses of that network); etcd: another etcd's path; apiserver: more arguments for it."""

    def __init__(self, folder, controllers=False, kwok=None, etcd=None, apiserver=()):
        self.name, self.folder = "cluster", os.path.join(folder, f"cluster-{len(os.listdir(folder))}")
        os.mkdir(self.folder)
        self.arguments = list(apiserver)
        self.processes, self.starts, self.api = {}, 0, None
        self.reservation, self.port = reserved_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.admin_token = os.urandom(16).hex()
        self.audit_log = audit.Log(self.path("audit.log"))
        try:
            self.make_files()
            self.start_etcd(etcd or program("etcd"))
            self.api = kube.Api("127.0.0.1", self.port, self.pki.crt, self.admin_token)
            self.start_api()
            if controllers:
                self.start_controllers()
            if kwok:
                self.start_kwok(kwok)
        except BaseException:
            self.end()
            raise

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def make_files(self):
        self.pki = pki.Authority(self.path("pki"))
        self.server_pair = self.pki.certificate(
            "apiserver", "/CN=kube-apiserver",
            ["IP:127.0.0.1", "DNS:localhost", "DNS:kubernetes.default.svc", "IP:10.96.0.1"])
        self.sa_key, self.sa_pub = self.pki.key_pair("service-accounts")
        self.write("tokens.csv", f'{self.admin_token},admin,admin,"system:masters"\n')
        self.write("audit.yaml", audit.POLICY)
        self.admin_config = self.kubeconfig("admin.kubeconfig",
                                            kubeconfig.with_token(self.admin_token))

    # Processes

    def spawn(self, name, *args):
        """A child with an environment of its own: no proxy, no KUBECONFIG, HOME in the folder."""
        self.starts += 1
        self.processes[name] = process = Process(
            args, self.folder, f"{name}-{self.starts}",
            env={"PATH": os.environ["PATH"], "HOME": self.folder})
        return process

    def wait_ready(self, name, predicate, timeout=60):
        process = self.processes[name]

        def ready():
            if not process.running():
                raise AssertionError(f"{name} ended with {process.popen.returncode}:\n"
                                     + process.err()[-4000:])
            return predicate()
        return wait_for(ready, timeout, f"{name} is ready")

    def start_etcd(self, path):
        """Another process may take the free port in between: then once more."""
        for last in (False, False, True):
            self.etcd_url = f"http://127.0.0.1:{free_port()}"
            process = self.spawn(
                "etcd", path, "--name=a", f"--data-dir={self.path('etcd')}", "--log-level=warn",
                "--unsafe-no-fsync", f"--listen-client-urls={self.etcd_url}",
                f"--advertise-client-urls={self.etcd_url}",
                "--listen-peer-urls=http://127.0.0.1:0", "--initial-cluster=a=http://127.0.0.1:0",
                "--initial-advertise-peer-urls=http://127.0.0.1:0")
            try:
                return self.wait_ready("etcd", self.etcd_healthy)
            except AssertionError:
                if last or "address already in use" not in process.err():
                    raise
                shutil.rmtree(self.path("etcd"), ignore_errors=True)

    def etcd_healthy(self):
        with contextlib.suppress(OSError):
            return DIRECT.open(self.etcd_url + "/health", timeout=1).status == 200

    def etcd_call(self, what, body):
        request = urllib.request.Request(f"{self.etcd_url}/v3/kv/{what}", json.dumps(body).encode())
        with DIRECT.open(request, timeout=10 * SLOW) as r:
            return json.load(r)

    def start_api(self):
        """Also after kill_api and stop_api: the same port, the same etcd.  Returns when it is ready."""
        crt, key = self.server_pair
        self.spawn(
            "kube-apiserver", program("kube-apiserver"), f"--etcd-servers={self.etcd_url}",
            "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1",
            f"--secure-port={self.port}", "--permit-port-sharing",
            "--endpoint-reconciler-type=none", f"--tls-cert-file={crt}",
            f"--tls-private-key-file={key}", f"--client-ca-file={self.pki.crt}",
            f"--token-auth-file={self.path('tokens.csv')}", "--authorization-mode=Node,RBAC",
            f"--service-account-issuer={ISSUER}", f"--service-account-key-file={self.sa_pub}",
            f"--service-account-signing-key-file={self.sa_key}", "--allow-privileged",
            "--service-cluster-ip-range=10.96.0.0/16,fd00:96::/112",
            f"--audit-policy-file={self.path('audit.yaml')}",
            f"--audit-log-path={self.audit_log.path}", "--profiling=false",
            "--shutdown-watch-termination-grace-period=1s", *self.arguments)
        self.wait_ready("kube-apiserver", self.api_ready)

    def api_ready(self):
        with contextlib.suppress(OSError):
            return self.api.request("GET", "/readyz")[0] == 200

    @property
    def api_process(self):
        """A process.Process: freeze() and thaw() make its connections half open."""
        return self.processes["kube-apiserver"]

    def kill_api(self):
        self.api_process.end(signal.SIGKILL)

    def stop_api(self, timeout=60):
        """As an operator does it: running watches end."""
        self.api_process.send_signal(signal.SIGTERM)
        self.api_process.wait(timeout)

    def compact(self):
        """etcd forgets the past.  A running API server goes on from memory: what has to be told 410
        comes after it was started anew."""
        revision = self.etcd_call("range", {"key": base64.b64encode(b"/").decode()})
        self.etcd_call("compaction", {"revision": revision["header"]["revision"], "physical": True})

    def start_controllers(self):
        for name, short in (("kube-controller-manager", "manager"), ("kube-scheduler", "scheduler")):
            pair = self.pki.certificate(short, f"/CN=system:{name}")
            config = self.kubeconfig(short + ".kubeconfig", kubeconfig.with_certificate(*pair))
            more = [f"--service-account-private-key-file={self.sa_key}",
                    f"--root-ca-file={self.pki.crt}", "--use-service-account-credentials",
                    f"--cluster-signing-cert-file={self.pki.crt}",
                    f"--cluster-signing-key-file={self.pki.key}"]
            self.spawn(name, program(name), f"--kubeconfig={config}", "--secure-port=0",
                       "--leader-elect=false", "--kube-api-qps=1000", "--kube-api-burst=2000",
                       *(more if short == "manager" else []))

    def start_kwok(self, network):
        self.spawn("kwok", program("kwok"), f"--kubeconfig={self.admin_config}",
                   f"--config={KWOK_STAGES}", f"--cidr={network}", "--node-ip=127.0.0.1",
                   "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
                   "--node-lease-duration-seconds=40")

    def nodes(self, count, labels=None):
        """Fake nodes node-0, node-1, ..., ready: pods on them run, and end, by kwok."""
        names = [f"node-{i}" for i in range(count)]
        for name in names:
            self.create("nodes", None, {"metadata": kube.metadata(
                name, {"kubernetes.io/hostname": name, **(labels or {})},
                {"kwok.x-k8s.io/node": "fake"})})
        wait_for(lambda: all(self.node_ready(name) for name in names), 30, "nodes are ready")
        return names

    def node_ready(self, name):
        status = self.get("nodes", None, name)["status"]
        return any(c["type"] == "Ready" and c["status"] == "True"
                   for c in status.get("conditions", ()))

    def memory(self):
        """{name: bytes resident at most so far} of each process."""
        return {name: p.peak_memory() for name, p in self.processes.items() if p.running()}

    def end(self):
        for process in reversed(self.processes.values()):
            process.end(signal.SIGKILL)
        self.reservation.close()
        if self.api:
            self.api.close()

    # Who one is

    def token(self, namespace, service_account, seconds=3600, audiences=None):
        """Of a service account.  Below ten minutes, which the API refuses, it is signed here, and is
        refused after that many seconds, or up to 10 s later: the server remembers whom it took."""
        if seconds >= SHORTEST_TOKEN_S:
            answer = self.api(
                "POST", kube.path_of("serviceaccounts", namespace, service_account, "token"),
                {"spec": {"expirationSeconds": seconds, "audiences": audiences or [ISSUER]}})
            return answer["status"]["token"]
        uid = self.get("serviceaccounts", namespace, service_account)["metadata"]["uid"]
        now = int(time.time())
        return pki.sign_token(self.sa_key, {
            "iss": ISSUER, "aud": audiences or [ISSUER], "iat": now - LEEWAY_S, "nbf": now - LEEWAY_S,
            "exp": now + seconds - LEEWAY_S, "sub": f"system:serviceaccount:{namespace}:{service_account}",
            "kubernetes.io": {"namespace": namespace,
                              "serviceaccount": {"name": service_account, "uid": uid}}})

    def certificate(self, user, groups=()):
        """Paths of a client's certificate and key; "system:node:n1" of "system:nodes" is a kubelet."""
        name = re.sub(r"\W", "-", user)
        return self.pki.certificate(name, "".join(f"/O={g}" for g in groups) + f"/CN={user}")

    def kubeconfig(self, name, user, server=None, embed_ca=True, namespace=None):
        """Writes a kubeconfig; user: what one of kubeconfig.with_... returned.  Returns its path."""
        return self.write(name, kubeconfig.text(server or self.url, self.pki.crt, user, embed_ca,
                                                namespace))

    def in_cluster(self, folder, token, namespace="default"):
        """Makes folder as a pod finds /var/run/secrets/kubernetes.io/serviceaccount; returns the
        environment that goes with it.  kubeconfig.write_account(folder, token=...) rotates."""
        with open(self.pki.crt) as f:
            kubeconfig.write_account(folder, **{"ca.crt": f.read(), "namespace": namespace,
                                                "token": token})
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}

    def audit(self, user=None, **fields):
        """What was asked of the API server, by one user or all; see audit.Entry."""
        return self.audit_log.entries(user, **fields)

    # Programs

    def run(self, name, *args, text=None, timeout=60):
        """kubectl or helm as the administrator; returns its output, raises when it fails."""
        done = subprocess.run([program(name), *args], input=text, capture_output=True, text=True,
                              timeout=timeout * SLOW,
                              env={"PATH": os.environ["PATH"], "HOME": self.folder,
                                   "KUBECONFIG": self.admin_config})
        if done.returncode:
            raise AssertionError(f"{name} {' '.join(args)}: {done.returncode}\n{done.stderr}")
        return done.stdout

    def kubectl(self, *args, **kwargs):
        return self.run("kubectl", *args, **kwargs)

    def helm(self, *args, **kwargs):
        return self.run("helm", *args, **kwargs)


class Case(harness.Case):
    """Tests that share a cluster; each has a namespace of its own, self.namespace."""
    options = {}

    @classmethod
    def setUpClass(cls):
        folder = tempfile.mkdtemp(prefix="strata-")
        cls.addClassCleanup(shutil.rmtree, folder, ignore_errors=True)
        cls.cluster = Cluster(folder, **cls.options)
        cls.addClassCleanup(cls.cluster.end)

    def setUp(self):
        super().setUp()
        if not self.cluster.api_process.running():      # a test before this one killed it and failed
            self.cluster.start_api()
        self.namespace = self.cluster.namespace("test-" + os.urandom(4).hex())


def main(needs=(), in_netns=False, with_old_etcd=False):
    missing = [] if os.access(program("kube-apiserver"), os.X_OK) else [
        program("kube-apiserver") + " (test/cluster/build.sh makes it)"]
    if with_old_etcd and not old_etcd():
        missing.append("etcd 3.4 (etcd-server)")
    why = netns.enter() if in_netns and not missing else None
    harness.main(needs, missing + ([why] if why else []))


def by_hand():
    """A cluster on this terminal, until it is interrupted."""
    with tempfile.TemporaryDirectory(prefix="strata-") as folder:
        started = time.monotonic()
        cluster = Cluster(folder, controllers="--controllers" in sys.argv,
                          kwok="10.244.0.0/16" if "--kwok" in sys.argv else None)
        try:
            if "--kwok" in sys.argv:
                cluster.nodes(3)
            print(f"# ready after {time.monotonic() - started:.1f} s; MiB:",
                  {name: n >> 20 for name, n in cluster.memory().items()})
            print(f"export KUBECONFIG={cluster.admin_config} PATH={PROGRAMS}:$PATH", flush=True)
            ends = {signal.SIGINT, signal.SIGTERM}
            signal.pthread_sigmask(signal.SIG_BLOCK, ends)      # not before: children inherit it
            signal.sigwait(ends)
        finally:
            cluster.end()


if __name__ == "__main__":
    by_hand()
