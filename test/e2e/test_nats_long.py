# SPDX-License-Identifier: Apache-2.0
"""test_nats_long.py - a minute of 20 targets with 1,000 series each, the server killed twice."""
import harness
from chaos import Chaos


class Long(Chaos):
    TARGETS, SAMPLES, INTERVAL, SECONDS, KILLS = 20, 1000, 1, 60, 2

    def test_two_deaths_of_the_server_in_a_minute_cost_nothing(self):
        self.survive()


if __name__ == "__main__":
    harness.main(needs=["nats-server"])
