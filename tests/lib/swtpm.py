# SPDX-License-Identifier: GPL-3.0-or-later
"""A software TPM for a machine."""
import os
import shutil
import subprocess
import tempfile
import time


def found():
    return shutil.which("swtpm")


class Swtpm:
    """An swtpm with a state directory of its own, listening for control."""

    def __init__(self, test, *args):
        folder = tempfile.TemporaryDirectory(prefix="pane-tpm-")
        test.addCleanup(folder.cleanup)
        self.socket = os.path.join(folder.name, "control.sock")
        self.log = os.path.join(folder.name, "log")
        os.mkdir(os.path.join(folder.name, "state"))
        self.process = subprocess.Popen(["swtpm", "socket", *(args or ["--tpm2"]), "--tpmstate", f"dir={folder.name}/state",
                                         "--ctrl", f"type=unixio,path={self.socket}", "--log", f"file={self.log},level=1"])
        test.addCleanup(self.close)
        end = time.monotonic() + 60
        while not os.path.exists(self.socket):
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("swtpm does not listen")
            time.sleep(0.01)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
