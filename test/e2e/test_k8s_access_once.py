# SPDX-License-Identifier: Apache-2.0
"""test_k8s_access_once.py - who the agent is to the API server: tokens that rotate, kubeconfigs, wrong ones."""
import os

import books
import cluster
import harness
import k8s
import kubeconfig
import pki


class Access(k8s.Case):
    def pod_is_found(self, source, env=None, name="agent"):
        """Started so, the agent finds a pod that is there and one that comes."""
        agent = self.start([source], env=env, name=name)
        self.synced(agent)
        page = self.page()
        self.pod(name, page)
        self.wait_for(lambda: page.url() in agent.targets(), k8s.SOON_S, f"{name}: the pod is found")
        self.stop(agent)

    def by_kubeconfig(self, user, name="agent", context="", ca=True):
        """A source that uses a kubeconfig with that user."""
        path = self.cluster.kubeconfig(f"{self.namespace}-{name}", user, embed_ca=ca)
        return self.source(node=self.node, api={"kubeconfig": path, "context": context})

    def test_each_kind_of_kubeconfig(self):
        c = self.cluster
        self.account(k8s.OWN_NODE)
        token = c.token(self.namespace, "agent")
        c.grant(self.namespace, k8s.OWN_NODE, name=self.namespace + "-user")
        crt, key = c.certificate(self.namespace, ["devs"])
        token_file = os.path.join(self.folder, "token")
        with open(token_file, "w") as f:
            f.write(token)
        script = os.path.join(self.folder, "credential")
        with open(crt) as crt_file, open(key) as key_file:
            pair = {"clientCertificateData": crt_file.read(), "clientKeyData": key_file.read()}
        users = {
            "token": kubeconfig.with_token(token),
            "token-file": kubeconfig.with_token_file(token_file),
            "certificate": kubeconfig.with_certificate(crt, key),
            "certificate-files": kubeconfig.with_certificate(crt, key, embed=False),
            "exec-token": kubeconfig.with_exec(script, {"token": token}),
            "exec-certificate": kubeconfig.with_exec(script + "-pair", pair),
            "exec-beta": kubeconfig.with_exec(script + "-beta", {"token": token}, "v1beta1"),
        }
        for i, (name, user) in enumerate(users.items()):
            with self.subTest(user=name):
                self.pod_is_found(self.by_kubeconfig(user, name, ca=i % 2 == 0), name=name)
        with open(script + ".runs") as f:
            self.assertEqual(f.read(), "run\n")
        who = {e.user for e in c.audit(self.namespace, resource="pods")}
        self.assertEqual(who, {self.namespace})

    def test_the_environment_names_the_kubeconfig_and_a_context_is_chosen(self):
        self.account(k8s.OWN_NODE)
        user = kubeconfig.with_token(self.cluster.token(self.namespace, "agent"))
        path = self.by_kubeconfig(user)["kubernetes"]["api"]["kubeconfig"]
        nowhere = os.path.join(self.folder, "nowhere")
        source = self.source(node=self.node, api={"context": "test"})
        self.pod_is_found(source, env={"KUBECONFIG": f"{nowhere}:{path}"})
        agent = self.start([self.source(node=self.node, api={"context": "other"})],
                           env={"KUBECONFIG": path}, name="other")
        self.wait_for(lambda: "127.0.0.1" in self.source_error(agent), what="nobody is there")
        self.assertEqual(agent.get("/readyz")[0], 503)
        self.stop(agent)

    def test_a_context_that_is_not_there_refuses_the_configuration(self):
        self.account(k8s.OWN_NODE)
        source = self.by_kubeconfig(kubeconfig.with_token("x"), context="gone")
        agent = self.start([source], listens_at_once=False)
        self.assertEqual(agent.wait(), 78)
        self.assertRegex(agent.err(), "context.*gone")
        agent = self.start([self.source(node=self.node)], name="second")
        self.synced(agent)
        agent.reload(harness.config(sources=[source]))
        self.assertEqual(books.reloads_failed(agent.metrics()), 1)
        self.assertRegex(agent.status()["config"]["last_reload_error"], "context.*gone")
        page = self.page()
        self.pod("web", page)
        self.follows(agent, page.url())
        self.stop(agent)

    def test_a_token_that_rotates_is_read_anew(self):
        c = self.cluster
        self.account(k8s.OWN_NODE)
        old, new = c.token(self.namespace, "agent", seconds=2), c.token(self.namespace, "agent")
        kubeconfig.write_account(self.account_folder, token="nobody-knows-it")
        agent = self.start([self.source(node=self.node)])
        self.wait_for(lambda: "401" in self.source_error(agent), what="the token is refused")
        kubeconfig.write_account(self.account_folder, token=old)
        self.synced(agent, 20)
        kubeconfig.write_account(self.account_folder, token=new)
        self.wait_for(lambda: c.api.request("GET", "/version", token=old)[0] == 401, 30,
                      "the old token has ended")
        page = self.page()
        self.pod("web", page, labels={"app": "x"})
        agent.reload(harness.config(sources=[
            self.source(node=self.node),
            self.source(name="more", node=self.node, selector={"matchLabels": {"app": "x"}})]))
        self.wait_for(lambda: {s["synced"] for s in agent.status()["sources"]} == {True},
                      what="the new watch has the new token")
        self.assertEqual(list(agent.targets()), [page.url()])
        for token in (old, new):
            self.assertNotIn(token, agent.err() + str(agent.status()))
        self.stop(agent)

    def test_an_exec_credential_is_fetched_again_when_it_ends(self):
        c = self.cluster
        self.account(k8s.OWN_NODE)
        script = os.path.join(self.folder, "credential")
        token = c.token(self.namespace, "agent")
        user = kubeconfig.with_exec(script, {"token": "nobody-knows-it"})
        agent = self.start([self.by_kubeconfig(user)])
        self.wait_for(lambda: "401" in self.source_error(agent), what="the credential is refused")
        kubeconfig.with_exec(script, {"token": token})
        self.synced(agent, 20)
        self.works(agent, timeout=20)
        self.stop(agent)

    def test_an_exec_plugin_that_fails_is_told_with_its_words(self):
        self.account(k8s.OWN_NODE)
        script = os.path.join(self.folder, "credential")
        user = kubeconfig.with_exec(script, {}, installHint="get it at the corner")
        with open(script, "w") as f:
            f.write("#!/bin/sh\necho 'no card in the reader' >&2\nexit 3\n")
        agent = self.start([self.by_kubeconfig(user)])
        error = self.wait_for(lambda: self.source_error(agent), what="the fault is shown")
        self.assertIn("no card in the reader", error)
        os.remove(script)
        self.wait_for(lambda: "get it at the corner" in self.source_error(agent), 20,
                      "the hint is shown")
        self.stop(agent)

    def test_a_wrong_authority_is_told_and_nothing_is_sent(self):
        self.account(k8s.OWN_NODE)
        other = pki.Authority(os.path.join(self.folder, "other"))
        with open(other.crt) as f:
            kubeconfig.write_account(self.account_folder, **{"ca.crt": f.read()})
        agent = self.start([self.source(node=self.node)])
        error = self.wait_for(lambda: self.source_error(agent), what="the fault is shown")
        self.assertRegex(error, "(?i)certificate|issuer")
        self.assertIn("ca.crt", error)
        self.assertEqual(agent.get("/readyz")[0], 503)
        self.assertEqual(self.asked(), [])
        self.stop(agent)

    def test_no_access_at_all_says_where_it_looked_and_goes_on_looking(self):
        self.account(k8s.OWN_NODE)
        folder, hidden = self.account_folder, self.account_folder + "-hidden"
        os.rename(folder, hidden)
        page = self.page(pages={"/metrics": k8s.PAGE})
        other = {"name": "list", "static": {"targets": [page.url()]}, "interval": "1s", "pool": "main"}
        agent = self.start([self.source(node=self.node), other])
        error = self.wait_for(lambda: self.source_error(agent), what="the fault is shown")
        self.assertIn(folder, error)
        self.wait_for(lambda: page.count() > 1, what="the other source goes on")
        os.rename(hidden, folder)
        self.synced(agent, 20)
        self.stop(agent)


if __name__ == "__main__":
    cluster.main()
