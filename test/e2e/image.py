# SPDX-License-Identifier: Apache-2.0
"""image.py - the image of the agent for tests: built, looked into, run.

    needs = image.missing()             what this machine lacks for that
    image.alone()                       before the tests: what they mount ends with them
    tag = image.build()                 scripts/image.sh; "strata-agent:VERSION"
    with image.mounted(tag) as root: os.listdir(root)
    Container(case, tag, ["run", ...], volumes={there: path}).exec(...)

Images are in build/tools/image, apart from those of the machine.
"""
import contextlib, functools, json, os, re, shutil, signal, subprocess, sys

from process import SLOW, die_with_parent

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
HERE = os.path.join(ROOT, "build", "tools", "image")
STORE = ["--root", f"{HERE}/storage", "--runroot", f"{HERE}/run", "--storage-driver",
         os.environ.get("STORAGE_DRIVER", "overlay")]
PODMAN = ["podman", *STORE, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
BASE = "localhost/strata-base:bookworm"
LONGEST = 300    # seconds until podman itself ends a container whose test has died
# The bounds on processes and files that podman asks for are above what a small machine allows.
LOCKED = ["--network", "host", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024",
          "--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL",
          "--security-opt", "no-new-privileges", "--no-healthcheck", "--timeout", str(LONGEST)]


def missing():
    tools = [t for t in ("buildah", "podman", "runc", "debootstrap") if shutil.which(t) is None]
    if os.geteuid() != 0:
        tools.append("root (debootstrap and containers need it)")
    elif subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        tools.append("the right to mount")
    return tools


def alone():
    """Starts this program anew in a mount namespace of its own."""
    if not os.environ.pop("STRATA_ALONE", None):
        os.environ["STRATA_ALONE"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, "-B",
                              *sys.argv])
    shutil.rmtree(f"{HERE}/run", ignore_errors=True)    # of one that died it would tell of mounts that are gone


def version():
    with open(os.path.join(ROOT, "CMakeLists.txt")) as f:
        return re.search(r"project\(strata VERSION (\S+)", f.read())[1]


@functools.cache
def build(*args, tag=None, **env):
    tag = tag or f"strata-agent:{version()}"
    done = subprocess.run([os.path.join(ROOT, "scripts", "image.sh"), tag, *args], text=True,
                          capture_output=True, env={**os.environ, **env},
                          preexec_fn=die_with_parent)
    if done.returncode:
        raise AssertionError(f"image.sh ends with {done.returncode}:\n{done.stdout}{done.stderr}")
    return tag


def podman(*args, timeout=60, check=True):
    done = subprocess.run([*PODMAN, *args], capture_output=True, text=True, timeout=timeout * SLOW,
                          stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
    if check and done.returncode:
        raise AssertionError(f"podman {args[0]} ends with {done.returncode}: {done.stderr}")
    return done


def buildah(*args):
    done = subprocess.run(["buildah", *STORE, *args], capture_output=True, text=True,
                          preexec_fn=die_with_parent)
    if done.returncode:
        raise AssertionError(f"buildah {args[0]} ends with {done.returncode}: {done.stderr}")
    return done.stdout.strip()


def inspect(tag):
    return json.loads(podman("image", "inspect", tag).stdout)[0]


@contextlib.contextmanager
def mounted(tag):
    try:
        yield podman("image", "mount", tag).stdout.strip()
    finally:
        podman("image", "umount", tag)


class Container:
    """A container that runs beside its test and ends with it; nothing in it can be written, and it has no rights."""

    def __init__(self, case, tag, args=(), volumes=None, env=None):
        self.name = f"strata-e2e-{os.getpid()}-{os.urandom(4).hex()}"
        case.addCleanup(podman, "rm", "--force", "--time", "0", self.name, check=False)
        mounts = [f"--volume={source}:{there}:ro" for there, source in (volumes or {}).items()]
        env = [f"--env={name}={value}" for name, value in (env or {}).items()]
        podman("run", "--detach", "--name", self.name, *LOCKED, *mounts, *env, tag, *args)

    def state(self):
        return json.loads(podman("inspect", self.name).stdout)[0]["State"]

    def running(self):
        return self.state()["Running"]

    def log(self):
        """(standard output, standard error) so far."""
        done = podman("logs", self.name)
        return done.stdout, done.stderr

    def exec(self, *args):
        return podman("exec", self.name, *args, check=False)

    def process(self):
        """/proc/PID/status of its first process, as a dictionary."""
        with open(f"/proc/{self.state()['Pid']}/status") as f:
            return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)

    def stop(self, number=signal.SIGTERM):
        """Its exit code."""
        podman("kill", "--signal", str(int(number)), self.name)
        return self.wait()

    def wait(self):
        return int(podman("wait", self.name).stdout)
