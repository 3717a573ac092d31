# SPDX-License-Identifier: GPL-3.0-or-later
"""A site as an administrator with `pane` meets it: database, broker and gateway for real, hypervisor hosts simulated. The
first administrator is made as docs/install.md says, everything else is `pane` over HTTPS."""
import os
import subprocess
import time

import broker as broker_mod
import panesite
from slapd import free_port


class OrgSite(panesite.Site):
    def __init__(self, **policy):
        super().__init__(**policy)
        self.gateway = None
        self.took = []  # (words, seconds) of every command

    def __enter__(self):
        super().__enter__()
        try:
            self.start_gateway()
            self.env = dict(os.environ, XDG_CONFIG_HOME=os.path.join(self.root, "cli"))
        except BaseException:
            self.close()
            raise
        return self

    def start_gateway(self):
        pki, self.port = self.broker.pki, free_port()
        conf = os.path.join(self.root, "gateway.conf")
        with open(conf, "w", encoding="utf-8") as f:
            f.write("\n".join(["[gateway]", f"https_listen = 127.0.0.1:{self.port}", f"rdp_listen = 127.0.0.1:{free_port()}",
                               f"cert = {pki}/gateway.crt", f"key = {pki}/gateway.key", f"ca = {pki}/ca.crt",
                               f"host_cert = {pki}/gateway.crt", f"host_key = {pki}/gateway.key",
                               f"broker_api = {self.broker.api}", f"broker_internal = {self.broker.internal}"]) + "\n")
        self.url = f"https://127.0.0.1:{self.port}"
        with open(os.path.join(self.root, "gateway.log"), "ab") as log:
            self.gateway = subprocess.Popen([broker_mod.program("pane-gateway"), "--config", conf], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        self.broker.wait(self.gateway_answers, "the gateway", 20)

    def gateway_answers(self):
        with open(os.path.join(self.root, "gateway.log"), encoding="utf-8", errors="replace") as f:
            text = f.read()
        if self.gateway.poll() is not None:
            raise RuntimeError(f"pane-gateway ended: {text[-2000:]}")
        return " ready " in text

    def close(self):
        if self.gateway and self.gateway.poll() is None:
            self.gateway.terminate()
            self.gateway.wait(20)
        super().close()

    def path(self, name, data=None):
        """A file of the administrator's, with these bytes or this text."""
        at = os.path.join(self.root, name)
        if data is not None:
            with open(at, "wb") as f:
                f.write(data if isinstance(data, bytes) else data.encode())
        return at

    def pane(self, *words, text="", status=0):
        """`pane` with these words; what it said: its output, or its complaints when it is to end with another status."""
        begin = time.monotonic()
        done = subprocess.run([broker_mod.program("pane"), *words], input=text, capture_output=True, text=True, env=self.env,
                              check=False, start_new_session=True, timeout=300)
        self.took.append((words, time.monotonic() - begin))
        if done.returncode != status:
            raise AssertionError(f"pane {' '.join(words)}: {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
        return done.stdout if status == 0 else done.stdout + done.stderr

    def pane_login(self, name="admin"):
        self.pane("login", "--server", self.url, "--ca", f"{self.broker.pki}/ca.crt", "--password-stdin", name,
                  text=self.broker.admin(name) + "\n")
