# SPDX-License-Identifier: Apache-2.0
"""test_hostile.py - what targets may do on purpose: each has one named reason, stays within the memory that the
limits allow, and makes no other target wait.

Runs in a network of its own where it can, so that the address of a cloud's metadata is this machine.
"""
import gzip, itertools, json, os, random, resource, subprocess, time

import books
import harness
import hostile
import netns
import page_server
import pki
from process import SLOW, die_with_parent

OK = "fine 1\n"
LONG = "x" * 10_000_000
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
NOISE = random.Random(7).randbytes(100_000)
METADATA = "169.254.169.254"
MIB = 1 << 20
NEIGHBOURS, ROUNDS = 10, 2
SECOND = 1 if SLOW == 1 else 5    # of the neighbours; sanitizers make pages slow to read


def labels(n):
    return "a{" + ",".join(f'l{i}=""' for i in range(n)) + "} 1\n"


def series(block, n=4000):
    return "".join(f'a{{i="{block * n + i}"}} 1\n' for i in range(n)).encode()


def redirect(to):
    return hostile.page("", f"Location: {to}", status="302 Found")


def whole(page):
    return page if isinstance(page, bytes) else hostile.page(page)


chunked = hostile.head("Transfer-Encoding: chunked")
squeezed = gzip.compress(OK.encode() * 1000)

