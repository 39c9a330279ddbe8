# SPDX-License-Identifier: Apache-2.0
"""mounts.py - files of the machine that are this test's own: the names of hosts, a small disk.

    why = mounts.enter(folder)          after netns.enter(), at the start of the program
    mounts.hosts({"broker.test": "127.0.0.1"})
    mounts.small_disk(path, "4m")

In a mount namespace; children inherit it, and it ends with the last of them.  No name server is
asked: those of resolv.conf are a port at which nobody is.
"""
import ctypes, os

from netns import unshare
from process import LIBC

CLONE_NEWNS, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 32, 4096, 16384, 1 << 18
FILES = {"hosts": "", "resolv.conf": "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
         "nsswitch.conf": "hosts: files dns\n"}
own = {}        # name: the file that stands in for it


def mount(source, target, kind=None, flags=0, data=None):
    text = [t.encode() if t else None for t in (source, target, kind)]
    if LIBC.mount(*text, ctypes.c_ulong(flags), data.encode() if data else None) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), target)


def enter(folder):
    """None, or why it could not be."""
    try:
        unshare(CLONE_NEWNS)
        mount("none", "/", flags=MS_REC | MS_PRIVATE)
        for name, text in FILES.items():
            own[name] = os.path.join(folder, name)
            with open(own[name], "w") as f:
                f.write(text)
            mount(own[name], f"/etc/{name}", flags=MS_BIND)
    except OSError as e:
        return f"a mount namespace: {e}"
    return None


def hosts(names):
    """In place, for it is the file that is mounted; short enough to be written at once."""
    with open(own["hosts"], "w") as f:
        f.write("".join(f"{address} {name}\n" for name, address in names.items()))


def small_disk(path, size):
    os.makedirs(path, exist_ok=True)
    mount("none", path, "tmpfs", data=f"size={size}")


def grow_disk(path, size):
    mount("none", path, "tmpfs", MS_REMOUNT, f"size={size}")
