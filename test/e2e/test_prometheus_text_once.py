# SPDX-License-Identifier: Apache-2.0
"""What a pushgateway and VictoriaMetrics hold of the pages that the encoder prometheus makes."""
import time

import exposed
import harness
import receivers


class Text(harness.Case):
    def test_a_pushgateway_holds_each_sample(self):
        gateway = self.keep(receivers.Pushgateway(self.folder))
        page, want = exposed.page(int(time.time() * 1000))
        body = exposed.encode(self, {"prometheus": {"timestamps": False}}, page)
        self.assertIn(b"# HELP odd_values Some \\\\ \\n help.\n# TYPE odd_values gauge\n", body)
        self.assertEqual(gateway.request("/metrics/job/pushed", body, method="PUT"), (200, ""))
        held = exposed.plain(gateway.samples())
        want = {(name, labels, 0): v for (name, labels, _), v in want.items()}
        want["odd_values", (("i", "1"),), 0] = receivers.bits("0")    # its page shows -0 as 0
        exposed.compare(self, {k: v for k, v in held.items() if k in want}, want)
        types = self.types(gateway)
        self.assertEqual([types[n] for n in ("odd_values", "odd_labels_total", "size", "any:value")],
                         ["gauge", "counter", "histogram", "untyped"])

    def types(self, gateway):
        lines = gateway.request("/metrics")[1].splitlines()
        return dict(line.split()[2:4] for line in lines if line.startswith("# TYPE "))

    def test_a_pushgateway_refuses_times_and_says_so(self):
        gateway = self.keep(receivers.Pushgateway(self.folder))
        body = exposed.encode(self, {"prometheus": {}}, "a 1 1000\n")
        status, text = gateway.request("/metrics/job/pushed", body, method="PUT")
        self.assertEqual((status, "timestamp" in text), (400, True), text)

    def test_victoria_metrics_holds_each_sample_at_its_time(self):
        victoria = self.keep(receivers.VictoriaMetrics(self.folder))
        page, want = exposed.page(int(time.time() * 1000))
        body = exposed.encode(self, {"prometheus": {}}, page)
        self.assertEqual(victoria.request("/api/v1/import/prometheus", body), (204, ""))
        self.wait_for(lambda: set(exposed.plain(victoria.samples())) == set(want))
        exposed.compare_decimals(self, exposed.plain(victoria.samples()), want)


if __name__ == "__main__":
    harness.main(needs=["prometheus-pushgateway", "victoria-metrics"])
