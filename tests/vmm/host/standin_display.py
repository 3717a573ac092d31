#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for pane-display in the host agent's stories: takes a preface, says yes, and sends every
byte back with the preface's user in front of the first. Bytes are a viewer's input, and told of on the
control line; what the agent says there goes to the file "told" beside the socket. A recording is 2,000,000
bytes and goes on until the last viewer has left; with a file "full" beside the socket it fails at once."""
import contextlib
import json
import os
import socket
import struct
import sys
import threading
import time


def take(sock, n):
    data = b""
    while len(data) < n:
        more = sock.recv(n - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def frame(answer):
    text = json.dumps(answer).encode()
    return b"PANE" + struct.pack(">HH", 1, len(text)) + text


agents, viewers, lock = [], {}, threading.Lock()
recording = []  # its id


def touched(conn):
    with lock:
        viewers[conn] = time.monotonic()
        for agent in agents:
            tell(agent, conn, 0)


def tell(agent, conn, ms):
    with contextlib.suppress(OSError):
        agent.sendall(json.dumps({"event": "input", "conn": conn, "ms": ms}).encode() + b"\n")


def beside(name):
    return os.path.join(os.path.dirname(os.path.abspath(opt["listen"])), name)


def lines(sock):
    """What the agent says, line by line; a line with a descriptor is an order to record."""
    data = b""
    while True:
        part, fds, _, _ = socket.recv_fds(sock, 4096, 1)
        if not part:
            return
        data += part
        *whole, data = data.split(b"\n")
        for line in whole:
            said = json.loads(line)
            if said["op"] == "record" and said["id"]:
                record(said["id"], fds.pop())
            elif said["op"] == "record" and recording:
                over(recording.pop(), "stopped", False)
            yield line + b"\n"


def record(name, fd):
    with open(fd, "wb") as file:
        if os.path.exists(beside("full")):
            over(name, "No space left on device", True)
            return
        file.write(bytes(range(250)) * 8000)
    with lock:
        recording.append(name)


def over(name, why, failed):
    for agent in agents:
        with contextlib.suppress(OSError):
            agent.sendall(json.dumps({"event": "record", "id": name, "bytes": 1, "why": why, "failed": failed}).encode() + b"\n")


def control(sock):
    with lock:
        sock.sendall(frame({"ok": True}))
        agents.append(sock)
        for conn, at in viewers.items():
            tell(sock, conn, int((time.monotonic() - at) * 1000))
    with open(beside("told"), "ab") as told:
        for line in lines(sock):
            told.write(line)
            told.flush()
    with lock:
        agents.remove(sock)


def serve(sock):
    conn = None
    try:
        head = take(sock, 8)
        preface = json.loads(take(sock, struct.unpack(">H", head[6:8])[0]))
        if "grant" in preface:
            sock.sendall(frame({"ok": False, "code": "test", "message": "the grant was passed on"}))
            return
        if preface["protocol"] == "control":
            control(sock)
            return
        conn = preface["conn"]
        touched(conn)
        sock.sendall(frame({"ok": True}) + f"hello {preface['user']}\n".encode())
        while data := sock.recv(65536):
            touched(conn)
            sock.sendall(data)
    except (OSError, EOFError):
        pass
    finally:
        with lock:
            viewers.pop(conn, None)
            while recording and not viewers:
                over(recording.pop(), "stopped", False)
        sock.close()


opt = {sys.argv[i][2:]: sys.argv[i + 1] for i in range(1, len(sys.argv), 2)}


def main():
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(opt["listen"])
    listener.listen(16)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


main()
