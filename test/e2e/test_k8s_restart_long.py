# SPDX-License-Identifier: Apache-2.0
"""test_k8s_restart_long.py - the API server dies several times."""
import cluster
import test_k8s_restart_once


class Long(test_k8s_restart_once.Restart):
    DEATHS = 4


if __name__ == "__main__":
    cluster.main(in_netns=True)
