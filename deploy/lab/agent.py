#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs commands inside the lab host for deploy/lab/lab.

One virtio-serial port (execN) is one command channel. Both sides speak JSON lines: the caller sends
{"argv", "cwd", "env"} and then {"in": base64} or {"eof": true}; the agent answers {"out": base64} ... and
{"exit": status}. When the caller's end closes, what it started is killed with its whole session. A
request {"halt": true} ends the agent and with it the lab host. Standard library only."""
import base64
import fcntl
import glob
import json
import os
import select
import signal
import subprocess
import sys
import threading

HALT = threading.Event()


class Channel(threading.Thread):
    """Serves one port, one command after the other."""

    def __init__(self, device):
        super().__init__(daemon=True)
        self.fd = os.open(device, os.O_RDWR)
        self.pending = b""
        self.lock = threading.Lock()
        self.changed = threading.Event()
        fcntl.fcntl(self.fd, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(self.fd, fcntl.F_SETFL, fcntl.fcntl(self.fd, fcntl.F_GETFL) | os.O_ASYNC)

    def send(self, message):
        data = (json.dumps(message) + "\n").encode()
        with self.lock:
            while data:
                data = data[os.write(self.fd, data):]

    def lines(self):
        """What has arrived, line by line; None when the caller hung up."""
        chunk = os.read(self.fd, 65536)
        if not chunk:
            return None
        self.pending += chunk
        *whole, self.pending = self.pending.split(b"\n")
        return [json.loads(line) for line in whole if line]

    def wait_caller(self):
        """Blocks until a caller is connected and has sent something. The driver keeps POLLHUP up while nobody
        is connected and sends SIGIO when that changes."""
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        while True:
            self.changed.clear()
            events = poll.poll(1000)
            if events and not events[0][1] & select.POLLHUP:
                return
            if events:
                self.changed.wait(10)

    def run(self):
        while True:
            self.wait_caller()
            self.pending = b""
            try:
                arrived = []
                while arrived is not None and not arrived:
                    arrived = self.lines()
                # What the caller sends right behind its request may come in the same chunk.
                if arrived:
                    self.serve(arrived[0], arrived[1:])
            except (OSError, ValueError) as problem:
                print("lab: channel:", problem, flush=True)

    def serve(self, request, behind):
        if request.get("halt"):
            HALT.set()
            return
        if "argv" not in request:
            return
        env = dict(os.environ, **request.get("env", {}))
        try:
            child = subprocess.Popen(request["argv"], cwd=request.get("cwd") or "/", env=env,
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT, start_new_session=True)
        except OSError as problem:
            self.send({"out": base64.b64encode(f"lab: {problem}\n".encode()).decode()})
            self.send({"exit": 127})
            return
        output = threading.Thread(target=self.copy_output, args=(child,), daemon=True)
        output.start()
        for message in behind:
            pass_on(child, message)
        self.watch(child, output)

    def copy_output(self, child):
        try:
            while chunk := child.stdout.read1(32768):
                self.send({"out": base64.b64encode(chunk).decode()})
        except OSError:
            pass

    def watch(self, child, output):
        ended = os.pidfd_open(child.pid)
        poll = select.poll()
        poll.register(self.fd, select.POLLIN)
        poll.register(ended, select.POLLIN)
        try:
            while True:
                for fd, event in poll.poll():
                    if fd == ended:
                        # A background child may hold the pipe: give what is buffered a moment, not more.
                        output.join(1)
                        status = child.wait()
                        self.send({"exit": status if status >= 0 else 128 - status})
                        return
                    if event & select.POLLHUP or not self.feed(child):
                        kill_session(child)
                        return
        finally:
            os.close(ended)

    def feed(self, child):
        messages = self.lines()
        if messages is None:
            return False
        for message in messages:
            pass_on(child, message)
        return True


def pass_on(child, message):
    """Input, end of input or a signal from the caller; a child that is gone does not mind."""
    try:
        if "in" in message:
            child.stdin.write(base64.b64decode(message["in"]))
            child.stdin.flush()
        if message.get("eof"):
            child.stdin.close()
        if "signal" in message:
            os.killpg(child.pid, int(message["signal"]))
    except (OSError, ValueError):
        pass


def kill_session(child):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, number)
        except ProcessLookupError:
            break
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            continue


def keep_machine():
    """A virtual machine with one processor that never runs, for as long as the lab does. The kernel changes its own code
    (static keys of kvm and kvm-amd) for its first machine and again after its last, and the emulator may go on with the old
    code: tests/README.md, "What the lab's emulator gets wrong"."""
    create_vm, create_irqchip, create_vcpu = 0xae01, 0xae60, 0xae41  # linux/kvm.h
    try:
        kvm = os.open("/dev/kvm", os.O_RDWR | os.O_CLOEXEC)
        machine = fcntl.ioctl(kvm, create_vm, 0)
        fcntl.ioctl(machine, create_irqchip, 0)
        fcntl.ioctl(machine, create_vcpu, 0)
    except OSError as problem:
        print("lab: no machine of its own:", problem, flush=True)


def main():
    keep_machine()
    os.environ.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    os.environ.setdefault("HOME", "/root")
    os.environ["LAB"] = "1"
    channels = []
    signal.signal(signal.SIGIO, lambda *_: [channel.changed.set() for channel in channels])
    for path in sorted(glob.glob("/sys/class/virtio-ports/vport*")):
        with open(path + "/name", encoding="ascii") as name:
            if name.read().startswith("exec"):
                channels.append(Channel("/dev/" + os.path.basename(path)))
    for channel in channels:
        channel.start()
    if not channels:
        sys.exit("lab: no exec port")
    print("lab: ready", flush=True)
    HALT.wait()


if __name__ == "__main__":
    main()
