# SPDX-License-Identifier: Apache-2.0
"""pki.py - an authority on elliptic curves, made by openssl, and tokens signed with its keys.

    pki = Authority(folder)                                     ca.crt, ca.key
    crt, key = pki.certificate("admin", "/O=system:masters/CN=admin")
    crt, key = pki.certificate("api", "/CN=api", ["IP:127.0.0.1"])      with names: a server's
    token = sign_token(key_path, {"iss": ..., "exp": ...})      a JWT, ES256
"""
import base64, json, os, subprocess

EC = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650"]


def openssl(*args, data=None):
    return subprocess.run(["openssl", *args], input=data, capture_output=True, check=True).stdout


class Authority:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)
        self.crt, self.key = self.path("ca.crt"), self.path("ca.key")
        openssl("req", "-x509", *EC, "-keyout", self.key, "-out", self.crt,
                "-subj", "/CN=strata-test-authority",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def path(self, name):
        return os.path.join(self.folder, name)

    def certificate(self, name, subject, names=()):
        """Paths of certificate and key; with names (IP:..., DNS:...) for a server, else a client."""
        crt, key = self.path(name + ".crt"), self.path(name + ".key")
        extensions = ["basicConstraints=critical,CA:FALSE", "keyUsage=critical,digitalSignature",
                      "extendedKeyUsage=" + ("serverAuth" if names else "clientAuth")]
        if names:
            extensions.append("subjectAltName=" + ",".join(names))
        openssl("req", "-x509", *EC, "-CA", self.crt, "-CAkey", self.key, "-keyout", key,
                "-out", crt, "-subj", subject,
                *[word for e in extensions for word in ("-addext", e)])
        return crt, key

    def key_pair(self, name):
        """Paths of a private and a public key."""
        key, public = self.path(name + ".key"), self.path(name + ".pub")
        openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        openssl("pkey", "-in", key, "-pubout", "-out", public)
        return key, public


def base64_url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def der_integers(der):
    """The two integers of an ECDSA signature: SEQUENCE { INTEGER r, INTEGER s }, all short."""
    at, numbers = 2, []
    for _ in range(2):
        length = der[at + 1]
        numbers.append(int.from_bytes(der[at + 2:at + 2 + length], "big"))
        at += 2 + length
    return numbers


def sign_token(key, claims):
    text = b".".join(base64_url(json.dumps(part).encode())
                     for part in ({"alg": "ES256", "typ": "JWT"}, claims))
    r, s = der_integers(openssl("dgst", "-sha256", "-sign", key, data=text))
    return (text + b"." + base64_url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))).decode()
