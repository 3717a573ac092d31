# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway beside haproxy (where it is installed; HAPROXY=path names another): full TLS handshakes per CPU
second of the proxy's process, and memory of an idle session with TLS on both sides. One worker or thread each, the
same certificate; rates are per CPU second of the proxy, so a busy neighbour distorts them less than wall clock."""
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

from tools.gateway_rig import GatewayRig, exactly, rfb_display, wait_for

HANDSHAKES = int(os.environ.get("HANDSHAKES", "1500"))
IDLE = int(os.environ.get("IDLE", "300"))
TICK = os.sysconf("SC_CLK_TCK")


def cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def pss_kb(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


def handshakes(port, pid, n):
    """Full handshakes, one after another, each with a new context's lack of a session."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    begin = cpu_s(pid)
    for _ in range(n):
        with socket.create_connection(("127.0.0.1", port)) as s, context.wrap_socket(s):
            pass
    used = cpu_s(pid) - begin
    return n / used if used else float("inf")


class Haproxy:
    """Terminates TLS; for idle sessions it opens TLS to the backend, as the gateway does to a host."""

    def __init__(self, rig, program):
        self.port, self.relay_port = (self.free() for _ in range(2))
        pem = rig.dir + "/haproxy.pem"
        with open(pem, "w", encoding="ascii") as out:
            for part in rig.front:
                with open(part, encoding="ascii") as f:
                    out.write(f.read())
        backend = self.echo(rig)
        conf = rig.dir + "/haproxy.cfg"
        with open(conf, "w", encoding="ascii") as f:
            f.write(f"""global
  nbthread 1
  maxconn 5000
  tune.ssl.cachesize 0
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
frontend api
  mode http
  bind 127.0.0.1:{self.port} ssl crt {pem}
  default_backend none
backend none
  mode http
listen relay
  mode tcp
  bind 127.0.0.1:{self.relay_port} ssl crt {pem}
  server s 127.0.0.1:{backend} ssl verify none
""")
        self.process = subprocess.Popen([program, "-db", "-f", conf], stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        rig.children.append(self.process)
        wait_for("haproxy listens", self.answers)

    @staticmethod
    def free():
        with socket.create_server(("127.0.0.1", 0)) as s:
            return s.getsockname()[1]

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port)).close()
            return True
        except OSError:
            return False

    @staticmethod
    def echo(rig):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*rig.front)
        listener = socket.create_server(("127.0.0.1", 0), backlog=200)

        def serve(raw):
            with context.wrap_socket(raw, server_side=True) as s:
                while part := s.recv(4096):
                    s.sendall(part)

        def accept():
            while True:
                raw, _ = listener.accept()
                threading.Thread(target=serve, args=(raw,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        return listener.getsockname()[1]

    def session(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        s = context.wrap_socket(socket.create_connection(("127.0.0.1", self.relay_port)))
        s.sendall(b"x")
        exactly(s, 1)
        return s


def gateway_session(rig):
    s = rig.rfb("alice", "wonderland")
    exactly(s, 4)
    return s


def idle(pid, opened, n):
    held = [opened() for _ in range(10)]  # what the first ones bring with them is not theirs
    before = pss_kb(pid)
    held += [opened() for _ in range(n)]
    time.sleep(0.5)
    size = (pss_kb(pid) - before) / n
    for s in held:
        s.close()
    return size


def main():
    if os.geteuid():
        print("gateway: skipped, only root may read the memory figures of its workers", file=sys.stderr)
        return
    rig = GatewayRig(per_source_max=100000)
    try:
        rig.host.handle = rfb_display
        worker = rig.gateway.workers()[0]
        program = os.environ.get("HAPROXY") or shutil.which("haproxy")
        rival = Haproxy(rig, program) if program else None
        rates = {"pane-gateway": [], "haproxy": []}
        for _ in range(3):  # interleaved, so that a change of the machine's mood meets both
            rates["pane-gateway"].append(handshakes(rig.gateway.ports["https"], worker, HANDSHAKES))
            if rival:
                rates["haproxy"].append(handshakes(rival.port, rival.process.pid, HANDSHAKES))
        print(f"gateway: full TLS handshakes per CPU second ({HANDSHAKES} each, three rounds); memory of an idle session, kB")
        memory = {"pane-gateway": idle(worker, lambda: gateway_session(rig), IDLE)}
        if rival:
            memory["haproxy"] = idle(rival.process.pid, rival.session, IDLE)
        for name, values in rates.items():
            if values:
                print(f"  {name:14s} {sorted(values)[1]:7.0f} /CPU-s  ({', '.join(f'{v:.0f}' for v in values)})   {memory[name]:6.1f} kB")
        if not rival:
            print("  haproxy        not installed: nothing to compare with", file=sys.stderr)
    finally:
        rig.close()


if __name__ == "__main__":
    main()
