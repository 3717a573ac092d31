#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for pane-cell in the host agent's stories: same command line, same control protocol, no sandbox.
What it was started with is appended to DESKTOP/started; a file word in the home shows whose it is. With a file slow in its
home a desktop does not get ready."""
import json
import os
import sys

from standin_vmm import Machine


def options(argv):
    if argv == ["--probe"]:
        print('{"cell":"full","why":"","limits":"cgroup1","lacks":"cgroup v1 only","net":["user","none"]}')
        sys.exit(0)
    words, opt = iter(argv), {}
    for word in words:
        opt[word[2:]] = True if word == "--reset" else next(words)
    return opt


def main():
    opt = options(sys.argv[1:])
    if opt.get("reset"):
        for name in os.listdir(opt["upper"]):
            os.unlink(f"{opt['upper']}/{name}")
    for folder in (opt["upper"], opt["home"]):
        with open(f"{folder}/used", "a", encoding="ascii") as file:
            file.write("x")
    with open(f"{os.path.dirname(opt['upper'])}/started", "a", encoding="ascii") as file:
        file.write(json.dumps(opt) + "\n")
    if os.path.exists(f"{opt['home']}/slow"):
        opt["cmdline"] = "standin.slow"
    Machine(opt).run()


if __name__ == "__main__":
    main()
