# SPDX-License-Identifier: GPL-3.0-or-later
"""A display with a clipboard (common/surface.h)."""
import fcntl
import os
import socket
import struct

import ears
import vm

POLICY, OFFER, REQUEST, DATA = 39, 64, 65, 66
OUT, IN, TEXT = 1, 2, 1
F5 = 63
# A terminal that puts "grüß" into the clipboard (OSC 52), pastes a line into a file by F5, copies "second" and ends with the next one.
TERMINAL = ("xterm -xrm 'XTerm*disallowedWindowOps:' -xrm 'XTerm*VT100.translations: #override <Key>F5: insert-selection(CLIPBOARD)' -e sh -c "
            "'printf \"\\033]52;c;Z3LDvMOf\\007\"; echo x >shown; head -n1 >pasted; printf \"\\033]52;c;c2Vjb25k\\007\"; echo x >again; head -n1 >ended'\n")


class Clipboard(ears.Ears):
    """A display that allows the clipboard these ways, and keeps what it is told of it."""

    def __init__(self, path, ways):
        super().__init__(path)
        self.told = []
        self.allow(ways)

    def allow(self, ways):
        self.send(POLICY, struct.pack("<I", ways))

    def other(self, kind, data, fd):
        if kind >= OFFER:
            text = os.pread(fd, 1 << 20, 0).decode() if fd >= 0 else None
            self.told.append((kind, *struct.unpack_from(f"<{(len(data) - 8) // 4}I", data, 8), text))
        else:
            super().other(kind, data, fd)

    def next(self, kind, timeout=30):
        """The next message of that kind, without its type."""
        self.wait(lambda: any(m[0] == kind for m in self.told), timeout)
        found = next(m for m in self.told if m[0] == kind)
        self.told.remove(found)
        return found[1:]

    def offer(self, serial):
        self.send(OFFER, struct.pack("<II", serial, TEXT))

    def request(self, serial):
        self.send(REQUEST, struct.pack("<II", serial, TEXT))

    def give(self, serial, text):
        """Answers a request."""
        fd = os.memfd_create("clip", os.MFD_ALLOW_SEALING)
        os.write(fd, text)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK)
        socket.send_fds(self.sock, [struct.pack("<HHIIIII", DATA, 0, 16, serial, TEXT, 0, len(text))], [fd])
        os.close(fd)

    def paste(self):
        self.key(F5, 1)
        self.key(F5, 0)
