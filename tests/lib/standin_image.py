#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for pane-image where the broker's side is tested: `convert FILE OUTDIR --name N --sha256 H`.
What the file begins with says how it behaves: REFUSE, HANG, LINK (leaves a link), CRASH, FIRMWARE (no kernel); else an image of
8 MiB with the file's first MiB at two places and holes between."""
import json
import os
import signal
import sys
import time


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    _, verb, source, out = sys.argv[:4]
    assert verb == "convert", verb
    name = sys.argv[sys.argv.index("--name") + 1]
    with open(source, "rb") as f:
        data = f.read(1 << 20)
    os.mkdir(out)
    with open(f"{out}/vmlinuz", "wb") as f:
        f.write(b"kernel of " + name.encode())
    say(percent=10)
    if data.startswith(b"REFUSE"):
        say(error={"code": "image.truncated", "message": "the file ends\x1b[31m in the middle of a table"})
        return 1
    if data.startswith(b"CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(b"HANG"):
        time.sleep(3600)
    with open(f"{out}/disk.raw", "wb") as f:
        f.truncate(8 << 20)
        f.write(data)
        f.seek(5 << 20)
        f.write(data)
    if data.startswith(b"LINK"):
        os.symlink("/etc/passwd", f"{out}/initrd.img")
    boot = {}
    if data.startswith(b"FIRMWARE"):
        os.unlink(f"{out}/vmlinuz")
        boot = {"boot": "firmware", "boot_reason": "it has no kernel"}
    say(percent=60)
    with open(f"{out}/image.json", "w", encoding="utf-8") as f:
        json.dump({"name": "something-else", "version": "x", "cmdline": "quiet", "ready": "frame", **boot}, f)
    say(percent=100)
    return 0


sys.exit(main())
