# SPDX-License-Identifier: Apache-2.0
"""kubeconfig.py - the files by which a client finds an API server and says who it is.

    text(url, "ca.crt", with_token("abc"))      a kubeconfig (JSON is YAML)
    write_account(folder, token="abc", ...)     files as a kubelet lays them into a pod
"""
import base64, json, os, shutil


def encoded(path):
    with open(path, "rb") as f:
        return base64.b64encode(f.read()).decode()


def with_certificate(crt, key, embed=True):
    if embed:
        return {"client-certificate-data": encoded(crt), "client-key-data": encoded(key)}
    return {"client-certificate": crt, "client-key": key}


def with_token(token):
    return {"token": token}


def with_token_file(path):
    return {"tokenFile": path}


def with_exec(path, credential, version="v1", **more):
    """path: where a program is written to that prints the credential: {"token": ...,
    "expirationTimestamp": ...} or {"clientCertificateData": ..., "clientKeyData": ...} in PEM.  Each
    run of it adds a line to path.runs."""
    kind = {"apiVersion": f"client.authentication.k8s.io/{version}"}
    with open(path + ".json", "w") as f:
        json.dump({**kind, "kind": "ExecCredential", "status": credential}, f)
    with open(path, "w") as f:
        f.write(f"#!/bin/sh\necho run >>'{path}.runs'\nexec cat '{path}.json'\n")
    os.chmod(path, 0o755)
    return {"exec": {**kind, "command": path, "interactiveMode": "Never", **more}}


def text(server, ca, user, embed_ca=True, namespace=None):
    """With a second, broken context beside the current one, so that the choice matters."""
    authority = {"certificate-authority-data": encoded(ca)} if embed_ca else {
        "certificate-authority": ca}
    context = {"cluster": "test", "user": "me", **({"namespace": namespace} if namespace else {})}
    return json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "other", "cluster": {"server": "https://127.0.0.1:1"}},
                     {"name": "test", "cluster": {"server": server, **authority}}],
        "users": [{"name": "nobody", "user": {}}, {"name": "me", "user": user}],
        "contexts": [{"name": "other", "context": {"cluster": "other", "user": "nobody"}},
                     {"name": "test", "context": context}]}, indent=1)


def write_account(folder, **files):
    """Files that are not given stay.  All change at once, as a kubelet does it: FILE is a link to
    ..data/FILE, and ..data a link that is replaced."""
    os.makedirs(folder, exist_ok=True)
    data = os.path.join(folder, "..data")
    old = os.path.realpath(data) if os.path.islink(data) else None
    new = os.path.join(folder, ".." + os.urandom(4).hex())
    shutil.copytree(old, new) if old else os.mkdir(new)
    for name, content in files.items():
        with open(os.path.join(new, name), "w") as f:
            f.write(content)
        link = os.path.join(folder, name)
        if not os.path.islink(link):
            os.symlink(os.path.join("..data", name), link)
    os.symlink(os.path.basename(new), data + ".new")
    os.rename(data + ".new", data)
    if old:
        shutil.rmtree(old)
