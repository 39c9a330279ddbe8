# SPDX-License-Identifier: Apache-2.0
"""kube.py - a small client of the Kubernetes API, and makers of the objects that tests need.

    api = Api("127.0.0.1", port, "ca.crt", token)
    api("GET", "/api/v1/pods")["items"]         Refused when the status is 400 or above
    for event in api.watch("/api/v1/pods?watch=1&resourceVersion=7"): event["type"], event["object"]

Objects has the makers on top of a method api; cluster.Cluster is one.  Resources are named as in
URLs: "pods", "endpointslices", ...; a namespace of None is none, or all.
"""
import http.client, json, ssl, threading, urllib.parse

from process import SLOW, wait_for

GROUPS = {"endpointslices": "discovery.k8s.io", "leases": "coordination.k8s.io",
          "roles": "rbac.authorization.k8s.io", "rolebindings": "rbac.authorization.k8s.io",
          "clusterroles": "rbac.authorization.k8s.io", "daemonsets": "apps",
          "clusterrolebindings": "rbac.authorization.k8s.io", "deployments": "apps",
          "networkpolicies": "networking.k8s.io", "poddisruptionbudgets": "policy",
          "subjectaccessreviews": "authorization.k8s.io",
          "selfsubjectaccessreviews": "authorization.k8s.io",
          "tokenreviews": "authentication.k8s.io"}
MERGE, JSON = "application/merge-patch+json", "application/json"


class Refused(Exception):
    """The server said no: status, and what it answered, parsed where it could be."""

    def __init__(self, method, path, status, body):
        self.status = status
        try:
            self.answer = json.loads(body)
        except ValueError:
            self.answer = {"message": body.decode(errors="replace")}
        super().__init__(f"{method} {path}: {status} {self.answer.get('message')}")


class Api:
    def __init__(self, host, port, ca, token):
        self.host, self.port, self.token = host, port, token
        self.context = ssl.create_default_context(cafile=ca)
        self.kept = threading.local()       # a connection for each thread

    def connect(self, timeout=30):
        return http.client.HTTPSConnection(self.host, self.port, context=self.context,
                                           timeout=timeout * SLOW)

    def close(self):
        """This thread's kept connection; used again, it is made anew."""
        connection = getattr(self.kept, "connection", None)
        if connection:
            connection.close()

    def headers(self, token, more=None):
        return {"Authorization": f"Bearer {token or self.token}", "Accept": JSON,
                "User-Agent": "strata-test", **(more or {})}

    def request(self, method, path, body=None, token=None, headers=None):
        """(status, headers, body as bytes); a kept connection that has ended is made anew once."""
        for fresh in (False, True):
            connection = None if fresh else getattr(self.kept, "connection", None)
            known = connection is not None
            connection = self.kept.connection = connection or self.connect()
            try:
                connection.request(method, path, body, self.headers(token, headers))
                answer = connection.getresponse()
                return answer.status, answer.headers, answer.read()
            except (http.client.HTTPException, OSError):
                connection.close()
                self.kept.connection = None
                if not known:
                    raise

    def __call__(self, method, path, body=None, token=None, content=None):
        """body: an object, sent as JSON; the answer is parsed."""
        if content is None:
            content = MERGE if method == "PATCH" else JSON
        data = None if body is None else json.dumps(body)
        status, _, answer = self.request(method, path, data, token, {"Content-Type": content})
        if status >= 400:
            raise Refused(method, path, status, answer)
        return json.loads(answer)

    def watch(self, path, token=None, timeout=30):
        """Its events, until the server ends it; TimeoutError when none comes for that long."""
        connection = self.connect(timeout)
        try:
            connection.request("GET", path, headers=self.headers(token))
            answer = connection.getresponse()
            if answer.status != 200:
                raise Refused("GET", path, answer.status, answer.read())
            while line := answer.readline():
                yield json.loads(line)
        finally:
            connection.close()


