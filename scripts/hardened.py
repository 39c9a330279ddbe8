#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hardened.py [--debug] PROGRAM - whether a program has what makes a fault in it harder to use.

Looked for with readelf and objdump: position-independent code, tables that are read-only before the
program runs, a stack without code, canaries on it, checked functions of the C library (not with
--debug, which has no optimizer), and on x86-64 marks where jumps may land.  What lacks is
named, and the exit code is 1.
"""
import re, subprocess, sys


def output(*args):
    return subprocess.run(args, capture_output=True, text=True, check=True).stdout


def lacks(program, debug):
    header = output("readelf", "-hW", program)
    segments = output("readelf", "-lW", program)
    dynamic = output("readelf", "-dW", program)
    symbols = output("readelf", "--dyn-syms", "-W", program)
    if not re.search(r"Type:\s+DYN", header) or not re.search(r"Flags:.*\bPIE\b", dynamic):
        yield "position-independent code (-pie)"
    if "GNU_RELRO" not in segments or not re.search(r"BIND_NOW|Flags:.*\bNOW\b", dynamic):
        yield "read-only tables (-z relro -z now)"
    if not re.search(r"GNU_STACK\s+(0x\w+\s+){5}RW\s", segments):
        yield "a stack without code"
    if "__stack_chk_fail" not in symbols:
        yield "canaries on the stack (-fstack-protector-strong)"
    if not debug and not re.search(r"__\w+_chk@", symbols.replace("__stack_chk_fail", "")):
        yield "checked functions (_FORTIFY_SOURCE)"
    if "X86-64" in header and "endbr64" not in output("objdump", "-d", "--section=.text", program):
        yield "marks where jumps may land (-fcf-protection)"


def main():
    missing = list(lacks(sys.argv[-1], "--debug" in sys.argv[1:-1]))
    for what in missing:
        print(f"{sys.argv[-1]} lacks {what}")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
