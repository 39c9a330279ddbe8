# SPDX-License-Identifier: Apache-2.0
"""test_web_access.py - who may read what the agent serves, and TLS in front of it."""
import base64, os, shutil, ssl, subprocess, urllib.error, urllib.request, warnings

import harness
from pki import Authority
from process import wait_for

OPEN, GUARDED = ("/healthz", "/readyz"), ("/", "/metrics", "/status", "/targets")
NAMES = ["IP:127.0.0.1"]


def ask(agent, path, context=None, **headers):
    """The status of the answer; the text too, where it is 200."""
    request = urllib.request.Request(agent.url + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as e:
        return e.code, e.headers.get("WWW-Authenticate")


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


class WebAccess(harness.Case):
    def served(self, **web):
        targets = self.targets(1, 10)
        return self.agent(harness.config(targets.targets, agent={"web": web}))

    def pki(self):
        pki = Authority(os.path.join(self.folder, "pki"))
        self.crt, self.key = pki.certificate("server", "/CN=agent", NAMES)
        return pki

    def health(self, *args):
        return subprocess.run([harness.AGENT, "health", *args], capture_output=True, timeout=20)

    def test_login_and_token_open_every_page_but_those_that_are_for_all(self):
        agent = self.served(user="reader", password="p", bearer="t")
        for path in OPEN:
            wait_for(lambda: ask(agent, path)[0] == 200, what=path)
        for path in GUARDED:
            code, challenge = ask(agent, path)
            self.assertEqual((code, challenge.split()[0]), (401, "Basic"), path)
            for wrong in (basic("reader:q"), basic("r:p"), "Bearer p", "Bearer ", "nonsense"):
                self.assertEqual(ask(agent, path, Authorization=wrong)[0], 401, (path, wrong))
            for right in (basic("reader:p"), "Bearer t"):
                self.assertEqual(ask(agent, path, Authorization=right)[0], 200, (path, right))
        address = agent.url.removeprefix("http://")
        self.assertEqual(self.health("--address", address).returncode, 0)
        self.stop(agent)

    def test_over_tls_nothing_is_said_in_clear_and_certificates_are_rotated(self):
        pki = self.pki()
        agent = self.served(tls={"cert": self.crt, "key": self.key}, bearer="t")
        trusted = ssl.create_default_context(cafile=pki.crt)
        self.assertTrue(agent.url.startswith("https://"), agent.url)
        self.assertEqual(ask(agent, "/healthz", trusted)[0], 200)
        self.assertEqual(ask(agent, "/metrics", trusted)[0], 401)
        self.assertIn("strata_build_info", ask(agent, "/metrics", trusted,
                                               Authorization="Bearer t")[1])
        with self.assertRaises(urllib.error.URLError):
            ask(agent, "/healthz", ssl.create_default_context())
        old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        old.load_verify_locations(pki.crt)
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(urllib.error.URLError):
            ask(agent, "/healthz", old)
        with self.assertRaises(OSError):
            urllib.request.urlopen(agent.url.replace("https", "http") + "/healthz", timeout=10)
        address = agent.url.removeprefix("https://")
        self.assertEqual(self.health("--address", address, "--tls").returncode, 0)
        self.assertEqual(self.health("--address", address).returncode, 1)

        other = Authority(os.path.join(self.folder, "other"))
        crt, key = other.certificate("server", "/CN=agent", NAMES)
        shutil.copy(crt, self.crt)    # without its key: the old one goes on
        wait_for(lambda: ask(agent, "/healthz", trusted)[0] == 200 and
                 "the certificate of before goes on" in agent.err(),
                 what="a half rotation is told of")
        shutil.copy(key, self.key)
        trusts_other = ssl.create_default_context(cafile=other.crt)
        wait_for(lambda: self.is_trusted(agent, trusts_other), what="the new certificate is shown")
        self.stop(agent)

    def is_trusted(self, agent, context):
        try:
            return ask(agent, "/healthz", context)[0] == 200
        except urllib.error.URLError:
            return False

    def test_a_certificate_of_the_right_authority_opens(self):
        pki = self.pki()
        agent = self.served(tls={"cert": self.crt, "key": self.key, "client_ca": pki.crt})
        self.assertEqual(ask(agent, "/healthz", ssl.create_default_context(cafile=pki.crt))[0], 200)
        self.assertEqual(ask(agent, "/metrics", ssl.create_default_context(cafile=pki.crt))[0], 401)
        context = ssl.create_default_context(cafile=pki.crt)
        context.load_cert_chain(*pki.certificate("reader", "/CN=reader"))
        self.assertEqual(ask(agent, "/metrics", context)[0], 200)
        stranger = ssl.create_default_context(cafile=pki.crt)
        stranger.load_cert_chain(*Authority(os.path.join(self.folder, "other")).certificate(
            "reader", "/CN=reader"))
        with self.assertRaises(OSError):
            ask(agent, "/metrics", stranger)
        self.stop(agent)

    def test_a_start_with_files_that_cannot_be_used_says_which(self):
        targets = self.targets(1, 10)
        agent = self.agent(harness.config(targets.targets, agent={"web": {"tls": {
            "cert": "/nowhere.crt", "key": "/nowhere.key"}}}), listens=False)
        wait_for(lambda: not agent.running(), what="it ends")
        self.assertIn("/nowhere.crt", agent.err())


if __name__ == "__main__":
    harness.main(needs=["openssl"])
