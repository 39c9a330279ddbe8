# SPDX-License-Identifier: Apache-2.0
"""netns.py - a network of this test's own, in which pods' addresses are this machine.

    why = netns.enter()         at the start of the program; None, or why it could not be

EndpointSlices take no loopback addresses.  In a fresh network namespace every address of NETWORKS
is made local: a server may listen on 10.244.1.2, a client reach it, and nothing leaves the
machine, for there is no other device.  Children inherit it; it ends with the last of them.
"""
import contextlib, ctypes, os, shutil, subprocess

from process import LIBC

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
NETWORKS = ("10.244.0.0/16", "10.96.0.0/16")    # pods, services
ADDRESSES_6 = [f"fd00:244::{i:x}" for i in range(1, 16)]    # Linux has no networks of these
inside = False      # enter has succeeded
has_ipv6 = False    # and ADDRESSES_6 are this machine, too


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def become_root_of_a_user_namespace():
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER | CLONE_NEWNET)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
        with open("/proc/self/" + name, "w") as f:
            f.write(text)


def ip(commands):
    program = shutil.which("ip", path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not program:
        raise FileNotFoundError("the program ip (iproute2)")
    done = subprocess.run([program, "-batch", "-"], input="\n".join(commands) + "\n",
                          capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip: {done.stderr.strip()}")


def enter():
    """The process must still have one thread only."""
    global inside, has_ipv6
    if inside:
        return None
    try:
        if os.geteuid() == 0:
            unshare(CLONE_NEWNET)
        else:
            become_root_of_a_user_namespace()
        ip(["link set lo up", *(f"route add local {network} dev lo" for network in NETWORKS)])
    except OSError as e:
        return f"a network namespace: {e}"
    inside = True
    with contextlib.suppress(OSError):
        ip([f"address add {address}/128 dev lo nodad" for address in ADDRESSES_6])
        has_ipv6 = True
    return None
