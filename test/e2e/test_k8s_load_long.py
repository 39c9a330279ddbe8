# SPDX-License-Identifier: Apache-2.0
"""test_k8s_load_long.py - 5,000 pods, of which 50 change each second for two minutes."""
import cluster
import k8s_load
import long_doc

ABOUT = """Pods at a real API server, with agents that follow them: one that takes all of them for targets, one
that keeps all and takes none (its memory, less that of an agent without pods, is that of the pods
kept), one with a single node's pods. Nothing is scraped. The lag is the time from a change to the
moment at which the agent has it."""


class Long(k8s_load.Many):
    PODS, NODES, RATE, SECONDS = 5000, 100, 50, 120

    def test_5000_pods_and_50_changes_a_second_for_two_minutes(self):
        figures = self.run_load()
        long_doc.write("5,000 pods", ABOUT, figures)
        self.check(figures)


if __name__ == "__main__":
    cluster.main()
