# SPDX-License-Identifier: Apache-2.0
"""test_documents.py - what a newcomer reads and installs, and the scripts that judge the sources."""
import glob, os, re, shutil, subprocess

import harness
from process import die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
WRITTEN_BY_DEV = {os.path.join(ROOT, "docs", "BENCHMARKS.md")}    # ./dev bench makes it
SETTING = re.compile(r"^( *)# ([a-z0-9_]+: .*)$")    # one behind a comment's mark


def read(*path):
    with open(os.path.join(ROOT, *path)) as f:
        return f.read()


def entries(text):
    """The pieces of a configuration that begin with a '- '."""
    return re.split(r"(?m)^(?=[ #]*- )", text)


def has_key(text, key):
    return re.search(rf"(?m)(^|[ {{]){key}:", text)


class Documents(harness.Case):
    def test_the_configurations_are_good(self):
        files = glob.glob(os.path.join(ROOT, "deploy", "*.yaml"))
        self.assertGreaterEqual(len(files), 3)
        env = {"NODE_EXPORTER": "127.0.0.1:9100", "NATS": "127.0.0.1:4222"}
        for path in files:
            done = self.run_agent("check-config", path, env=env)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_the_samples_in_the_documents_keep_the_contract(self):
        for name in ("README.md", os.path.join("docs", "MESSAGES.md")):
            with open(os.path.join(ROOT, name)) as f:
                lines = re.findall(r'(?m)^ *(\{"name":.*)$', f.read())
            self.assertTrue(lines, name)
            harness.check_messages(self, "\n".join(lines))

    def test_the_tests_that_security_names_are_there(self):
        folder = {"e2e": "test/e2e/test_{}.py", "test": "test/test_{}.c",
                  "fuzz": "test/fuzz/fuzz_{}.c", "integration": "test/integration/test_{}.c"}
        names = set(re.findall(r"`(e2e|test|fuzz|integration)_(\w+)`", read("SECURITY.md")))
        self.assertGreaterEqual(len(names), 30)
        for kind, name in names:
            path = os.path.join(ROOT, folder[kind].format(name))
            self.assertTrue(os.path.exists(path), path)

    def test_the_example_has_every_setting(self):
        """Each in the part of the file that it belongs to; behind a comment's mark will do."""
        parts = dict(re.findall(r"(?ms)^(agent|sources|pools|sinks):(.*?)(?=^\w|\Z)",
                                read("deploy", "example.yaml")))
        self.assertEqual(len(parts), 4)
        owner = {"filter": "pools", "encoder": "pools", "source": "sources", "sink": "sinks"}
        lines = self.run_agent("settings").stdout.splitlines()
        seen, texts, missing = 0, [], []
        for line in lines:
            heading = re.match(r"([a-z]+)(?: ([a-z_]+))? - ", line)
            setting = re.match(r"  ([A-Za-z0-9_.\[\]]+) +\S", line)
            if heading:
                of, kind = heading.groups()
                texts = [parts[owner.get(of, of)]]
                if of in owner:
                    texts = [t for t in entries(texts[0]) if has_key(t, kind)]
            elif setting:
                seen += 1
                keys = setting[1].replace("[]", "").split(".")
                if not any(all(has_key(t, key) for key in keys) for t in texts):
                    missing.append(f"{of} {kind or ''}: {setting[1]}")
        self.assertEqual(missing, [])
        self.assertEqual(seen, sum(line.startswith("  ") and line[2] != " " for line in lines))
        self.assertGreater(seen, 80)

    def test_what_the_example_comments_out_is_good(self):
        """Each run of such lines, put into force."""
        lines = read("deploy", "example.yaml").splitlines()
        path = os.path.join(self.folder, "example.yaml")
        runs = []
        for at, line in enumerate(lines):
            if SETTING.match(line):
                if runs and runs[-1][-1] == at - 1:
                    runs[-1].append(at)
                else:
                    runs.append([at])
        self.assertGreater(len(runs), 5)
        for run in runs:
            with open(path, "w") as f:
                f.write("\n".join(SETTING.sub(r"\1\2", line) if at in run else line
                                  for at, line in enumerate(lines)))
            done = self.run_agent("check-config", path)
            self.assertEqual(done.returncode, 0, (lines[run[0]], done.stderr))

    def test_files_are_shown_as_they_are(self):
        done = subprocess.run([os.path.join(ROOT, "scripts", "quote.py"), "--check",
                               os.path.join(ROOT, "docs", "CONSUMERS.md")],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        shown = set(re.findall(r"(?m)^\[.*\]\((consumers/.*)\):$", read("docs", "CONSUMERS.md")))
        files = glob.glob(os.path.join(ROOT, "docs", "consumers", "*.*"))
        self.assertEqual({os.path.relpath(f, os.path.join(ROOT, "docs")) for f in files} - shown,
                         {"consumers/requirements.txt"})

    def test_links_lead_somewhere(self):
        count = 0
        for path in glob.glob(os.path.join(ROOT, "*.md")) + glob.glob(os.path.join(ROOT, "docs/*.md")):
            for link in re.findall(r"\]\(([^)#]+)[^)]*\)", read(path)):
                there = os.path.join(os.path.dirname(path), link)
                if "://" not in link and there not in WRITTEN_BY_DEV:
                    count += 1
                    self.assertTrue(os.path.exists(there), f"{path}: {link}")
        self.assertGreater(count, 5)

    def test_what_is_installed(self):
        build = os.path.join(os.path.dirname(harness.AGENT), "..", "..")
        done = subprocess.run(["cmake", "--install", build, "--prefix", self.folder],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.folder, "share/man/man1/strata-agent.1")) as f:
            page = f.read()
        self.assertNotIn("@", page)
        agent = os.path.join(self.folder, "bin", "strata-agent")
        version = subprocess.run([agent, "--version"], capture_output=True, text=True).stdout
        self.assertIn(f"Strata {version.split()[1]}\n", page)
        told = subprocess.run([agent, "--help"], capture_output=True, text=True).stdout
        commands = re.findall(r"(?m)^  ([a-z][a-z-]+) ", told)
        self.assertIn("run", commands)
        for command in commands:
            self.assertIn(f".It Cm {command}", page)
        for name in ("README.md", "LICENSE", "MESSAGES.md", "examples/example.yaml"):
            self.assertTrue(os.path.exists(os.path.join(self.folder, "share/doc/strata", name)))

    def test_the_manual_knows_each_option_and_exit_code(self):
        page = read("docs", "strata-agent.1.in")
        page = page[page.index("The commands:"):page.index(".Sh ENVIRONMENT")]
        sections = dict(re.findall(r"(?ms)^\.It Cm ([a-z-]+)(.*?)(?=^\.It Cm|\Z)", page))
        told = self.run_agent("--help").stdout
        self.assertEqual(sorted(sections), sorted(re.findall(r"(?m)^  ([a-z][a-z-]+) ", told)))
        for command, section in sections.items():
            told = self.run_agent(command, "--help").stdout
            options = set(re.findall(r"(?<![\w-])--?([a-z][a-z-]*)", told))
            self.assertEqual(set(re.findall(r"Fl -?([a-z][a-z-]*)", section)), options, command)
            codes = re.search(r"Exit codes: (.*)", told)[1]
            self.assertEqual(re.findall(r"\b\d+\b", re.search(r"Exits with (.*)", section)[1]),
                             re.findall(r"\b\d+\b", codes), command)
        formats = re.findall(r"--format ([a-z]+)  ", self.run_agent("describe", "--help").stdout)
        self.assertEqual(re.findall(r"(?m)^\.Cm ([a-z]+)", sections["describe"]), formats)


