#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for pane-display in the host agent's stories: takes a preface, says yes, and sends every
byte back with the preface's user in front of the first."""
import json
import socket
import struct
import sys
import threading


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


def serve(sock):
    try:
        head = take(sock, 8)
        preface = json.loads(take(sock, struct.unpack(">H", head[6:8])[0]))
        if "grant" in preface:
            sock.sendall(frame({"ok": False, "code": "test", "message": "the grant was passed on"}))
            return
        sock.sendall(frame({"ok": True}) + f"hello {preface['user']}\n".encode())
        while data := sock.recv(65536):
            sock.sendall(data)
    except (OSError, EOFError):
        pass
    finally:
        sock.close()


def main():
    opt = {sys.argv[i][2:]: sys.argv[i + 1] for i in range(1, len(sys.argv), 2)}
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(opt["listen"])
    listener.listen(16)
    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


main()
