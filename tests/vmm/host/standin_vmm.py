#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for pane-vmm in the host agent's stories: same command line, same control protocol, no
guest; its memory is what {"op":"write","text":TEXT} put there. More operations: {"op":"end","how":"poweroff|reset|panic|error"} makes it end as a guest would,
{"op":"trouble","reason":TEXT} tells of a problem, {"op":"note",…} what the guest says of itself.
{"op":"work","as":NAME,"s":N} keeps a thread of that name busy until it had N seconds of a processor; with "processes" so many processes of its own.
An image whose command line holds "standin.die" panics at once; "standin.slow" never gets ready; "standin.full" has no room for a snapshot."""
import ctypes
import json
import os
import select
import socket
import sys
import threading
import time

CODES = {"poweroff": 0, "quit": 0, "logout": 0, "reset": 3, "panic": 4, "error": 5}


def options(argv):
    if argv == ["--probe"]:
        print('{"kvm":"hardware","why":"stand-in"}')
        sys.exit(0)
    opt = {}
    argv = [word for word in argv if word not in ("--sound", "--clipboard", "--memory-merge", "--memory-huge")]  # those without a value
    for i in range(0, len(argv), 2):
        opt.setdefault(argv[i][2:], argv[i + 1])  # of several disks the first
    return opt


def tell(client, data):
    """What a client that has gone is not there to read."""
    try:
        client.sendall(data)
    except (BrokenPipeError, ConnectionResetError):
        pass


def work(name, seconds):
    ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0) # PR_SET_NAME, of this thread
    while time.clock_gettime(time.CLOCK_THREAD_CPUTIME_ID) < seconds:
        pass
    threading.Event().wait() # with a thread goes what it had


class Machine:
    def __init__(self, opt):
        self.opt, self.ready, self.clients = opt, False, []
        self.control = socket.socket(socket.AF_UNIX)
        self.note, self.memory = "", ""
        self.limits, self.target, self.passed = {"disk": {}, "net": {}}, 0, 0
        held = [int(w[5:]) for w in opt.get("cmdline", "").split() if w.startswith("hold=")]
        self.held = bytearray(b"x") * (held[0] << 20) if held else None
        if "restore" in opt:
            self.restore(opt["restore"])
        self.control.bind(opt["control"])
        self.control.listen(8)

    def restore(self, folder):
        with open(f"{folder}/state", encoding="utf-8") as file:
            if file.read() != "state":
                self.end("error", "the snapshot is damaged")
        with open(f"{folder}/memory", encoding="utf-8") as file:
            self.memory = file.read()
        self.ready = True

    def balloon(self, order):
        """A guest that does what it is told; how much it calls free is its command line's "free=MIB", what it really has "hold=MIB"."""
        self.target = order.get("target_mib", self.target)
        free = [int(w[5:]) for w in self.opt.get("cmdline", "").split() if w.startswith("free=")]
        answer = {"target_mib": self.target, "actual_mib": self.target, "released_mib": self.target, "driver": bool(free)}
        if free:
            answer["stats"] = {"age_ms": 0, "available_bytes": max(0, free[0] - self.target) << 20}
        return answer

    def snapshot(self, client, files):
        if "standin.full" in self.opt.get("cmdline", ""):
            return {"error": "writing the snapshot: No space left on device", "word": "disk.full"}
        for fd, text in zip(files, ("state", self.memory)):
            os.write(fd, text.encode())
        return {"ok": True}

    def end(self, how, why="the guest did something impossible"):
        reason = f"error: {why}" if how == "error" else how
        with open(self.opt["state"], "w", encoding="utf-8") as file:
            json.dump({"code": CODES[how], "reason": reason}, file)
        os._exit(CODES[how])

    def take(self, client, line, files):
        order = json.loads(line)
        answer = {"ok": True}
        if order["op"] == "status":
            answer = {"state": "running", "ready": self.ready, "uptime_ms": 1, "surface": True}
            if self.note:
                answer["note"] = self.note
        elif order["op"] == "limits":
            self.limits.update({k: v for k, v in order.items() if k != "op"})
            self.passed += 3 << 20 # bytes a question, so to speak
            answer = {**self.limits, "passed": {"net_in": self.passed, "net_out": self.passed // 3}}
        elif order["op"] == "balloon":
            answer = self.balloon(order)
        elif order["op"] == "snapshot":
            answer = self.snapshot(client, files)
        elif order["op"] == "write":
            self.memory += order["text"]
        elif order["op"] == "read":
            answer = {"memory": self.memory}
        elif order["op"] == "powerdown" and "standin.deaf" not in self.opt.get("cmdline", ""):
            self.end("poweroff")
        elif order["op"] == "quit":
            self.end("quit")
        elif order["op"] in ("trouble", "note"):
            self.note = order["reason"] if order["op"] == "note" else self.note
            for other in self.clients:
                tell(other, json.dumps({"event": "problem" if order["op"] == "trouble" else "note", "reason": order["reason"]}).encode() + b"\n")
        elif order["op"] == "work":
            for _ in range(order.get("processes", 0)):
                if os.fork() == 0:
                    work(order["as"], order["s"])
            if "processes" not in order:
                threading.Thread(target=work, args=(order["as"], order["s"]), daemon=True).start()
        elif order["op"] == "ready":
            self.ready = True
            for other in self.clients:
                tell(other, b'{"event":"ready"}\n')
        elif order["op"] == "end":
            self.end(order["how"])
        tell(client, json.dumps(answer).encode() + b"\n")

    def run(self):
        poll_s = 0.1
        while True:
            readable, _, _ = select.select([self.control] + self.clients, [], [], None if self.ready else poll_s)
            if not readable and "standin.slow" not in self.opt.get("cmdline", ""):
                self.ready = True
                for client in self.clients:
                    tell(client, b'{"event":"ready"}\n')
            for sock in readable:
                if sock is self.control:
                    self.clients.append(sock.accept()[0])
                    continue
                try:
                    data, files, _, _ = socket.recv_fds(sock, 4096, 2)
                except ConnectionResetError:  # an agent that was killed with an answer unread
                    data, files = b"", []
                if not data:
                    self.clients.remove(sock)
                for line in data.splitlines():
                    self.take(sock, line, files)
                for fd in files:
                    os.close(fd)


def main():
    opt = options(sys.argv[1:])
    overlay = opt["disk"].split("overlay=")[1]
    with open(overlay, "ab") as file:
        file.write(b"started\n")
    with open(opt["serial"], "a", encoding="utf-8") as file:
        file.write("booting\n")
    machine = Machine(opt)
    if "standin.die" in opt.get("cmdline", ""):
        machine.end("panic")
    machine.run()


if __name__ == "__main__":
    main()
