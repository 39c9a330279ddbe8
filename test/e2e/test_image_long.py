# SPDX-License-Identifier: Apache-2.0
"""test_image_long.py - the image built twice from nothing, and the unit tests as arm64 runs them."""
import json, os, re, subprocess

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
        here = subprocess.run(["ctest", "-N", "-L", "^unit$", "--test-dir", os.path.join(
            os.path.dirname(harness.AGENT), "..", "..")], text=True, capture_output=True).stdout
        self.assertEqual(passed[1], re.search(r"Total Tests: (\d+)", here)[1])
        self.assertNotIn("Skipped", done.stdout)
        self.is_arm64(os.path.join(image.ROOT, "build/arm64/cmd/agent/strata-agent"))

    def is_arm64(self, path):
        with open(path, "rb") as f:
            head = f.read(20)
        self.assertEqual((head[:4], head[18:20]), (b"\x7fELF", b"\xb7\0"))    # EM_AARCH64

    def stand_in(self):
        """A name for the base and, as arm64's, for the same files with a list of packages that says so."""
        image.build()    # makes the base
        container = image.buildah("from", "--pull-never", image.BASE)
        with open(image.buildah("mount", container) + "/var/lib/dpkg/status", "r+") as f:
            text = f.read().replace("\nArchitecture: amd64\n", "\nArchitecture: arm64\n")
            f.seek(0)
            f.write(text)
        image.buildah("config", "--arch", "arm64", container)
        image.buildah("commit", "--quiet", "--rm", container, "localhost/strata-stand-in:arm64")
        self.addCleanup(image.buildah, "rmi", "localhost/strata-stand-in:arm64")
        image.buildah("manifest", "create", "localhost/strata-stand-in:both")
        self.addCleanup(image.buildah, "manifest", "rm", "localhost/strata-stand-in:both")
        for options in ([image.BASE], ["--arch", "arm64", "localhost/strata-stand-in:arm64"]):
            image.buildah("manifest", "add", *options[:-1], "localhost/strata-stand-in:both",
                          "containers-storage:" + options[-1])
        return "localhost/strata-stand-in:both"

    def test_an_image_for_arm64_is_built_without_emulation(self):
        tag = image.build(tag="strata-agent:arm64", ARCH="arm64", BASE=self.stand_in())
        self.addCleanup(image.podman, "rmi", tag)
        self.assertEqual(image.inspect(tag)["Architecture"], "arm64")
        with image.mounted(tag) as root:
            self.is_arm64(root + "/usr/bin/strata-agent")
            self.is_arm64(os.path.realpath(root + "/usr/lib/aarch64-linux-gnu/libcurl.so.4"))
            with open(root + "/usr/share/strata/sbom.spdx.json") as f:
                packages = {p["name"]: p for p in json.load(f)["packages"]}
        self.assertIn("?arch=arm64&", packages["libcurl4"]["externalRefs"][0]["referenceLocator"])


if __name__ == "__main__":
    tools = image.missing()
    if not tools:
        image.alone()
    harness.main(needs=[*tools, "qemu-aarch64-static"])
