# SPDX-License-Identifier: GPL-3.0-or-later
"""Typing in step with what a picture shows: benches and stories wait for a key's echo, not for anything older."""
import os
import socket
import struct
import tempfile
import threading
import unittest

import vm

DAMAGE = struct.pack("<HHIIIiiii", vm.DAMAGE, 0, 24, 0, 1, 0, 0, 8, 16)
STALE = 100  # messages that came before the first key
TEXT = "a line, 22 characters\n"


class Machine(threading.Thread):
    """Takes keys as a guest does that draws each: it counts those that came before it had drawn the last one."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.listener.bind(path)
        self.listener.listen()
        self.told, self.keys, self.early = threading.Event(), 0, 0

    def run(self):
        sock = self.listener.accept()[0]
        with self.listener, sock:
            for _ in range(STALE):
                sock.send(DAMAGE)
            self.told.set()
            while message := sock.recv(4096):
                kind, _, _, code, down = struct.unpack("<HHIII", message[:16])
                if kind != vm.KEY or not down or code == vm.SHIFT:
                    continue
                self.keys += 1
                sock.settimeout(0.02)  # a guest that takes its time; what comes meanwhile, but for this key's release, did not wait
                try:
                    while struct.unpack("<HHIII", sock.recv(4096)[:16])[4] == 0:
                        pass
                    self.early += 1
                except TimeoutError:
                    pass
                sock.settimeout(None)
                sock.send(DAMAGE)


class Typing(unittest.TestCase):
    def test_step(self):
        """each key waits for the picture that the one before it made, however much of older ones was left unread"""
        with tempfile.TemporaryDirectory() as folder:
            machine = Machine(os.path.join(folder, "surface.sock"))
            machine.start()
            display = vm.Surface(os.path.join(folder, "surface.sock"))
            self.addCleanup(display.close)
            self.assertTrue(machine.told.wait(10))
            vm.type_in_step([display], [TEXT])
            self.assertEqual((machine.keys, machine.early), (len(TEXT), 0))