# path: answer, reason, and words that /targets says of it
FAILED = {
    "/never-answers": (hostile.silent, "timeout", "0 bytes came"),
    "/a-byte-a-second": (hostile.dripping(hostile.page(OK * 9), 100), "timeout", "no whole answer"),
    "/a-byte-of-headers-a-second": (hostile.dripping(hostile.page(OK)), "timeout", "no whole answer"),
    "/endless-body": (hostile.endless(lambda i: b"a 1\n" * 16384), "too_large", "limits.body"),
    "/ten-million-series": (hostile.endless(series), "too_large", "limits.body"),
    "/gzip-bomb": (hostile.bomb(200), "too_large", "limits.body"),
    "/length-of-an-exabyte": (hostile.page(OK, length=10 ** 18), "broken", "remaining to read"),
    "/ten-mb-line-alone": (hostile.page(f'a{{x="{LONG}"}} 1\n'), "format", "the line is too long"),
    "/binary-junk": (hostile.page(NOISE), "format", "line 1"),
    "/every-byte": (hostile.page(bytes(range(256)) * 400), "format", "line 1, column 1"),
    "/a-page-for-people": (hostile.page("<!doctype html>\n<p>Sign in.</p>\n", content_type="text/html"),
                           "format", "line 1, column 1"),
    "/length-too-long": (hostile.page(OK, length=100), "broken", "93 bytes remaining"),
    "/length-too-long-and-held": (hostile.held(hostile.page(OK, length=100)), "timeout", "7 bytes came"),
    "/length-negative": (hostile.page(OK, length=-1), "broken", "Content-Length"),
    "/length-no-number": (hostile.page(OK, length="many"), "broken", "Content-Length"),
    "/length-too-short-for-openmetrics": (
        hostile.page("# TYPE a gauge\na 12345\n# EOF\n", length=20, content_type=OPENMETRICS), "format", "# EOF"),
    "/nul-in-openmetrics": (hostile.page("a 1\n\0\n# EOF\n", content_type=OPENMETRICS), "format", "line 2, column 1"),
    "/cr-lf-in-openmetrics": (hostile.page("a 1\r\n# EOF\r\n", content_type=OPENMETRICS), "format", "line 1, column 4"),
    "/two-lengths": (hostile.page(OK, "Content-Length: 9"), "broken", ""),
    "/closes-mid-body": (chunked + b"7\r\nfine 1\n\r\n", "broken", "outstanding read data"),
    "/chunk-no-number": (chunked + b"xyz\r\nfine 1\n\r\n0\r\n\r\n", "broken", "hexadecimal"),
    "/chunk-too-large": (chunked + b"f" * 19 + b"\r\nfine 1\n\r\n0\r\n\r\n", "broken", "hexadecimal"),
    "/no-gzip": (hostile.page(OK, "Content-Encoding: gzip"), "broken", "header check"),
    "/unknown-encoding": (hostile.page(OK, "Content-Encoding: bogus"), "broken", "encoding that was not asked for: bogus"),
    "/cut-gzip": (hostile.page(squeezed[:len(squeezed) // 2], "Content-Encoding: gzip"), "broken", "gzip is cut short"),
    "/cut-gzip-trailer": (hostile.page(squeezed[:-1], "Content-Encoding: gzip"), "broken", "gzip is cut short"),
    "/gzip-of-nothing": (hostile.page("", "Content-Encoding: gzip"), "broken", "gzip is cut short"),
    "/gzip-other-checksum": (hostile.page(squeezed[:-8] + b"abcd" + squeezed[-4:], "Content-Encoding: gzip"), "broken",
                             "data check"),
    "/500": (hostile.page(OK, status="500 Oops"), "status", "500"),
    "/204": (hostile.head(status="204 No Content"), "status", "204"),
    "/redirect-to-metadata": (redirect(f"http://{METADATA}/latest/meta-data/"), "status", "302"),
    "/header-flood": (hostile.endless_headers, "headers", "16384"),
    "/one-long-header": (hostile.head("X: " + "x" * 300_000), "headers", "16384"),
    "/interim-answers": (b"HTTP/1.1 100 Continue\r\n\r\n" * 9999 + hostile.page(OK), "headers", "16384"),
    "/no-http": (OK.encode(), "broken", "HTTP/0.9"),
    "/noise": (NOISE[:1000], "broken", "HTTP/0.9"),
    "/nothing": (b"", "broken", "Empty reply"),
}

# path: page or answer, samples that are good, bad lines, {reason: refused samples}
SALVAGED = {
    "/ten-mb-line": (f'a{{x="{LONG}"}} 1\n' + OK, 1, 1, {}),
    "/million-labels": (labels(1_000_000) + OK, 1, 1, {}),
    "/thousand-labels": (labels(1000) + OK, 1, 0, {"max_labels": 1}),
    "/long-name": ("a" * 513 + " 1\n" + OK, 1, 0, {"max_name_bytes": 1}),
    "/long-value": (f'a{{x="{"v" * 4097}"}} 1\n' + OK, 1, 0, {"max_value_bytes": 1}),
    "/length-too-short": (hostile.page("fine 1\nother 12345\n", length=15), 2, 0, {}),    # "other 12" is all it says
    "/no-length-and-cut": (hostile.head() + b"fine 1\nother 12", 1, 1, {}),
    "/nul-bytes": ('fine 1\n\0\nbad\0 1\nb{x="\0"} 1\nc 1\0\n', 1, 4, {}),
    "/cr-lf": ("fine 1\r\nb 2\r\n# TYPE c gauge\r\nc 3\r\n", 3, 0, {}),
    "/cr-lf-mix": ("fine 1\n\rb 2\r\r\nc\r 3\n\r\nd\r4\ne 5\r\n", 2, 3, {}),
    "/one-series-a-thousand-times": (OK * 1000, 1, 0, {"series_twice": 999}),
}


def collisions(first, second, count):
    """Texts of one hash wherever it is a polynomial in which both have one."""
    length = count.bit_length() - 1
    return ["".join(pair) for pair in itertools.product((first, second), repeat=length)]


class Hostile(harness.Case):
    def hostile(self, answers, **more):
        return self.keep(hostile.Server(answers, **more))

    def config(self, urls, interval=3 * SECOND, sources=(), **more):
        source = {"interval": f"{interval}s", "timeout": f"{interval - 1}s", "http": {"gzip": True}}
        return harness.config(sources=[
            {"name": "hostile", "static": {"targets": urls}, "pool": "main", **source}, *sources],
            sinks=[{"name": "queue", "file": {"path": os.path.join(self.folder, "out")}}], **more)

    def check_failed(self, shown, url, reason, words):
        self.assertEqual(books.target_failure(shown[url]), reason, (url, shown[url]))
        self.assertIn(words, books.target_error(shown[url]), url)

    def check_gaps(self, neighbours):
        """From scrape to scrape of each neighbour, and from scrape to arrival."""
        seen = {}
        with open(os.path.join(self.folder, "out"), errors="replace") as f:
            for line in f:
                if '"name":"up"' in line and '"job":"good-' in line:
                    o = json.loads(line)
                    self.assertEqual(o["value"], 1, line)
                    h, m, s = o["timestamp"][11:-1].split(":")
                    seen.setdefault(o["tags"]["n"], []).append(int(h) * 3600 + int(m) * 60 + float(s))
        self.assertEqual(len(seen), len(neighbours))
        gaps = [(b - a) % 86400 for times in seen.values() for a, b in zip(times, times[1:])]
        self.assertGreater(len(gaps), NEIGHBOURS * 3)
        self.assertLess(max(gaps), 1.5 * SECOND)    # one that was left out would be 2

    def test_each_has_its_reason_and_neighbours_are_on_time(self):
        server = self.hostile({**{path: case[0] for path, case in FAILED.items()},
                               **{path: whole(case[0]) for path, case in SALVAGED.items()}})
        good = self.targets(NEIGHBOURS, 200)
        agent = self.agent(self.config([server.url(path) for path in server.answers], sources=[
            {"name": f"good-{i}", "static": {"targets": [url], "labels": {"n": str(i)}}, "pool": "main",
             "interval": f"{SECOND}s"} for i, url in enumerate(good.targets)]))

        def tried():
            shown = agent.targets()
            return all(shown[server.url(path)]["scrapes"] >= ROUNDS for path in server.answers) and shown
        shown = self.wait_for(tried, 30, "each is tried twice")
        for path, (_, reason, words) in FAILED.items():
            self.check_failed(shown, server.url(path), reason, words)
        for path, (_, samples, lines_bad, refused) in SALVAGED.items():
            entry = shown[server.url(path)]
            self.assertEqual((books.target_health(entry), entry["samples"], entry["lines_bad"],
                              entry["samples_refused"]),
                             ("up", samples, lines_bad, sum(refused.values())), (path, entry))
            self.assertTrue(all(reason in str(entry) for reason in refused), (path, entry))
        metrics = self.balanced(agent)
        self.assertEqual(set(books.failed(metrics)), {reason for _, reason, _ in FAILED.values()})
        self.assertEqual(set(books.refused(metrics)), {r for *_, refused in SALVAGED.values() for r in refused})
        self.assertEqual(books.stale(metrics), 0)
        self.assertEqual(sum(books.dropped(metrics).values()), 0)
        self.stop(agent)
        self.check_gaps(good.targets)

    def peaks(self, urls):
        """Of the memory of agents that scrape one of these each, all at a time."""
        agents = [self.agent(self.config([url], 2), name=f"agent-{i}") for i, url in enumerate(urls)]
        for agent in agents:
            self.wait_for(lambda: all(t["scrapes"] >= 2 for t in agent.targets().values()), 30, "two scrapes")
        peaks = [agent.peak_memory() for agent in agents]
        for agent in agents:
            self.stop(agent)
        return peaks

    def test_memory_is_what_the_limits_allow(self):
        """Beside what an idle agent takes: one body, which may be copied once as it grows, and a page."""
        if SLOW != 1:
            self.skipTest("sanitizers have memory of their own")
        body, page, spare = 16 * MIB, 64 * MIB, 4 * MIB
        answers = {path: FAILED[path][0] for path in (
            "/endless-body", "/ten-million-series", "/gzip-bomb", "/length-of-an-exabyte", "/ten-mb-line-alone",
            "/binary-junk", "/header-flood", "/one-long-header", "/interim-answers")}
        answers.update({path: hostile.page(SALVAGED[path][0]) for path in (
            "/ten-mb-line", "/million-labels", "/one-series-a-thousand-times")})
        million = b"".join(series(i) for i in range(230))
        answers["/a-body-full-of-series"] = hostile.page(million)
        server = self.hostile({"/good": hostile.page(OK), **answers})
        idle, *peaks = self.peaks(map(server.url, server.answers))
        self.assertLess(idle, 40 * MIB)
        peaks = {path: peak - idle for path, peak in zip(answers, peaks)}
        print({path: f"{peak / MIB:.1f} MiB" for path, peak in peaks.items()})
        for path, peak in peaks.items():
            self.assertLess(peak, body + spare + (page if path == "/a-body-full-of-series" else 0), path)

    def seconds(self, text):
        """Of CPU time, for one scrape of that page and its messages."""
        pages = self.pages({"/metrics": text})
        config = os.path.join(self.folder, "scrape.yaml")
        with open(config, "w") as f:
            f.write(harness.text_of(harness.config([pages.url()])))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([harness.AGENT, "scrape", pages.url(), "-c", config], stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, timeout=60 * SLOW, preexec_fn=die_with_parent)
        self.assertEqual(done.returncode, 0, done.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def test_colliding_names_cost_what_others_cost(self):
        """Texts that have one value in the hashes with 31 (Java) and 33 (Bernstein) cost no more than as many
        of the same length."""
        plain = [f"{i:028d}" for i in range(1 << 14)]
        lines = "".join(f'a{{x="v{text}"}} 1\n' for text in plain)
        fair = self.seconds(lines)
        for first, second in (("Aa", "BB"), ("bA", "ab")):
            texts = collisions(first, second, 1 << 14)
            self.assertEqual((len(texts), len(set(texts)), len(texts[0])), (1 << 14, 1 << 14, 28))
            self.assertLess(self.seconds("".join(f'a{{x="v{t}"}} 1\n' for t in texts)), 2 * fair + 0.3)
            self.assertLess(self.seconds("".join(f"v{t} 1\n" for t in texts[:9000])), 2 * fair + 0.3)
            names = ",".join(f'{t}="1"' for t in texts[:60])
            self.assertLess(self.seconds("".join(f'a{i}{{{names}}} 1\n' for i in range(500))), 4 * fair + 0.3)

    def test_tls_with_a_wrong_name_or_none_at_all(self):
        authority = pki.Authority(os.path.join(self.folder, "pki"))
        tls = page_server.tls_server(*authority.certificate("else", "/CN=else", ["DNS:else.example"]))
        named = self.hostile({"/": hostile.page(OK)}, tls=tls)
        plain = self.hostile({"/": hostile.page(OK)})
        mute = self.hostile({"/": hostile.page(OK)})
        plain.answer = hostile.held(hostile.page(OK))
        mute.answer = hostile.silent
        no_tls = [f"https://127.0.0.1:{s.port}/" for s in (plain, mute)]
        conf = self.config([named.url("/"), *no_tls])
        conf["sources"][0]["http"]["tls"] = {"ca": authority.crt}
        agent = self.agent(conf)

        def shown():
            entries = agent.targets()
            return all(books.target_failure(e) for e in entries.values()) and entries
        entries = self.wait_for(shown, 30, "all have failed")
        self.check_failed(entries, named.url("/"), "tls", "127.0.0.1")
        self.check_failed(entries, no_tls[0], "tls", "")
        self.check_failed(entries, no_tls[1], "timeout", "0 bytes came")
        self.assertEqual(dict(named.times), {})
        self.stop(agent)

    def test_nobody_is_led_to_another_address(self):
        if NO_NETWORK:
            self.assertNotEqual(os.environ.get("STRATA_REQUIRE"), "all", NO_NETWORK)
            self.skipTest(NO_NETWORK)
        metadata = self.hostile({}, address=(METADATA, 80))
        metadata.answers["/latest"] = metadata.answers["/"] = hostile.page(OK)
        to = f"http://{METADATA}/latest"
        server = self.hostile({f"/{i}": answer for i, answer in enumerate(
            [redirect(to)] + [hostile.page("", f"Location: {to}", status=status) for status in
                              ("301 Moved", "303 See", "307 Temporary", "308 Permanent", "201 Created", "300 Which",
                               "305 Proxy")] + [
                hostile.page(OK, f"Refresh: 0; url={to}", f"Location: {to}", f"Alt-Svc: h2=\"{METADATA}:80\"",
                             f"Link: <{to}>; rel=preload", "Strict-Transport-Security: max-age=99")])})
        agent = self.agent(self.config([server.url(path) for path in server.answers], SECOND + 1))
        self.wait_for(lambda: all(t["scrapes"] >= 3 for t in agent.targets().values()), 20, "three rounds")
        shown = agent.targets()
        for path in server.answers:
            failure = books.target_failure(shown[server.url(path)])
            self.assertEqual(failure, "status" if path != "/8" else None, path)
        self.stop(agent)
        self.assertEqual((metadata.connections, dict(metadata.times)), (0, {}))
        # And it would have been seen.
        self.assertEqual(harness.http_get(to)[0], 200)
        self.assertEqual(metadata.connections, 1)


def make_network():
    """None, or why the metadata address cannot be this machine's."""
    why = netns.enter()
    if not why:
        netns.ip([f"address add {METADATA}/32 dev lo"])
    return why


if __name__ == "__main__":
    NO_NETWORK = make_network()
    harness.main(needs=["openssl"])
