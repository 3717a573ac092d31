# SPDX-License-Identifier: GPL-3.0-or-later
"""The line between two pane-vmm while a machine moves (vmm/migrate_wire.h): one that knows the frames, can change them and breaks."""
import socket
import struct
import threading

HELLO, PAGES, ZEROS, STATE, END, GO = 1, 2, 3, 4, 5, 6
WANTED, READY, RUNS, REFUSED = 16, 17, 18, 19
PAGE = 4096


def body_bytes(kind, n):
    """How many bytes follow a frame's head."""
    return n * PAGE if kind == PAGES else n if kind in (HELLO, STATE, REFUSED) else 0


def take(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(min(n - len(data), 1 << 20))
        if not part:
            raise EOFError
        data += part
    return data


class Line:
    """Carries frames between .source (to be given to one) and a socket of the other.

    cut: (kind, how many bytes of it still pass): the first frame of that kind breaks the line.
    change: called with kind and the whole frame, returns what goes on instead.
    hold: a kind whose first frame waits for go().
    """

    def __init__(self, receiver, cut=None, change=None, hold=None):
        self.source, self.inner = socket.socketpair()
        self.receiver = receiver
        self.cut, self.change, self.hold = cut, change, hold
        self.seen = []
        self.held, self.going = threading.Event(), threading.Event()
        self.threads = [threading.Thread(target=self.carry, args=pair, daemon=True)
                        for pair in ((self.inner, receiver), (receiver, self.inner))]
        for thread in self.threads:
            thread.start()

    def carry(self, a, b):
        try:
            while True:
                head = take(a, 16)
                kind, n, _ = struct.unpack("<IIQ", head)
                frame = head + take(a, body_bytes(kind, n))
                self.seen.append(kind)
                if self.hold == kind and not self.held.is_set():
                    self.held.set()
                    self.going.wait(60)
                if self.cut and self.cut[0] == kind:
                    b.sendall(frame[:self.cut[1]])
                    break
                b.sendall(self.change(kind, frame) if self.change else frame)
        except (EOFError, OSError):
            pass
        self.end()

    def go(self):
        self.going.set()

    def end(self):
        for sock in (self.inner, self.receiver):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.go()
        self.end()
        for thread in self.threads:
            thread.join(30)
        for sock in (self.source, self.inner, self.receiver):
            sock.close()


MASK = (1 << 64) - 1
P1, P2, P3, P4, P5 = 11400714785074694791, 14029467366897019727, 1609587929392839161, 9650029242287828579, 2870177450012600261


def _turn(v, n):
    return (v << n | v >> (64 - n)) & MASK


def _round(acc, v):
    return _turn((acc + v * P2) & MASK, 31) * P1 & MASK


def xxh64(data, seed=0):
    """XXH64, as sections are summed."""
    at, n = 0, len(data)
    if n >= 32:
        acc = [(seed + P1 + P2) & MASK, (seed + P2) & MASK, seed, (seed - P1) & MASK]
        while at + 32 <= n:
            for i, v in enumerate(struct.unpack_from("<4Q", data, at)):
                acc[i] = _round(acc[i], v)
            at += 32
        h = sum(_turn(a, r) for a, r in zip(acc, (1, 7, 12, 18))) & MASK
        for a in acc:
            h = ((h ^ _round(0, a)) * P1 + P4) & MASK
    else:
        h = (seed + P5) & MASK
    h = (h + n) & MASK
    while at + 8 <= n:
        h = (_turn(h ^ _round(0, struct.unpack_from("<Q", data, at)[0]), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= n:
        h = (_turn(h ^ struct.unpack_from("<I", data, at)[0] * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in data[at:]:
        h = _turn(h ^ byte * P5 & MASK, 11) * P1 & MASK
    for shift, factor in ((33, P2), (29, P3)):
        h = (h ^ h >> shift) * factor & MASK
    return h ^ h >> 32


def sections(state):
    """(name, where its head, where its bytes, how many) of each section of a state file."""
    at = 16
    while at < len(state):
        n = struct.unpack_from("<Q", state, at + 24)[0]
        yield state[at:at + 16].rstrip(b"\0").decode(), at, at + 40, n
        at += 40 + n


def other_processor(kind, frame):
    """A greeting of a machine on a processor of another model (CPUID 1 eax)."""
    if kind != HELLO:
        return frame
    state = bytearray(frame[16:])
    for name, head, at, n in sections(state):
        if name != "cpu":
            continue
        for i in range(struct.unpack_from("<I", state, at)[0]):
            entry = at + 4 + 28 * i
            if struct.unpack_from("<I", state, entry)[0] == 1:
                state[entry + 12] ^= 0x10
        struct.pack_into("<Q", state, head + 32,
                         xxh64(bytes(state[at:at + n]), xxh64(bytes(state[head:head + 32]))))
    return frame[:16] + bytes(state)
