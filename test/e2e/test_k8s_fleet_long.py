# SPDX-License-Identifier: Apache-2.0
"""test_k8s_fleet_long.py - the watches of 200 agents at an API server that was away."""
import cluster
import k8s_fleet
import long_doc

ABOUT = """The watches of 200 agents, each of its own node's pods, at a real API server. They start all at once as
soon as a server that was killed is back. Then it is killed under them and started again when all have asked
in vain, and once more with an etcd that has forgotten what they have not seen yet: all of them get 410 and
list anew. (Some do so at any restart, for the server knows nothing of what was before it began.) Synced is
who has heard of a change that was made at its node when the server was back; the time runs from the start of
the server, or of the watches. Meanwhile somebody else asks the server for a namespace, 50 times a second at
most."""


class Long(k8s_fleet.Many):
    LATEST_GET_MS, GETS = 2000, 200

    def test_200_watches_come_back_and_the_server_stays_responsive(self):
        self.prepare()
        figures = {"watches": self.CLIENTS, "pods": self.PODS}
        figures |= self.figures_of("all start", self.all_start, True)
        figures |= self.figures_of("server killed", self.server_dies, False)
        before = self.fleet.expired()
        figures |= self.figures_of("server killed, history lost", self.server_dies, True)
        figures["peak resident memory of the API server, MiB"] = \
            self.cluster.api_process.peak_memory() >> 20
        long_doc.write("200 watches", ABOUT, figures)
        self.check(figures, "all start", 1.5)
        self.check(figures, "server killed", 3, 0.5)
        self.check(figures, "server killed, history lost", 3, 0.5)
        self.assertEqual(self.fleet.expired(), {client: n + 1 for client, n in before.items()})


if __name__ == "__main__":
    cluster.main()
