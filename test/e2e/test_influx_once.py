# SPDX-License-Identifier: Apache-2.0
"""What influxd holds of the lines that the encoder influx makes."""
import time

import exposed
import harness
import receivers


class Influx(harness.Case):
    def test_each_sample_arrives_bit_for_bit(self):
        influx = self.keep(receivers.Influx(self.folder))
        now = int(time.time() * 1000)
        page, want = exposed.page(now)
        for precision in ("ns", "us", "ms"):
            body = exposed.encode(self, {"influx": {"precision": precision}}, page)
            self.assertEqual(influx.write(body, precision.replace("us", "u")), (204, ""))
            exposed.compare(self, exposed.plain(influx.samples()), exposed.in_influx_words(want))
        self.assertEqual(len([k for k in influx.samples() if k[0] == "up"]), 3)

    def test_seconds_and_one_measurement_for_all(self):
        influx = self.keep(receivers.Influx(self.folder))
        page = 'a{x="y"} 1.5 1700000000999\n'
        body = exposed.encode(self, {"influx": {"precision": "s", "measurement": "all"}}, page)
        self.assertEqual(influx.write(body, "s"), (204, ""))
        held = exposed.plain(influx.samples())
        self.assertEqual(held["all.a", (("x", "y"),), 1700000000000], receivers.bits(1.5))

    def test_what_no_escape_can_say(self):
        """It arrives in other words, and spoils nothing behind it."""
        influx = self.keep(receivers.Influx(self.folder))
        page = ('a{x="C:\\\\"} 1 1000\na{x="two\\nlines"} 2 1000\na{x="cr\r",y="b"} 3 1000\n'
                'a{x="NaN"} NaN 1000\nz 4 1000\nb{time="t"} 5 1000\n')
        body = exposed.encode(self, {"influx": {}}, page)
        self.assertEqual(influx.write(body, "ns"), (204, ""))
        self.assertEqual(exposed.plain(influx.samples()), {
            ("a", (("x", "C:_"),), 1000): receivers.bits(1),
            ("a", (("x", "two\\nlines"),), 1000): receivers.bits(2),
            ("a", (("x", "cr\\r"), ("y", "b")), 1000): receivers.bits(3),
            ("z", (), 1000): receivers.bits(4),
            ("b", (("time_", "t"),), 1000): receivers.bits(5)})


if __name__ == "__main__":
    harness.main(needs=["influxd"])
