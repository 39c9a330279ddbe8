# SPDX-License-Identifier: Apache-2.0
"""test_k8s_fleet_once.py - the watches of 20 agents, under which the API server dies and forgets."""
import cluster
import k8s_fleet


class Fleet(k8s_fleet.Many):
    def test_20_watches_come_back_one_by_one(self):
        self.prepare()
        figures = self.figures_of("start", self.all_start, False)
        figures |= self.figures_of("410", self.server_dies, True)
        print(figures)
        self.check(figures, "start", 1, 1)
        self.check(figures, "410", 3, 1.5)
        expired = {line["client"]: line["expired"] for line in self.fleet.lines()}
        self.assertEqual(expired, dict.fromkeys(range(self.CLIENTS), 1))


if __name__ == "__main__":
    cluster.main()
