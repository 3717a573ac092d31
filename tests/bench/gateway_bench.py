# SPDX-License-Identifier: GPL-3.0-or-later
"""The gateway beside Debian's haproxy, nginx (stream), hitch and stunnel, one worker or thread each, in one run:
memory of idle sessions, full and resumed TLS handshakes, bulk, frames and small echoes through a session, and what
half-open handshakes do to a live one (sessions: beside those that have TLS on both sides, as ours must). Rates are per
CPU second of the proxy, so that a busy neighbour distorts them less than wall clock would. ONLY=name,... takes some of
the measurements, RIVALS=name,... some of the rivals; HANDSHAKES, IDLE, HALF_OPEN, SESSIONS, BULK_MIB change the counts."""
import os
import resource
import socket
import ssl
import struct
import sys
import threading
import time

from tools import tls_rivals
from tools.gateway_rig import GatewayRig, exactly, rfb_display

TICK = os.sysconf("SC_CLK_TCK")
ROUNDS = 3
MESSAGE = 64


def count(name, default):
    return int(os.environ.get(name, default))


def cpu_s(pids):
    """Fine where a process has one thread; in ticks where threads may have come and gone (stunnel)."""
    total = 0
    for pid in pids:
        if len(os.listdir(f"/proc/{pid}/task")) == 1:
            with open(f"/proc/{pid}/schedstat", encoding="ascii") as f:
                total += int(f.read().split()[0]) / 1e9 * TICK
            continue
        with open(f"/proc/{pid}/stat", encoding="ascii") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def pss_kb(pids):
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as f:
            total += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return total


def client_context():
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    c.check_hostname, c.verify_mode = False, ssl.CERT_NONE
    return c


def message(op, n=0):
    return (op + struct.pack(">I", n)).ljust(MESSAGE, b".")


def desktop(s):
    """What is behind every proxy: sends a message back, or n KiB for one that asks for them."""
    blank = bytes(65536)
    while True:
        m = exactly(s, MESSAGE)
        if m[:1] == b"E":
            s.sendall(m)
            continue
        left = struct.unpack(">I", m[1:5])[0] * 1024
        while left:
            s.sendall(blank[:min(left, 65536)])
            left -= min(left, 65536)


def backend(context):
    listener = socket.create_server(("127.0.0.1", 0), backlog=1000)

    def serve(raw):
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            desktop(context.wrap_socket(raw, server_side=True) if context else raw)
        except OSError:
            raw.close()

    def accept():
        while True:
            threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


class Subject:
    """One proxy under measurement; pids: the processes that do its work (ours: a worker and the keeper of the keys)."""

    def __init__(self, name, pids, front, opens):
        self.name, self.pids, self.front, self.open = name, pids, front, opens


def rival_session(rival):
    raw = socket.create_connection(("127.0.0.1", rival.relay))
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    s = client_context().wrap_socket(raw)
    ping(s)
    return s


def gateway_session(rig):
    s = rig.rfb("alice", "wonderland")
    exactly(s, 4)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ping(s)
    return s


def ping(s):
    s.sendall(message(b"E"))
    exactly(s, MESSAGE)


# ---- measurements: each takes a subject and returns figures -------------------------------------

def shake(p, n):
    context = client_context()
    for _ in range(n):
        with socket.create_connection(("127.0.0.1", p.front)) as s, context.wrap_socket(s):
            pass


