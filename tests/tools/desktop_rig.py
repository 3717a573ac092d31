# SPDX-License-Identifier: GPL-3.0-or-later
"""The display rig around a real container desktop, in place of the replayer."""
import cell

from tools.display_rig import Rig, missing


class DesktopRig(Rig):
    def __init__(self, machine, **more):
        self.machine = machine
        super().__init__(**more)

    def start_replay(self, size, more):
        self.surface = self.machine.path("surface.sock")


def start(case, **more):
    """A desktop with its terminal up and a rig around it, both for as long as the test case; skipped where they cannot be."""
    if missing():
        case.skipTest("not installed: " + ", ".join(missing()))
    machine = cell.Cell()
    case.addCleanup(machine.close)
    machine.terminal().close()
    rig = DesktopRig(machine, **more)
    case.addCleanup(rig.close)
    return machine, rig
