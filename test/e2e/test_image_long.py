# SPDX-License-Identifier: Apache-2.0
"""test_image_long.py - the image built twice from nothing, and the unit tests as arm64 runs them."""
import os, re, subprocess

import harness
import image


class Twice(harness.Case):
    def test_two_builds_give_the_same_image(self):
        first = image.build("--fresh", tag="strata-agent:first")
        self.addCleanup(image.podman, "rmi", first)
        second = image.build("--fresh", tag="strata-agent:second")
        self.addCleanup(image.podman, "rmi", second)
        layers = [image.inspect(tag)["RootFS"]["Layers"] for tag in (first, second)]
        self.assertGreaterEqual(len(layers[0]), 2)
        self.assertEqual(*layers)


class Arm64(harness.Case):
    def test_the_unit_tests_pass_as_arm64(self):
        """Cross-built by Debian's multiarch, run by qemu; each one of test/test_*.c."""
        done = subprocess.run([os.path.join(image.ROOT, "scripts", "arm64.sh")], text=True,
                              capture_output=True, preexec_fn=harness.die_with_parent)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr)
        passed = re.search(r"100% tests passed, 0 tests failed out of (\d+)", done.stdout)
        sources = [n for n in os.listdir(os.path.join(image.ROOT, "test"))
                   if re.fullmatch(r"test_\w+\.c", n)]
        self.assertGreaterEqual(int(passed[1]), len(sources) - 2)    # but test_main, and one that is no unit test
        self.assertNotIn("Skipped", done.stdout)
        with open(os.path.join(image.ROOT, "build/arm64/cmd/agent/strata-agent"), "rb") as f:
            head = f.read(20)
        self.assertEqual((head[:4], head[18:20]), (b"\x7fELF", b"\xb7\0"))    # EM_AARCH64


if __name__ == "__main__":
    tools = image.missing()
    if not tools:
        image.alone()
    harness.main(needs=[*tools, "qemu-aarch64-static"])