def full(p):
    n = count("HANDSHAKES", 1000)
    shake(p, n // 10)  # pages touched for the first time, caches filled: not what is asked
    begin = cpu_s(p.pids)
    shake(p, n)
    return n / (cpu_s(p.pids) - begin)


def resumed(p):
    """The ticket of one connection opens the next; TLS 1.2, where the ticket is part of the handshake."""
    context = client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    n, session, reused = count("HANDSHAKES", 1000), None, 0
    begin = cpu_s(p.pids)
    for _ in range(n):
        with socket.create_connection(("127.0.0.1", p.front)) as raw, context.wrap_socket(raw, session=session) as s:
            reused += s.session_reused
            session = s.session
    return n / (cpu_s(p.pids) - begin) if reused > n * 0.9 else 0


def bulk(p):
    s, mib = p.open(), count("BULK_MIB", 400)
    room = memoryview(bytearray(1 << 18))
    begin, left = cpu_s(p.pids), mib << 20
    s.sendall(message(b"B", mib << 10))
    while left:
        left -= s.recv_into(room)
    used = cpu_s(p.pids) - begin
    s.close()
    return mib * 8 * 1.048576 / 1000 / used


def frames(p):
    """Share of a core that SESSIONS sessions of 30 frames a second of 20 kB would take."""
    sessions = [p.open() for _ in range(count("SESSIONS", 500))]
    rounds, begin = 12, cpu_s(p.pids)
    for _ in range(rounds):
        for s in sessions:
            s.sendall(message(b"B", 20))
        for s in sessions:
            exactly(s, 20480)
    used = (cpu_s(p.pids) - begin) / rounds * 30 * 100
    for s in sessions:
        s.close()
    return used


def latencies(s, n):
    took = []
    for _ in range(n):
        begin = time.perf_counter()
        ping(s)
        took.append((time.perf_counter() - begin) * 1e6)
    took.sort()
    return took[n // 2], took[n * 99 // 100]


def echo(p):
    s = p.open()
    latencies(s, 200)
    figures = latencies(s, 3000)
    s.close()
    return figures


def idle(p):
    n = count("IDLE", 2000)
    held = [p.open() for _ in range(20)]  # what the first ones bring with them is not theirs
    before = pss_kb(p.pids)
    for _ in range(n):
        held.append(p.open())
    time.sleep(0.5)
    size = (pss_kb(p.pids) - before) / n
    for s in held:
        s.close()
    return size


def half_open(p):
    """p50 and p99 of a live session's echo before and under half a ClientHello a connection."""
    s = p.open()
    latencies(s, 200)
    before = latencies(s, 2000)
    held = []
    for _ in range(count("HALF_OPEN", 5000)):
        c = socket.create_connection(("127.0.0.1", p.front))
        c.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        held.append(c)
    under = latencies(s, 2000)
    for c in held + [s]:
        c.close()
    return before + under


def table(title, unit, subjects, measure, rounds=ROUNDS, better="high"):
    """Interleaved rounds, their medians, and our ratio to the best of the others."""
    values = {p.name: [] for p in subjects}
    for _ in range(rounds):
        for p in subjects:
            values[p.name].append(measure(p))
    middle = {n: sorted(v)[len(v) // 2] for n, v in values.items()}
    others = [v for n, v in middle.items() if n != "pane-gateway" and v]
    print(f"gateway: {title}, {unit}")
    for name, v in sorted(middle.items(), key=lambda i: i[1], reverse=better == "high"):
        print(f"  {name:14s} {v:9.1f}   ({', '.join(f'{x:.1f}' for x in values[name])})")
    if others and middle["pane-gateway"]:
        best = max(others) if better == "high" else min(others)
        print(f"  ours / best of the others: {middle['pane-gateway'] / best:.2f}")
    sys.stdout.flush()


def echo_table(subjects):
    print("gateway: echo of 64 bytes through a live session, microseconds: p50, p99")
    for p in subjects:
        print("  %-14s %7.0f %7.0f" % (p.name, *echo(p)))


def half_table(subjects):
    print("gateway: the same alone, and under %d half-open handshakes" % count("HALF_OPEN", 5000))
    for p in subjects:
        print("  %-14s %7.0f %7.0f   %7.0f %7.0f" % (p.name, *half_open(p)))


def subjects_of(rig):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*rig.front)
    tls.num_tickets = 0  # what a proxy keeps of its backend's tickets is not asked; ours sends none
    ports = backend(tls), backend(None)
    out = [Subject("pane-gateway", [rig.gateway.workers()[0], rig.gateway.keeper()], rig.gateway.ports["https"],
                   lambda: gateway_session(rig))]
    wanted = os.environ.get("RIVALS", "haproxy,nginx,hitch,stunnel").split(",")
    for kind in tls_rivals.ALL:
        if kind.name not in wanted:
            continue
        if not kind.installed():
            print(f"gateway: {kind.name} is not installed: not compared", file=sys.stderr)
            continue
        r = kind(rig, *ports)
        out.append(Subject(kind.name, [r.pid()], r.front, (lambda r=r: rival_session(r)) if kind.both else None))
    return out


def measure_all(subjects):
    both = [p for p in subjects if p.open]
    every = {  # memory first: what a later one frees would be used again
        "idle": lambda: table("idle session, TLS on both sides", "kB", both, idle, 1, "low"),
        "full": lambda: table("full TLS 1.3 handshakes", "per CPU second", subjects, full),
        "resumed": lambda: table("resumed TLS 1.2 handshakes", "per CPU second", subjects, resumed),
        "bulk": lambda: table("bulk, TLS on both sides", "Gbit per CPU second", both, bulk),
        "echo": lambda: echo_table(both),
        "frames": lambda: table("sessions of 30 frames/s of 20 kB", "% of a core", both, frames, 1, "low"),
        "half": lambda: half_table(both),
    }
    for name in os.environ.get("ONLY", ",".join(every)).split(","):
        every[name]()


def main():
    if os.geteuid():
        print("gateway: skipped, only root may read the memory figures of its workers", file=sys.stderr)
        return
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    threading.stack_size(256 * 1024)
    rig = GatewayRig(per_source_max=100000, login_deadline_ms=60000)
    try:
        rig.host.handle = lambda s, preface: rfb_display(s, preface, then=desktop)
        measure_all(subjects_of(rig))
    finally:
        rig.close()


if __name__ == "__main__":
    main()
