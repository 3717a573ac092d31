# SPDX-License-Identifier: GPL-3.0-or-later
"""A headless Chromium that a story drives: tests/console/browser.mjs in a process of its own."""
import json
import os
import select
import shutil
import subprocess
import tempfile

ANSWER_S = 180 # beyond every limit of its own
TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def missing():
    """Why there can be no browser here, or None."""
    if not shutil.which("node") or not os.path.isdir(f"{TOP}/broker/console/node_modules/playwright-core"):
        return "needs npm and the console's packages (make deps console)"
    if not os.path.exists(f"{TOP}/build/console/site/index.html"):
        return "the console is not built (make console)"
    return None if shutil.which("chromium") else "needs Debian's chromium (make deps)"


class Browser:
    def __init__(self, base, shots=None, **env):
        """env: of its processes, besides this one's. With PULSE_SERVER it is not mute, as it is without."""
        self.profile = tempfile.mkdtemp(prefix="pane-chromium-")
        self.child = subprocess.Popen(["node", f"{TOP}/tests/console/browser.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True, env=dict(os.environ, BASE=base, PROFILE=self.profile, SHOTS=shots or "",
                                                          CHROMIUM=shutil.which("chromium") or "", **env))
        self.answer("start")

    def answer(self, what):
        if not select.select([self.child.stdout], [], [], ANSWER_S)[0]: # one answer to each question: nothing is in Python's buffer
            self.child.kill()
            raise AssertionError(f"{what}: the browser did not answer within {ANSWER_S} s")
        line = self.child.stdout.readline()
        if not line:
            raise AssertionError(f"{what}: the browser has ended")
        value = json.loads(line)
        if "error" in value:
            raise AssertionError(f"{what}: {value['error']}")
        return value["ok"]

    def __getattr__(self, verb):
        def ask(**more):
            self.child.stdin.write(json.dumps({"do": verb, **more}) + "\n")
            self.child.stdin.flush()
            return self.answer(f"{verb} {more}")
        return ask

    def close(self):
        try:
            self.end()
        except (AssertionError, OSError):
            pass
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.child.stdout.close()
        shutil.rmtree(self.profile, ignore_errors=True)
