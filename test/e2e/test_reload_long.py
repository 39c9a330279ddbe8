# SPDX-License-Identifier: Apache-2.0
"""test_reload_long.py - three hundred reloads under load, one after the other."""
import harness
import test_reload


class Long(test_reload.UnderLoad):
    RELOADS = 300


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
