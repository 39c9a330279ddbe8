# SPDX-License-Identifier: Apache-2.0
"""test_faults.py - targets that misbehave cost themselves, by name; the others stay on time."""
import html, time

import books
import harness
from process import SLOW

# path: the reason in the books, and what /targets says of it
HOSTILE = {
    "/hang": "timeout",
    "/dribble": "timeout",
    "/slowheaders": "timeout",
    "/large": "too_large",
    "/large?bytes=8000000": "too_large",
    "/cut": "broken",
    "/status?code=503": "status",
    "/status?code=404": "status",
    "/redirect": "status",
    "/html": "format",
    "/hugeheaders": "headers",
}
GOOD = 10
INTERVAL = 4 if SLOW == 1 else 8    # seconds; a scrape has time for its own fault on a busy machine


class Faults(harness.Case):
    def run_hostile(self, paths, **more):
        server = self.targets(GOOD, 200)
        urls = {server.url(path): reason for path, reason in paths.items()}
        pool = {"limits": {"body": "1MiB"}, **more.pop("pool", {})}
        conf = harness.config([*server.targets, *urls], pool=pool,
                              sinks=[{"name": "queue", "file": {"path": "/dev/null"}}],
                              source={"interval": f"{INTERVAL}s", "timeout": f"{INTERVAL - 1}s",
                                      **more})
        started = time.monotonic()
        return server, urls, self.agent(conf), started

    def test_each_fault_has_its_name_and_the_others_stay_on_time(self):
        server, urls, agent, started = self.run_hostile(HOSTILE)

        def all_failed():
            shown = agent.targets()
            return all(u in shown and books.target_health(shown[u]) == "down" for u in urls) and shown
        shown = self.wait_for(all_failed, 30, "each hostile target is down")
        for url, reason in urls.items():
            self.assertTrue(books.target_error(shown[url]), url)
            self.assertEqual(books.target_failure(shown[url]), reason, url)
        for url in server.targets:
            self.assertEqual(books.target_health(shown[url]), "up", url)
        at_start = books.dropped(agent.metrics())    # before the pool was there
        self.wait_for(lambda: min(server.stats()["served"]) >= 4, 30, "four rounds")
        elapsed = time.monotonic() - started
        metrics = agent.metrics()
        failed = books.failed(metrics)
        self.assertEqual(set(failed), set(urls.values()))
        for reason in set(urls.values()):
            expected = sum(r == reason for r in urls.values())
            self.assertGreaterEqual(failed[reason], 2 * expected, reason)
        # Nobody was late for the others' sake, and each good target was scraped as often as due.
        self.assertEqual(books.dropped(metrics), at_start)
        for count in server.stats()["served"]:
            self.assertGreaterEqual(count, int(elapsed / INTERVAL) - 1)
        self.balanced(agent)
        self.stop(agent)

    def test_the_names_are_on_targets_and_on_the_page_for_people(self):
        server, urls, agent, _ = self.run_hostile(HOSTILE)
        shown = self.wait_for(
            lambda: (s := agent.targets()) and all(u in s and s[u]["last_failure"] for u in urls) and
            all(s[u]["scrapes"] for u in server.targets) and s, 30, "failures on /targets")
        self.assertEqual({u: books.target_failure(shown[u]) for u in urls}, urls)
        self.assertEqual({books.target_failure(shown[u]) for u in server.targets}, {None})

        def page_of_a_moment():
            """The page, with the errors of before and after, when those are the same."""
            before, page, after = agent.targets(), agent.get("/"), agent.targets()
            errors = {u: books.target_error(before[u]) for u in urls}
            return errors == {u: books.target_error(after[u]) for u in urls} and (errors, page)
        errors, (status, headers, page) = self.wait_for(page_of_a_moment, what="no scrape ends")
        self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, "text/html"))
        for url, error in errors.items():
            row, = [r for r in page.split("<tr>") if html.escape(url) + "<" in r]
            self.assertIn(error, html.unescape(row))
            self.assertIn(">down<", row)
        for url in server.targets:
            row, = [r for r in page.split("<tr>") if html.escape(url) + "<" in r]
            self.assertIn(">up<", row)
        self.stop(agent)

    def test_nobody_at_home(self):
        server = self.targets(1, 10)
        gone = self.pages({})
        url = gone.url()
        gone.end()
        agent = self.agent(harness.config([url, server.url(0)], sinks=[
            {"name": "queue", "file": {"path": "/dev/null"}}]))
        self.wait_for(lambda: books.failed(agent.metrics()).get("connect", 0) >= 2,
                      what="refused connections are counted")
        self.assertEqual(set(books.failed(agent.metrics())), {"connect"})
        self.assertEqual(books.target_health(agent.targets()[url]), "down")
        self.stop(agent)

    def test_a_gzip_bomb_is_too_large(self):
        server, urls, agent, _ = self.run_hostile({"/bomb": "too_large"}, http={"gzip": True})
        self.wait_for(lambda: books.failed(agent.metrics()).get("too_large", 0) >= 1,
                      20, what="the bomb is counted")
        self.assertEqual(set(books.failed(agent.metrics())), {"too_large"})
        self.stop(agent)

    def test_without_gzip_nobody_asks_for_the_bomb(self):
        server, urls, agent, _ = self.run_hostile({"/bomb": "none"})
        url, = urls
        self.wait_for(lambda: books.target_health(agent.targets()[url]) == "up", timeout=20, what="a good page")
        self.assertEqual(books.failed(agent.metrics()), {})
        self.stop(agent)

    def test_a_bad_line_costs_itself_and_is_shown_with_its_place(self):
        server, urls, agent, _ = self.run_hostile({"/badline": "none"})
        url, = urls
        self.wait_for(lambda: books.lines_bad(agent.metrics()) >= 1, what="the bad line is counted")
        entry = agent.targets()[url]
        self.assertEqual(books.target_health(entry), "up")
        self.assertIn("line 3", str(entry))
        self.assertEqual(books.failed(agent.metrics()), {})
        self.balanced(agent)
        self.stop(agent)

    def test_a_target_that_fails_now_and_then_goes_up_and_down(self):
        server = self.targets(1, 10)
        agent = self.agent(harness.config([server.url("/flap")]))
        self.wait_for(lambda: books.failed(agent.metrics()).get("status", 0) >= 2 and
                      books.scraped(agent.metrics()) >= 2, what="both outcomes")
        self.stop(agent)
        up = [o["value"] for o in harness.check_messages(self, "".join(
            line + "\n" for line in agent.out().splitlines() if '"name":"up"' in line))]
        self.assertEqual(up, ([1, 0] * len(up))[:len(up)])
        # One failure alone ends no series.
        self.assertNotIn('"ended":true', agent.out())

    def test_series_of_a_target_that_went_have_ended(self):
        server = self.targets(1, 10)
        agent = self.agent(harness.config([server.url("/gone?after=2")]))
        self.wait_for(lambda: sum(books.failed(agent.metrics()).values()) >= 2, what="two failures")
        self.wait_for(lambda: agent.out().count('"ended":true') >= 2, what="ended records")
        self.balanced(agent)
        self.stop(agent)
        ended = [line for line in agent.out().splitlines() if '"ended":true' in line]
        names = [o["name"] for o in harness.check_messages(self, "\n".join(ended))]
        self.assertEqual(names, ["fine_total", "fine_total"])

    def test_more_samples_than_allowed_are_refused_and_counted(self):
        server = self.targets(1, 200)
        agent = self.agent(harness.config([server.url(0)], pool={"limits": {"samples": 50}}))
        self.wait_for(lambda: books.scraped(agent.metrics()) >= 2, what="scrapes")
        metrics = self.balanced(agent)
        self.assertEqual(books.refused(metrics), {"max_samples": 150 * books.scraped(metrics)})
        self.stop(agent)


if __name__ == "__main__":
    harness.main()