class Scripts(harness.Case):
    def fake(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write("#!/bin/sh\n" + text)
        os.chmod(path, 0o755)

    def tidy(self, text):
        self.fake("clang-tidy", "echo 'LLVM version 14.0.6'\n")
        self.fake("run-clang-tidy", text)
        return subprocess.run([os.path.join(ROOT, "scripts", "tidy.sh"), self.folder],
                              capture_output=True, text=True, preexec_fn=die_with_parent,
                              env={**os.environ, "PATH": f"{self.folder}:{os.environ['PATH']}"})

    def test_tidy_fails_on_what_it_finds(self):
        done = self.tidy("echo 'clang-tidy-14 a.c'; echo 'a.c:1:1: error: bad'; exit 1\n")
        self.assertEqual((done.returncode, done.stdout), (1, "a.c:1:1: error: bad\n"))
        done = self.tidy("echo 'clang-tidy-14 a.c'\n")
        self.assertEqual((done.returncode, done.stdout), (0, ""))

    def test_fuzz_keeps_what_breaks_in_the_build_and_fails(self):
        """On a tree of its own, with a target that leaves something and breaks at will."""
        for folder in ("scripts", "test/fuzz/corpus/page", "build/fuzz/test"):
            os.makedirs(os.path.join(self.folder, folder))
        script = os.path.join(self.folder, "scripts", "fuzz.sh")
        shutil.copy(os.path.join(ROOT, "scripts", "fuzz.sh"), script)
        self.fake("test/fuzz/fuzz_page.c", "")
        self.fake("test/fuzz/fuzz_main.c", "")
        self.fake("build/fuzz/test/fuzz_page", """: >crash-da39
            for last; do :; done
            test -d "$last" && case $last in */test/fuzz/corpus/page) ;; *) exit 1 ;; esac
            echo 'stat::number_of_executed_units: 7'
            exit ${BREAKS:-0}\n""")
        before = sorted(os.listdir(self.folder))
        done = subprocess.run([script, "1"], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout),
                         (0, "page: nothing found in 7 runs, 1 s\n"), done.stderr)
        done = subprocess.run([script, "1"], capture_output=True, text=True,
                              env={**os.environ, "BREAKS": "1"})
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("FAILED; the log is build/fuzz/page.log\n", done.stdout)
        self.assertEqual(sorted(os.listdir(self.folder)), before)
        self.assertTrue(os.path.exists(os.path.join(self.folder, "build/fuzz/crash-da39")))

    def test_the_whole_test_skips_nothing(self):
        """./dev test skips nothing: what it installs must be there."""
        body = re.search(r"(?ms)^test_all\(\) \{.*?^\}", read("dev"))[0]
        self.assertIn("STRATA_REQUIRE=all", body)


if __name__ == "__main__":
    harness.main()
