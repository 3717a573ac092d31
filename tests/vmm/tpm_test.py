# SPDX-License-Identifier: GPL-3.0-or-later
"""A machine's TPM by a real swtpm: what the guest asks of it, what firmware makes of it, and what its death leaves."""
import os
import tempfile
import unittest

import swtpm
import vm
import vmpc

TIMEOUT = 900

# Asks the BIOS for its TPM (TCG PC Client Implementation Specification for Conventional BIOS 1.21 §13.6, TCG_StatusCheck), sends
# "T" to the serial port when there is one, "L" when events were logged, else "N" and "0", and powers off.
STATUS = bytes.fromhex("6631c08ed88ed0bc007c6631f66631ffb800bbcd1a6685c0b04e7502b054baf803ee6639feb0307402b04ceeb00aeeba0406b80034eff4")


@unittest.skipUnless(swtpm.found(), "swtpm is missing: run 'make deps'")
@unittest.skipIf(vm.why_not(), vm.why_not())
class Tpm(unittest.TestCase):
    def start(self, tpm, *args, cmdline=""):
        machine = vm.Vm(cmdline, "--tpm", tpm.socket, *args)
        self.addCleanup(machine.close)
        return machine

    def test_random(self):
        """the guest starts it up and gets random numbers, other ones each time; it ends with the machine"""
        tpm = swtpm.Swtpm(self)
        machine = self.start(tpm, cmdline="run=tpm")
        machine.serial("tpm random", 60)
        display = machine.surface()
        display.type("tpm\npoweroff\n")
        self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))
        lines = [line for line in machine.text("serial").splitlines() if line.startswith("tpm")]
        self.assertEqual([line.split()[:3] for line in lines], [["tpm", "startup", "0000"], ["tpm", "random", "0000"],
                                                                ["tpm", "startup", "0100"], ["tpm", "random", "0000"]])
        self.assertEqual(len({number for line in lines[1::2] for number in line.split()[3:]}), 4)
        self.assertEqual(tpm.process.wait(60), 0)

    def test_killed(self):
        """when swtpm dies the TPM says so, every command fails, and the machine goes on"""
        tpm = swtpm.Swtpm(self)
        machine = self.start(tpm, cmdline="run=tpm")
        machine.serial("tpm random", 60)
        tpm.process.kill()
        tpm.process.wait()
        display = machine.surface()
        display.type("tpm\n")
        machine.serial("tpm failed 0101", 60)
        display.type("poweroff\n")
        self.assertEqual(machine.wait(60), (0, {"code": 0, "reason": "poweroff"}))
        self.assertIn("tpm.lost", machine.text("stderr"))

    def test_snapshot(self):
        """a snapshot is refused with the reason, and the machine goes on"""
        machine = self.start(swtpm.Swtpm(self)).ready()
        with self.assertRaisesRegex(RuntimeError, "a machine with a TPM cannot be saved"):
            machine.snapshot()
        self.assertEqual(machine.ask(op="status")["state"], "running")

    def test_refused(self):
        """a TPM 1.2, and a socket where nobody listens, are named at the start"""
        for socket, said in ((swtpm.Swtpm(self, "--seccomp", "action=none").socket, "start it with --tpm2"), ("/nowhere", "/nowhere")):
            machine = vm.Vm("", "--tpm", socket)
            self.addCleanup(machine.close)
            status, state = machine.wait(60)
            self.assertEqual(status, 1)
            self.assertIn(said, state["reason"])

    @unittest.skipIf(vmpc.why_not(), vmpc.why_not())
    def test_firmware(self):
        """SeaBIOS finds the TPM by its table and measures what it boots"""
        with tempfile.TemporaryDirectory(prefix="pane-pc-") as folder:
            disk = vmpc.boot_sector(STATUS, os.path.join(folder, "disk.raw"))
            for tpm, said in ((["--tpm", swtpm.Swtpm(self).socket], "TL\n"), ([], "N0\n")):
                machine = vmpc.Pc("bios", *tpm, "--disk", f"raw={disk}")
                self.addCleanup(machine.close)
                self.assertEqual(machine.wait(300), (0, {"code": 0, "reason": "poweroff"}))
                self.assertEqual(machine.text("serial"), said)
