# SPDX-License-Identifier: Apache-2.0
"""test_k8s_restart_long.py - the API server dies several times, and is silent for minutes."""
import cluster
import k8s
import test_k8s_restart_once


class Long(test_k8s_restart_once.Restart):
    DEATHS = 4

    def test_a_server_that_is_silent_counts_as_gone(self):
        self.account(k8s.OWN_NODE)
        page, late = self.page(), self.page()
        self.pod("web", page)
        agent = self.start_agent(self.source(node=self.node), "agent")
        self.follows(agent, page.url())
        self.cluster.api_process.freeze()
        try:
            error = self.wait_for(lambda: self.source_error(agent), 100, "silence is noticed")
            self.assertRegex(error, "no byte for 90 s|not done within|timeout|timed out")
            count = page.count()
            self.wait_for(lambda: page.count() > count + 2, what="scraping goes on")
        finally:
            self.cluster.api_process.thaw()
        self.pod("late", late)
        self.follows(agent, page.url(), late.url(), timeout=test_k8s_restart_once.AWAY_S)
        self.works(agent, 20)
        self.assertFalse([o for o in self.samples() if "ended" in o])
        self.stop(agent)


if __name__ == "__main__":
    cluster.main(in_netns=True)