def path_of(resource, namespace=None, name=None, sub=None, **query):
    group = GROUPS.get(resource)
    parts = [f"/apis/{group}/v1" if group else "/api/v1"]
    parts += ["namespaces", namespace] if namespace else []
    parts += [part for part in (resource, name, sub) if part]
    return "/".join(parts) + ("?" + urllib.parse.urlencode(query) if query else "")


def metadata(name, labels=None, annotations=None):
    return {"name": name, "labels": labels or {}, "annotations": annotations or {}}


def container_of(name, ports):
    return {"name": name, "image": "none",
            "ports": [{"name": port, "containerPort": number} if port else {"containerPort": number}
                      for port, number in ports.items()]}


def family_of(address):
    return "IPv6" if ":" in address else "IPv4"


class Objects:
    """The class that mixes this in has self.api, an Api."""

    def get(self, resource, namespace, name):
        return self.api("GET", path_of(resource, namespace, name))

    def list(self, resource, namespace=None, **query):
        return self.api("GET", path_of(resource, namespace, **query))["items"]

    def create(self, resource, namespace, body):
        return self.api("POST", path_of(resource, namespace), body)

    def patch(self, resource, namespace, name, body, sub=None):
        """A merge patch; a list is a JSON patch."""
        content = "application/json-patch+json" if isinstance(body, list) else MERGE
        return self.api("PATCH", path_of(resource, namespace, name, sub), body, content=content)

    def delete(self, resource, namespace, name, grace=None):
        body = {} if grace is None else {"gracePeriodSeconds": grace}
        return self.api("DELETE", path_of(resource, namespace, name), body)

    def namespace(self, name, labels=None):
        """Made with its service account "default", without which no pod can be; returns the name."""
        self.create("namespaces", None, {"metadata": metadata(name, labels)})
        self.service_account(name, "default")
        return name

    def service_account(self, namespace, name):
        """Returns the user name that its tokens stand for."""
        try:
            self.create("serviceaccounts", namespace, {"metadata": metadata(name)})
        except Refused as e:
            if e.status != 409:     # a controller was faster
                raise
        return f"system:serviceaccount:{namespace}:{name}"

    def create_node(self, name, ip="127.0.0.1", labels=None, annotations=None):
        body = {"metadata": metadata(name, {"kubernetes.io/hostname": name, **(labels or {})},
                                     annotations)}
        self.create("nodes", None, body)
        return self.patch("nodes", None, name, {"status": {"addresses": [
            {"type": "InternalIP", "address": ip}, {"type": "Hostname", "address": name}]}},
            "status")

    def create_pod(self, namespace, name, node=None, ip=None, annotations=None, labels=None,
                   containers=None, phase="Running", ready=True, **spec):
        """containers: {name: {name of port: number}} or the API's list; default one, "app", without
        ports.  ip: an address or a list of two.  A phase of None leaves the status alone.
        Anything else goes into the spec as it is: hostNetwork=True, initContainers=[...]"""
        if not isinstance(containers, list):
            containers = [container_of(c, ports) for c, ports in
                          (containers or {"app": {}}).items()]
        spec = {"containers": containers, **({"nodeName": node} if node else {}), **spec}
        pod = self.create("pods", namespace, {"metadata": metadata(name, labels, annotations),
                                              "spec": spec})
        return self.set_status(namespace, name, phase, ip, ready, pod) if phase else pod

    def set_status(self, namespace, name, phase="Running", ip=None, ready=True, pod=None, **more):
        """As a kubelet does it; more goes into the status as it is."""
        pod = pod or self.get("pods", namespace, name)
        ips = [ip] if isinstance(ip, str) else list(ip or [])
        running, since = phase == "Running", pod["metadata"]["creationTimestamp"]
        state = {"running": {"startedAt": since}} if running else {"waiting": {}}
        if phase in ("Succeeded", "Failed"):
            state = {"terminated": {"exitCode": int(phase == "Failed")}}
        status = {"phase": phase, "startTime": since,
                  "conditions": [{"type": "Ready", "status": str(bool(running and ready)),
                                  "lastTransitionTime": since}],
                  "containerStatuses": [
                      {"name": c["name"], "image": "none", "imageID": "", "restartCount": 0,
                       "ready": bool(running and ready), "started": running, "state": state}
                      for c in pod["spec"]["containers"]]}
        if ips:
            status |= {"podIP": ips[0], "podIPs": [{"ip": i} for i in ips]}
        return self.patch("pods", namespace, name, {"status": {**status, **more}}, "status")

    def delete_pod(self, namespace, name, grace=0):
        """With a grace period a pod that is on a node stays, terminating, until it is deleted
        with none."""
        return self.delete("pods", namespace, name, grace)

    def create_service(self, namespace, name, ports, selector=None, annotations=None, labels=None,
                       **spec):
        """ports: {name: number}; clusterIP="None" in spec is a headless one."""
        spec = {"ports": [{"name": port, "port": number} for port, number in ports.items()],
                **({"selector": selector} if selector else {}), **spec}
        return self.create("services", namespace, {"metadata": metadata(name, labels, annotations),
                                                   "spec": spec})

    def create_slice(self, namespace, service, addresses, ports, name=None, ready=True, node=None,
                     labels=None):
        """addresses: of one family, none of them loopback; each a text, or an endpoint as the API
        has it.  ports: {name: number}."""
        endpoints = [{"addresses": [a], "conditions": {"ready": ready},
                      **({"nodeName": node} if node else {})} if isinstance(a, str) else a
                     for a in addresses]
        family = family_of(endpoints[0]["addresses"][0]) if endpoints else "IPv4"
        return self.create("endpointslices", namespace, {
            "metadata": metadata(name or service + "-1",
                                 {"kubernetes.io/service-name": service, **(labels or {})}),
            "addressType": family, "endpoints": endpoints,
            "ports": [{"name": port, "port": number} for port, number in ports.items()]})

    def grant(self, user, rules, namespaces=None, name=None):
        """rules: [("pods", "get,list,watch"), ...], the resource with its sub-resource where it has
        one, or the API's rules.  For the whole cluster, or in namespaces.  Returns the name of
        the roles, for revoke; in force when it returns."""
        rules = [rule if isinstance(rule, dict) else
                 {"apiGroups": [GROUPS.get(rule[0].split("/")[0], "")], "resources": [rule[0]],
                  "verbs": rule[1].split(",")} for rule in rules]
        name = name or "test-" + user.replace(":", ".")
        kind = "Role" if namespaces else "ClusterRole"
        for namespace in namespaces or [None]:
            self.create(kind.lower() + "s", namespace, {"metadata": metadata(name), "rules": rules})
            self.create(kind.lower() + "bindings", namespace, {
                "metadata": metadata(name),
                "roleRef": {"apiGroup": GROUPS["roles"], "kind": kind, "name": name},
                "subjects": [{"kind": "User", "name": user, "apiGroup": GROUPS["roles"]}]})
            for rule in rules:
                self.wait_access(user, rule, namespace, True)
        return name

    def revoke(self, name, namespaces=None):
        """In force soon after it returns; wait_access waits for it."""
        kind = "role" if namespaces else "clusterrole"
        for namespace in namespaces or [None]:
            self.delete(kind + "bindings", namespace, name)
            self.delete(kind + "s", namespace, name)

    def allowed(self, user, verb, resource, namespace=None, group=None):
        resource, _, sub = resource.partition("/")
        group = GROUPS.get(resource, "") if group is None else group
        return self.create("subjectaccessreviews", None, {"spec": {
            "user": user, "groups": ["system:authenticated"],
            "resourceAttributes": {"verb": verb, "resource": resource, "subresource": sub,
                                   "group": group, "namespace": namespace or ""}},
        })["status"]["allowed"]

    def wait_access(self, user, rule, namespace, allowed):
        """Until the server's view of a rule is that it is granted, or isn't."""
        for resource in rule.get("resources", ()):
            wait_for(lambda: self.allowed(user, rule["verbs"][0], resource, namespace,
                                          rule["apiGroups"][0]) == allowed,
                     what=f"{user}: {rule['verbs'][0]} {resource} is {allowed}")
