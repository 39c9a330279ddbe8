# SPDX-License-Identifier: Apache-2.0
"""test_image_once.py - the image: what is in it, and what it does with no rights at all."""
import contextlib, hashlib, json, os, re, stat, subprocess

import books
import cluster
import harness
import image
import installed
import kubeconfig
import netns
from process import http_get

PAGE = "# TYPE requests_total counter\nrequests_total{code=\"200\"} 17\ntemperature 21.5\n"
MEGABYTES = 60    # the most that it may have over its base


def listing(root):
    """{path: lstat} of all files, paths from the image's root."""
    found = {}
    for folder, dirs, names in os.walk(root):
        for name in dirs + names:
            path = os.path.join(folder, name)
            found[path[len(root):]] = os.lstat(path)
    return found


class Image(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.tag = image.build()
        cls.about = image.inspect(cls.tag)
        with open(os.path.join(image.ROOT, "build", "image", "sbom.spdx.json")) as f:
            cls.sbom = json.load(f)

    def test_what_it_says_of_itself(self):
        config = self.about["Config"]
        self.assertRegex(config["User"], r"^[1-9]\d*:[1-9]\d*$")
        self.assertEqual(config["Entrypoint"], ["/usr/bin/strata-agent"])
        self.assertEqual(config["Cmd"], ["run", "-c", "/etc/strata/agent.yaml"])
        health = self.about["Healthcheck"]["Test"]
        self.assertEqual(health[:2], ["CMD", "/usr/bin/strata-agent"])    # CMD-SHELL is a shell
        labels = config["Labels"]
        self.assertEqual(labels["org.opencontainers.image.version"], image.version())
        self.assertEqual(labels["org.opencontainers.image.licenses"], "Apache-2.0")
        self.assertEqual(labels["org.opencontainers.image.created"], self.sbom["creationInfo"]["created"])
        self.assertRegex(labels["org.opencontainers.image.revision"], r"^[0-9a-f]{40}$|^unknown$")
        for name in ("title", "description"):
            self.assertTrue(labels["org.opencontainers.image." + name])

    def test_its_program_is_hardened(self):
        with image.mounted(self.tag) as root:
            run = subprocess.run([os.path.join(image.ROOT, "scripts", "hardened.py"),
                                  os.path.join(root, "usr/bin/strata-agent")],
                                 capture_output=True, text=True)
        self.assertEqual((run.stdout, run.returncode), ("", 0), run.stderr)

    def test_its_size_over_its_base(self):
        over = (self.about["Size"] - image.inspect(image.BASE)["Size"]) / 1e6
        print(f"{over:.1f} MB over the base, {self.about['Size'] / 1e6:.1f} MB together")
        self.assertGreater(over, 1)
        self.assertLessEqual(over, MEGABYTES)

    def test_what_it_has_over_its_base(self):
        with image.mounted(image.BASE) as root:
            base = listing(root)
        with image.mounted(self.tag) as root:
            found = listing(root)
            with open(root + "/etc/ssl/certs/ca-certificates.crt") as f:
                self.assertGreater(f.read().count("BEGIN CERTIFICATE"), 50)
        self.assertLessEqual(set(base), set(found))
        added = set(found) - set(base)
        self.assertLessEqual({"/usr/bin/strata-agent", "/etc/strata",
                              "/usr/share/strata/sbom.spdx.json"}, added)
        for path in base:    # links of the base stay links, /lib above all
            self.assertEqual(stat.S_IFMT(base[path].st_mode), stat.S_IFMT(found[path].st_mode), path)
        for path in added:
            mode = found[path].st_mode
            self.assertEqual((found[path].st_uid, found[path].st_gid), (0, 0), path)
            self.assertFalse(mode & (stat.S_ISUID | stat.S_ISGID), path)
            self.assertFalse(mode & stat.S_IWOTH and not stat.S_ISLNK(mode), path)
            self.assertNotRegex(path, r"^/(tmp|root|src|var/(cache|log)|var/lib/apt)/.|/gcc|\.[ah]$")

    def test_the_sbom_names_what_is_in_it(self):
        sbom, packages = self.sbom, {p["name"]: p for p in self.sbom["packages"]}
        self.assertEqual(sbom["spdxVersion"], "SPDX-2.3")
        with image.mounted(self.tag) as root:
            with open(root + "/usr/share/strata/sbom.spdx.json") as f:
                self.assertEqual(json.load(f), sbom)
            with open(root + "/usr/bin/strata-agent", "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()
            listed = subprocess.run(
                ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-W", "-f", "${Package} ${Version}\n"],
                capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
            loaded = subprocess.run(["chroot", root, "ldd", "/usr/bin/strata-agent"],
                                    capture_output=True, text=True, check=True).stdout
            self.assertNotIn("not found", loaded)
            libraries = re.findall(r"=> \S*/(\S+)", loaded)
            self.assertIn("libcurl.so.4", libraries)
            for library in libraries:    # each belongs to a package that the image lists
                owner = subprocess.run(
                    ["dpkg-query", f"--admindir={root}/var/lib/dpkg", "-S", "*/" + library],
                    capture_output=True, text=True, check=True).stdout
                self.assertIn(owner.split(":")[0], packages)
        own = packages.pop("strata-agent")
        self.assertEqual(own["versionInfo"], image.version())
        self.assertEqual(own["checksums"], [{"algorithm": "SHA256", "checksumValue": digest}])
        self.assertEqual(sorted(f"{p['name']} {p['versionInfo']}" for p in packages.values()),
                         sorted(listed))
        self.assertLessEqual({"libcurl4", "libnats3.4", "libssl3", "libc6", "ca-certificates"},
                             set(packages))
        for p in packages.values():
            self.assertRegex(p["externalRefs"][0]["referenceLocator"],
                             r"^pkg:deb/debian/[^@ ]+@[^ ]+\?arch=(amd64|arm64|all)&distro=debian-12$")
        ids = {p["SPDXID"] for p in sbom["packages"]}
        self.assertEqual(len(ids), len(sbom["packages"]))
        for r in sbom["relationships"]:
            self.assertIn(r["relatedSpdxElement"], ids)
        linked = {r["relatedSpdxElement"] for r in sbom["relationships"]
                  if r["relationshipType"] == "DEPENDS_ON" and r["spdxElementId"] == own["SPDXID"]}
        self.assertLessEqual({packages["libcurl4"]["SPDXID"], packages["libnats3.4"]["SPDXID"]}, linked)


class Run(harness.Case):
    @classmethod
    def setUpClass(cls):
        cls.tag = image.build()

    def container(self, conf=None, **kwargs):
        folder = os.path.join(self.folder, "etc")
        os.mkdir(folder)
        os.chmod(self.folder, 0o755)
        if conf is not None:
            with open(os.path.join(folder, "agent.yaml"), "w") as f:
                f.write(harness.text_of(conf))
        # In place of the shells: whoever starts one gets no further.
        empty = os.path.join(self.folder, "empty")
        open(empty, "w").close()
        return image.Container(self, self.tag, volumes={
            "/etc/strata": folder, "/usr/bin/dash": empty, "/usr/bin/bash": empty}, **kwargs)

    def url(self, container):
        def look():
            err = container.log()[1]
            self.assertTrue(container.running(), err)
            m = re.search(r'msg=listening .*?url="?(http://[^\s"]+)', err)
            return m and m[1]
        return self.wait_for(look, what="the agent in the container listens", step=0.2)

    def test_pages_reach_nats_with_no_rights_and_no_shell(self):
        pages, server = self.pages({"/metrics": PAGE}), self.nats()
        client = self.client(server)
        client.make_stream("METRICS", ["metrics.>"])
        # A port that is free now and most likely still in a moment; HEALTHCHECK looks it up in the file.
        free = self.pages({})
        free.end()
        conf = harness.config([pages.url()], agent={"listen": f"127.0.0.1:{free.port}"},
                              sinks=[harness.nats_sink(server.url, "metrics.{instance}", "METRICS")])
        container = self.container(conf)
        url = self.url(container)
        self.wait_for(lambda: len(pages.requests) >= 2, what="scrapes")
        self.wait_for(lambda: client.stream("METRICS")["state"]["messages"] >= 2, what="messages")

        status = container.process()
        self.assertEqual(set(status["Uid"].split()), {"65532"})
        self.assertEqual(set(status["Gid"].split()), {"65532"})
        for rights in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[rights], 16), 0, rights)
        self.assertEqual(status["NoNewPrivs"], "1")
        health = image.inspect(self.tag)["Healthcheck"]["Test"][1:]
        done = container.exec(*health)
        self.assertEqual((done.returncode, done.stdout), (0, "ok\n"), done.stderr)
        self.assertNotEqual(container.exec("/bin/sh", "-c", "exit 0").returncode, 0)

        self.assertEqual(container.stop(), 0, container.log()[1])
        account = books.account(container.log()[1])
        self.assertEqual((account["lost"], account["unaccounted"]), (0, 0))
        self.assertGreaterEqual(account["scraped"], 4)
        samples = []
        for message in client.read_stream("METRICS"):
            samples += harness.check_messages(self, message.data.decode())
        self.assertEqual(len(samples), account["delivered"])
        values = {s["name"]: s["value"] for s in samples}
        self.assertEqual((values["requests_total"], values["temperature"], values["up"]), (17, 21.5, 1))
        self.assertTrue(url.endswith(str(free.port)))

    def test_a_sick_agent_is_told(self):
        """HEALTHCHECK's command, in a container whose agent listens elsewhere than its file says."""
        conf = harness.config([], agent={"listen": "127.0.0.1:0"})
        container = self.container(conf)
        self.url(container)
        done = container.exec(*image.inspect(self.tag)["Healthcheck"]["Test"][1:])
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)

    def test_without_a_configuration_it_says_which_is_missing(self):
        container = self.container()
        self.assertEqual(container.wait(), 78)
        self.assertIn("/etc/strata/agent.yaml: No such file or directory", container.log()[1])

    def test_it_can_be_asked_for_other_commands(self):
        container = self.container(args=["--version"])
        self.assertEqual(container.wait(), 0)
        self.assertEqual(container.log()[0], f"strata-agent {image.version()}\n")


