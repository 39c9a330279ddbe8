# SPDX-License-Identifier: Apache-2.0
"""process.py - children that end with us, and waiting without sleeping for luck."""
import ctypes, os, resource, signal, subprocess, time
import urllib.error, urllib.request

SLOW = float(os.environ.get("STRATA_SLOW", "1"))    # stretches all time limits (sanitizers)
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))    # whatever the environment says


def die_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def spawn(args, limits=(), **kwargs):
    """limits: (RLIMIT_..., soft, hard)."""
    def prepare():
        die_with_parent()
        for limit in limits:
            resource.setrlimit(limit[0], limit[1:])
    return subprocess.Popen(args, preexec_fn=prepare, stdin=subprocess.DEVNULL, **kwargs)


def wait_for(predicate, timeout=10, what="", step=0.02):
    """The first true value of predicate(); AssertionError when there is none in time."""
    deadline = time.monotonic() + timeout * SLOW
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout * SLOW:g} s: {what or predicate}")
        time.sleep(step)


def http_get(url, timeout=10):
    """(status, headers, body as text); a status that is no success is no exception."""
    try:
        with DIRECT.open(url, timeout=timeout * SLOW) as r:
            return r.status, r.headers, r.read().decode()
    except urllib.error.HTTPError as e:
        with e:
            return e.code, e.headers, e.read().decode()


class Process:
    """A child whose output goes to files in its folder."""

    def __init__(self, args, folder, name, env=None, limits=()):
        self.name = name
        self.out_path = os.path.join(folder, name + ".out")
        self.err_path = os.path.join(folder, name + ".err")
        with open(self.out_path, "ab") as out, open(self.err_path, "ab") as err:
            self.popen = spawn(args, limits, stdout=out, stderr=err, env=env)
        self.pid = self.popen.pid

    def out(self):
        with open(self.out_path, errors="replace") as f:
            return f.read()

    def err(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def running(self):
        return self.popen.poll() is None

    def send_signal(self, number):
        self.popen.send_signal(number)

    def freeze(self):
        """SIGSTOP, until each of its threads stands still; its peers' connections stay open."""
        self.send_signal(signal.SIGSTOP)
        wait_for(lambda: set(self.states()) == {"T"}, what=f"{self.name} stands still")

    def thaw(self):
        self.send_signal(signal.SIGCONT)

    def states(self):
        """Of its threads: R, S, T, ..."""
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/stat") as f:
                yield f.read().rpartition(") ")[2][0]

    def peak_memory(self):
        """Bytes resident at most so far."""
        return self.memory("VmHWM")

    def memory(self, which="VmRSS"):
        """Bytes resident now."""
        with open(f"/proc/{self.pid}/status") as f:
            return 1024 * next(int(line.split()[1]) for line in f if line.startswith(which + ":"))

    def wait(self, timeout=30):
        return self.popen.wait(timeout * SLOW)

    def end(self, number=signal.SIGKILL):
        if self.running():
            self.send_signal(number)
        return self.wait()
