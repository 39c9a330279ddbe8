# SPDX-License-Identifier: Apache-2.0
"""test_k8s_fleet_once.py - the watches of 20 agents, under which the API server dies and forgets."""
import signal

import cluster
import k8s_fleet


class Fleet(k8s_fleet.Many):
    CLIENTS, PODS, SPREAD_S, STEADY_S = 20, 100, 2, 0   # how they spread is for the long test

    def test_20_watches_that_lost_history_come_back(self):
        self.prepare()
        figures = self.figures_of("start", self.all_start, False)
        figures |= self.figures_of("410", self.server_dies, True)
        print(figures)
        self.check(figures, "start", most=1)
        self.check(figures, "410", most=6)
        self.assertEqual(self.fleet.expired(), dict.fromkeys(range(self.CLIENTS), 1))
        self.assertEqual(self.fleet.end(signal.SIGTERM), 0)


if __name__ == "__main__":
    cluster.main()