class Chain(installed.Case):
    """The container of the chart's pod, as a kubelet would start it on this node."""
    options = {"controllers": True}

    def start(self, pod):
        """Its image, arguments, user, environment and files; the account's folder as kubelets mount it."""
        spec = pod["spec"]["containers"][0]
        rights = spec["securityContext"]
        self.assertEqual((rights["readOnlyRootFilesystem"], rights["allowPrivilegeEscalation"],
                          rights["capabilities"]), (True, False, {"drop": ["ALL"]}))    # as image.LOCKED
        self.assertEqual({m["mountPath"] for m in spec["volumeMounts"]}, {"/etc/strata", installed.ACCOUNT})
        folder = os.path.join(self.folder, "etc")
        kubeconfig.write_account(folder, **self.config_map())
        account = self.account()
        env = self.environment(pod, account)
        return image.Container(self, spec["image"], spec["args"], env=env,
                               volumes={"/etc/strata": folder, installed.ACCOUNT: account})

    def answers(self, container, probe):
        """As a kubelet asks; the port is free, for this network is the test's own."""
        def look():
            self.assertTrue(container.running(), container.log()[1])
            with contextlib.suppress(OSError):
                return http_get(f"http://127.0.0.1:9690{probe['httpGet']['path']}")[0] == 200
        self.wait_for(look, 30, "the container is ready", step=0.2)

    def test_the_container_of_the_chart_delivers_what_its_node_has(self):
        server, queue, node = self.targets(1, samples=20), self.nats(), self.real_node()
        client = self.client(queue)
        agent = {"cluster": "test", "first_scrape": "now"}
        if not netns.has_ipv6:
            agent["listen"] = "0.0.0.0:9690"
        self.install({"nats": {"url": queue.url}, "config": {"agent": agent}})
        asks = {"prometheus.io/scrape": "true", "prometheus.io/port": str(server.port),
                "prometheus.io/path": "/t/0"}
        for name, where in (("web", node), ("elsewhere", "other")):
            self.cluster.create_pod(self.namespace, name, node=where, ip="127.0.0.1", annotations=asks)
        pod = self.pod_on(node)
        container = self.start(pod)
        for probe in ("livenessProbe", "readinessProbe"):
            self.answers(container, pod["spec"]["containers"][0][probe])
        self.assertEqual(set(container.process()["Uid"].split()),
                         {str(pod["spec"]["securityContext"]["runAsUser"])})
        self.cluster.create_pod(self.namespace, "late", node=node, ip="127.0.0.2",
                                annotations={**asks, "prometheus.io/port": "1"})
        for name in ("web", "late"):    # nobody listens on the port of the late one: up 0
            subject = f"metrics.pods.{self.namespace}.{name}"
            self.wait_for(lambda: self.stream_of(client, subject), 30, f"messages of {name}")

        self.assertEqual(container.stop(), 0, container.log()[1])
        account = books.account(container.log()[1])
        self.assertEqual((account["lost"], account["unaccounted"]), (0, 0))
        samples = []
        for message in client.read_stream("METRICS"):
            samples += harness.check_messages(self, message.data.decode())
        self.assertEqual(len(samples), account["delivered"])
        ups = {s["tags"]["pod"]: s["value"] for s in samples if s["name"] == "up"}
        self.assertEqual(ups, {"web": 1, "late": 0})
        self.assertGreaterEqual(sum(s["tags"]["pod"] == "web" for s in samples), 20)
        self.assertLessEqual(self.asked(), {(verb, "pods") for verb in ("get", "list", "watch")})


if __name__ == "__main__":
    tools = image.missing()
    if not tools:
        image.alone()
        image.build()   # before the network is the test's own
    cluster.main(needs=[*tools, "nats-server", "helm"], in_netns=not tools)
