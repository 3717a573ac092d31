# SPDX-License-Identifier: GPL-3.0-or-later
"""One whole Pane on one machine: PostgreSQL, broker, gateway and a hypervisor host, the last here or in the lab.

`deploy/demo` and the stories under tests/ both start their site with this, so what is demonstrated is what is
tested. Everything lies below one directory; daemons run under demolib/process.py's supervisor."""
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from demolib import process
from demolib.api import Api
from demolib.postgres import RUNTIME, Postgres

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CONSOLE = f"{TOP}/build/console/site"
SOCKET_DIR_MAX = 57  # what pane-host allows its run_dir; the tightest of all
LAB_STATE, LAB_RUN = "/lab/data/host", "/run/pane-host"


class SiteError(Exception):
    """Says what went wrong and what to do next."""


def wait_until(check, timeout_s, what, pause_s=0.1):
    """Polls check() until it is true; its value. The things waited for are other processes' states."""
    until = time.monotonic() + timeout_s
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > until:
            raise SiteError(f"{what}: not within {timeout_s:g} s")
        time.sleep(pause_s)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def port_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


class Site:
    def __init__(self, run, build=f"{TOP}/build/release", ports=None, lab=False, images=None):
        self.run, self.build, self.lab = os.path.abspath(run), os.path.abspath(build), lab
        self.ports = ports or {name: free_port() for name in ("rdp", "rfb", "https", "host")}
        self.images = images or f"{self.run}/images"
        self.sockets = self.short_dir()
        self.pki, self.conf, self.logs = f"{self.run}/pki", f"{self.run}/conf", f"{self.run}/log"
        self.plan_path, self.state_path = f"{self.run}/plan.json", f"{self.run}/state.json"
        self.postgres = Postgres(f"{self.run}/pg", f"{self.run}/pg/s" if self.sockets.startswith(self.run)
                                 else f"{self.sockets}/pg")
        self.lab_dir, self.lab_options = f"{self.run}/lab", []
        self.policy, self.gateway_options, self.host_options, self.oidc, self.directory = {}, {}, {}, {}, {}
        self.stop_words, self.tied = [], False
        self.lobby = False # a screen for RDP clients that cannot go to a desktop
        self.pane_image = None # the converter, instead of the built one
        self.supervisor = None
        self.daemons = []

    def short_dir(self):
        """Where unix sockets go: below run, unless its path is too long for a socket's name."""
        if len(f"{self.run}/s/host") <= SOCKET_DIR_MAX:
            return f"{self.run}/s"
        return f"/tmp/pane-{os.getuid()}-{hashlib.sha256(self.run.encode()).hexdigest()[:10]}"

    # ---- files ----------------------------------------------------------------------------------
    def program(self, name):
        return f"{self.build}/bin/{name}"

    def write_conf(self, name, sections):
        with open(f"{self.conf}/{name}.conf", "w", encoding="utf-8") as file:
            for section, keys in sections.items():
                file.write(f"[{section}]\n" + "".join(f"{k} = {v}\n" for k, v in keys.items()))
        return f"{self.conf}/{name}.conf"

    def prepare(self):
        """Directories, PKI, configuration and the database cluster. Idempotent."""
        for folder in (self.run, self.pki, self.conf, self.logs, self.sockets):
            os.makedirs(folder, exist_ok=True)
        os.chmod(self.pki, 0o700)
        os.chmod(self.sockets, 0o711)
        for folder in ("broker", "host"):
            os.makedirs(f"{self.sockets}/{folder}", mode=0o700, exist_ok=True)
        self.postgres.init()
        self.make_pki()
        self.write_conf("broker", {
            "broker": {"api_socket": f"{self.sockets}/broker/api.sock",
                       "internal_socket": f"{self.sockets}/broker/internal.sock"},
            "database": {"conninfo": self.postgres.conninfo(RUNTIME), "owner_conninfo": self.postgres.conninfo(),
                         "sql_dir": f"{TOP}/sql"},
            "pki": {"ca_cert": f"{self.pki}/ca.crt", "ca_key": f"{self.pki}/ca.key",
                    "grant_key": f"{self.pki}/grant.key", "grant_pub": f"{self.pki}/grant.pub",
                    "secret_keys": f"{self.pki}/secrets.key"},
            "images": {"store": f"{self.run}/images-store", "pane_image": self.pane_image or self.program("pane-image")},
            **({"oidc": self.oidc} if self.oidc else {}),
            **({"directory": self.directory} if self.directory else {}),
            **({"policy": self.policy} if self.policy else {})})
        self.write_conf("gateway", {"gateway": {
            "rdp_listen": f"127.0.0.1:{self.ports['rdp']}", "rfb_listen": f"127.0.0.1:{self.ports['rfb']}",
            "https_listen": f"127.0.0.1:{self.ports['https']}",
            "cert": f"{self.pki}/gateway.crt", "key": f"{self.pki}/gateway.key", "ca": f"{self.pki}/ca.crt",
            "host_cert": f"{self.pki}/gateway.crt", "host_key": f"{self.pki}/gateway.key",
            "broker_api": f"{self.sockets}/broker/api.sock",
            **({"console": CONSOLE} if os.path.exists(f"{CONSOLE}/index.html") else {}),
            "broker_internal": f"{self.sockets}/broker/internal.sock",
            "metrics_listen": f"unix:{self.sockets}/gateway-metrics.sock",
            **({"lobby": self.lobby_socket()} if self.lobby else {}), **self.gateway_options}})
        self.write_host_conf()

    def make_pki(self):
        made = subprocess.run([f"{TOP}/deploy/pki", self.pki], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if made.returncode:
            raise SiteError(f"making the PKI failed: {made.stdout.strip()}")

    def write_host_conf(self):
        state = LAB_STATE if self.lab else f"{self.run}/host"
        if not self.lab:
            os.makedirs(state, exist_ok=True)
            if not os.path.lexists(f"{state}/images"):
                os.symlink(self.images, f"{state}/images")
        port, run = self.ports["host"], LAB_RUN if self.lab else f"{self.sockets}/host"
        self.write_conf("host", {
            "broker": {"url": f"https://{'10.0.2.2' if self.lab else '127.0.0.1'}:{self.ports['https']}",
                       "ca": f"{self.pki}/ca.crt", "verify_name": "localhost"},
            "host": {"name": "lab" if self.lab else "local",
                     "listen": "0.0.0.0:7443" if self.lab else f"127.0.0.1:{port}",
                     "advertise": f"127.0.0.1:{port}", "state_dir": state,
                     "run_dir": run, "metrics_listen": f"unix:{run}/metrics.sock"},
            "desktops": {"pane_image": self.program("pane-image"), "vmm": self.program("pane-vmm"), "display": self.program("pane-display"),
                         "cell": self.program("pane-cell"), "memory_reserve_mib": 256,
                         # An emulated host boots for minutes: a parent would take them from the desktop somebody waits for.
                         **({"clone": "never"} if self.lab else {}), **self.host_options}})

    def lobby_socket(self):
        return f"{self.sockets}/lobby.sock"

    # ---- daemons --------------------------------------------------------------------------------
    def spec(self, name, argv, **more):
        return {"name": name, "argv": argv, "log": f"{self.logs}/{name}.log", "cwd": TOP, **more}

    def in_lab(self, *command, wait_s=180):
        return [f"{TOP}/deploy/lab/lab", "exec", "--dir", self.lab_dir, "--wait", str(wait_s), "--", *command]

    def host_command(self, *words):
        command = [self.program("pane-host"), *words, "--config", f"{self.conf}/host.conf"]
        return self.in_lab(*command) if self.lab else command

    def set_plan(self, names):
        """What the supervisor keeps running from now on, in starting order."""
        specs = {
            "postgres": lambda: self.postgres.daemon(f"{self.logs}/postgres.log"),
            "broker": lambda: self.spec("broker", [self.program("pane-broker"), "--config", f"{self.conf}/broker.conf"]),
            "gateway": lambda: self.spec("gateway", [self.program("pane-gateway"), "--config", f"{self.conf}/gateway.conf"]),
            "lobby": lambda: self.spec("lobby", [self.program("pane-lobby"), "--listen", self.lobby_socket(), "--state", self.sockets]),
            "lab": lambda: self.spec("lab", [f"{TOP}/deploy/lab/lab", "start", "--foreground", "--dir", self.lab_dir,
                                             "--forward", f"{self.ports['host']}:7443", *self.lab_options],
                                     stop_timeout=40),
            "host": lambda: self.spec("host", self.host_command(), stop_timeout=20, after_stop_timeout=80,
                                      after_stop=self.host_command("desktops", "stop", *self.stop_words)),
        }
        self.daemons = list(names)
        process.write_json(self.plan_path, {"daemons": [specs[name]() for name in names]})
        state = process.supervised(self.state_path)
        if state:
            os.kill(state["supervisor"]["pid"], 1)
        else:
            self.supervisor = process.start_supervisor(self.plan_path, self.state_path, f"{self.logs}/supervisor.log",
                                                       self.tied)

    def pid(self, name):
        state = process.read_json(self.state_path, {})
        entry = state.get("daemons", {}).get(name)
        return entry["pid"] if process.is_alive(entry) else None

    def api(self, token=None):
        return Api(self.ports["https"], f"{self.pki}/ca.crt", token=token)

    def healthy(self):
        try:
            status, _ = self.api().call("GET", "/health")
            return status == 200
        except OSError:
            return False

    def start_control(self):
        """Database, broker, gateway: up and answering."""
        process.end_leftovers(self.state_path)
        self.set_plan(["postgres"])
        self.wait(self.postgres.answers, 60, "PostgreSQL")
        self.postgres.make_database()
        migrated = subprocess.run([self.program("pane-broker"), "migrate", "--config", f"{self.conf}/broker.conf"],
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=TOP, check=False)
        if migrated.returncode:
            raise SiteError(f"applying the migrations failed: {migrated.stdout.strip()}")
        self.set_plan(self.control())
        self.wait(self.healthy, 30, "broker and gateway")

    def control(self):
        """The daemons that are no hypervisor host, in starting order."""
        return ["postgres", "broker", *(["lobby"] if self.lobby else []), "gateway"]

    def wait(self, check, timeout_s, what):
        try:
            return wait_until(check, timeout_s, what)
        except SiteError as problem:
            raise SiteError(f"{problem}\n{self.log_tails()}") from None

    def log_tails(self, lines=6):
        text = []
        for name in self.daemons:
            try:
                with open(f"{self.logs}/{name}.log", encoding="utf-8", errors="replace") as file:
                    text += [f"  {name}: {line.rstrip()}" for line in file.readlines()[-lines:]]
            except OSError:
                pass
        return "\n".join(text)

    def make_admin(self, name="admin"):
        """The first administrator; its generated password, or None when there is one already."""
        if self.postgres.psql(f"select count(*) from pane.users where name = '{name}'") != "0":
            return None
        made = subprocess.run([self.program("pane-broker"), "admin", name, "--config", f"{self.conf}/broker.conf"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TOP, check=False)
        if made.returncode:
            raise SiteError(f"creating the administrator failed: {made.stderr.strip()}")
        return made.stdout.strip().split()[-1]

    def start_lab(self):
        self.set_plan([*self.control(), "lab"])

    def enroll_host(self, admin):
        """Makes the host known to the broker. Nothing to do when it is already."""
        known = subprocess.run(self.in_lab("test", "-e", f"{LAB_STATE}/identity/host.crt") if self.lab else
                               ["test", "-e", f"{self.run}/host/identity/host.crt"], check=False)
        if known.returncode == 0:
            return False
        if self.lab:
            subprocess.run(self.in_lab(f"mkdir -p {LAB_STATE}; ln -sfn '{self.images}' {LAB_STATE}/images"), check=True)
        answer = admin.post("/hosts", {"name": "lab" if self.lab else "local"})
        done = subprocess.run(self.host_command("enroll", "--token", "-"), input=answer["token"] + "\n",
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode:
            raise SiteError(f"enrolling the host failed: {done.stdout.strip()}")
        return True

    def start_host(self):
        self.set_plan([*self.control(), *(["lab"] if self.lab else []), "host"])

    def stop(self):
        """Ends everything this site started, in reverse order. True when something ran."""
        state = process.supervised(self.state_path)
        if state:
            process.end(state["supervisor"], timeout=180)
            if self.supervisor:
                self.supervisor.wait()
        leftovers = process.end_leftovers(self.state_path)
        return bool(state or leftovers)

    def destroy(self):
        self.stop()
        shutil.rmtree(self.run, ignore_errors=True)
        if not self.sockets.startswith(self.run):
            shutil.rmtree(self.sockets, ignore_errors=True)


def probe(build):
    """What pane-vmm says of this machine's KVM: {"kvm": "hardware|interpreted|none", "why": …}."""
    done = subprocess.run([f"{build}/bin/pane-vmm", "--probe"], stdout=subprocess.PIPE, text=True, check=False)
    try:
        return json.loads(done.stdout)
    except ValueError:
        return {"kvm": "none", "why": "pane-vmm --probe gave no answer"}


def probe_cell(build):
    """What pane-cell --probe says of containers here: {"cell": "full|limited|none", "why": …, "limits": …}."""
    try:
        done = subprocess.run([f"{build}/bin/pane-cell", "--probe"], stdout=subprocess.PIPE, text=True, check=False)
        return json.loads(done.stdout)
    except (OSError, ValueError):
        return {"cell": "none", "why": "pane-cell --probe gave no answer"}


def progress(text, stream=sys.stdout):
    print(text, file=stream, flush=True)
