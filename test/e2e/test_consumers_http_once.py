# SPDX-License-Identifier: Apache-2.0
"""test_consumers_http_once.py - docs/CONSUMERS.md: the stores that the agent itself writes to."""
import subprocess, sys, time

import books
import consumers
import exposed
import harness
import receivers


class Http(harness.Case):
    def start(self, name, server, pages):
        return consumers.start_agent(self, name, pages, STORE_URL=server.base)

    def finish(self, agent, pages):
        pages.more(4)
        pages.close()
        self.wait_for(lambda: books.in_memory(agent.metrics()) == 0, 20, "all is delivered")
        self.assertEqual(self.stop(agent)["lost"], 0)

    def tame(self):
        """Values of a series are alike: VictoriaMetrics keeps those of a block as decimals of one
        power of ten."""
        return consumers.Pages(self, series=0)

    def plain(self, samples):
        return exposed.plain(samples, consumers.ADDED)

    def in_victoria_metrics(self, name, words=dict):
        victoria = self.keep(receivers.VictoriaMetrics(self.folder))
        pages = self.tame()
        self.finish(self.start(name, victoria, pages), pages)
        want = words(pages.want)
        self.wait_for(lambda: set(self.plain(victoria.samples())) == set(want))
        exposed.compare_decimals(self, self.plain(victoria.samples()), want)

    def test_victoria_metrics_by_remote_write(self):
        self.in_victoria_metrics("remote_write.yaml")

    def test_victoria_metrics_by_influx_lines(self):
        self.in_victoria_metrics("influx.yaml", exposed.in_influx_words)

    def test_victoria_metrics_by_json_lines_of_a_queue(self):
        victoria = self.keep(receivers.VictoriaMetrics(self.folder))
        nats = self.nats()
        pages = self.tame()
        agent = consumers.start_agent(self, "jetstream.yaml", pages, NATS_URL=nats.url)
        self.finish(agent, pages)
        lines = b"".join(m.data for m in self.client(nats).read_stream("METRICS"))
        done = subprocess.run([sys.executable, consumers.path("json_to_import.py")], input=lines,
                              capture_output=True, timeout=30)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(victoria.request("/api/v1/import", done.stdout), (204, ""))
        self.wait_for(lambda: set(self.plain(victoria.samples())) == set(pages.want))
        exposed.compare_decimals(self, self.plain(victoria.samples()), pages.want)

    def test_prometheus_by_remote_write_bit_for_bit_though_it_dies(self):
        prometheus = self.keep(receivers.Prometheus(self.folder))
        pages = consumers.Pages(self)
        agent = self.start("remote_write.yaml", prometheus, pages)
        self.wait_for(lambda: books.delivered(agent.metrics()) > 100, what="delivery")
        prometheus.end()
        pages.more()
        prometheus = self.keep(receivers.Prometheus(self.folder, prometheus.base.rpartition(":")[2]))
        self.finish(agent, pages)
        later = max(int(time.time() * 1000), pages.began + 1000 * pages.served)
        exposed.compare(self, self.plain(prometheus.samples(later)), pages.want)

    def test_a_pushgateway_holds_the_last_scrape_and_then_that_there_was_none(self):
        gateway = self.keep(receivers.Pushgateway(self.folder))
        page, want = exposed.page(int(time.time() * 1000), 60)
        pages = self.pages({"/metrics": page})
        agent = consumers.start_agent(self, "pushgateway.yaml", pages, STORE_URL=gateway.base)
        want = {(name, labels, 0): v for (name, labels, _), v in want.items()}
        want["odd_values", (("i", "1"),), 0] = receivers.bits("0")    # its page shows -0 as 0

        def held():
            own = ("push_time_seconds", "push_failure_time_seconds", "go_", "process_", "pushgateway_")
            return {k: v for k, v in self.plain(gateway.samples()).items()
                    if not k[0].startswith(own)}
        self.wait_for(lambda: len(held()) >= len(want), what="the page is there")
        exposed.compare(self, held(), want)
        pages.pages["/metrics"] = (503, {}, b"")
        self.wait_for(lambda: held() == {}, what="what is no more is gone")
        ups = [v for (name, labels, _), v in gateway.samples().items() if name == "up"]
        self.assertEqual(ups, [receivers.bits("0")])
        self.stop(agent)


if __name__ == "__main__":
    harness.main(needs=["victoria-metrics", "prometheus", "prometheus-pushgateway", "nats-server"])
