# SPDX-License-Identifier: Apache-2.0
"""test_k8s_load_once.py - 500 pods, of which 50 change each second."""
import cluster
import k8s_load


class Load(k8s_load.Many):
    def test_500_pods_and_50_changes_a_second(self):
        figures = self.run_load()
        print(figures)
        self.check(figures)


if __name__ == "__main__":
    cluster.main()
