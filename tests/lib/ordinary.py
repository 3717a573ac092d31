# SPDX-License-Identifier: GPL-3.0-or-later
"""An ordinary user for one process: an account with subordinate ids that exists in a mount namespace of its own only, so
that this machine's accounts stay as they are."""
import os
import tempfile

UID, FIRST = 23456, 1234567 * 65536 % (1 << 30)
FILES = {"passwd": f"ordinary:x:{UID}:{UID}::/:/bin/sh\n", "group": f"ordinary:x:{UID}:\n",
         "subuid": f"ordinary:{FIRST}:65536\n", "subgid": f"ordinary:{FIRST}:65536\n"}


class User:
    def __init__(self, subids=True):
        self.folder = tempfile.TemporaryDirectory()
        os.chmod(self.folder.name, 0o755)
        for name, line in FILES.items():
            old = ""
            if os.path.exists(f"/etc/{name}"):
                with open(f"/etc/{name}", encoding="utf-8") as file:
                    old = file.read()
            with open(f"{self.folder.name}/{name}", "w", encoding="utf-8") as file:
                file.write(old + (line if subids or not name.startswith("sub") else ""))

    def prefix(self, group=None):
        """Words before a command that make it this user's; group: a cgroup directory to start in."""
        binds = "".join(f"touch /etc/{name}; mount --bind {self.folder.name}/{name} /etc/{name}; " for name in FILES)
        join = f"echo $$ >{group}/cgroup.procs; " if group else ""
        return ["unshare", "-m", "--propagation", "private", "sh", "-c",
                f'set -e; {binds}{join}exec setpriv --reuid {UID} --regid {UID} --clear-groups "$@"', "sh",
                "env", "-u", "XDG_RUNTIME_DIR"]

    def folder_of_its_own(self, where=None):
        """A directory that is the user's."""
        path = tempfile.mkdtemp(prefix="pane-cell-", dir=where)
        os.chown(path, UID, UID)
        return path

    def close(self):
        self.folder.cleanup()
