# SPDX-License-Identifier: GPL-3.0-or-later
"""Ears and mouths for viewers under test: a PulseAudio of their own whose only device is recorded, or is a tone; and what was heard."""
import array
import contextlib
import io
import math
import os
import shutil
import subprocess
import tempfile
import wave

from tools.display_rig import wait_for

RATE = 44100


def missing():
    return [p for p in ("pulseaudio", "parec", "pactl") if not shutil.which(p)]


def tone(hertz, seconds, loud=8000):
    """A WAV file of a sine wave, left and right alike."""
    samples = array.array("h")
    for i in range(int(RATE * seconds)):
        samples.extend([round(loud * math.sin(2 * math.pi * hertz * i / RATE))] * 2)
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((2, 2, RATE, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return out.getvalue()


class Room:
    """What an Ear needs of a rig, for who has none."""

    def __init__(self):
        self.dir, self.env, self.children = tempfile.mkdtemp(prefix="pane-ear-"), dict(os.environ), []

    def spawn(self, argv, log):
        with open(f"{self.dir}/{log}", "ab") as out:
            self.children.append(subprocess.Popen(argv, stdout=out, stderr=out, env=self.env))

    def close(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait()
        shutil.rmtree(self.dir, ignore_errors=True)


@contextlib.contextmanager
def surroundings(rig, env):
    """What the rig starts meanwhile has these variables too."""
    before = dict(rig.env)
    rig.env.update(env)
    try:
        yield
    finally:
        rig.env.clear()
        rig.env.update(before)


class Mouth:
    """Viewers started by the rig at() it have a microphone in front of which a tone never ends."""

    def __init__(self, rig, name, hertz):
        self.dir, self.socket = f"{rig.dir}/{name}", f"{rig.dir}/{name}/socket"
        os.mkdir(self.dir, 0o700)
        self.env = {"HOME": self.dir, "XDG_RUNTIME_DIR": self.dir, "PULSE_SERVER": "unix:" + self.socket}
        with self.at(rig):
            rig.spawn(["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
                       f"--load=module-native-protocol-unix socket={self.socket} auth-anonymous=1",
                       f"--load=module-null-sink sink_name=air rate={RATE}",  # module-sine-source comes in lumps of two seconds
                       f"--load=module-sine sink=air frequency={hertz}"], f"{name}.log")
            wait_for("PulseAudio", lambda: os.path.exists(self.socket))

    def at(self, rig):
        return surroundings(rig, self.env)

    def open(self):
        """Whether somebody records from it."""
        return bool(subprocess.run(["pactl", "list", "short", "source-outputs"], env={**os.environ, **self.env}, check=True,
                                   capture_output=True).stdout.strip())


class Ear:
    """Viewers started by the rig with env() play to it; recorded from now on, in real time, silence too."""

    def __init__(self, rig, name="ear", rate=RATE):
        self.rate = rate
        self.dir, self.socket = f"{rig.dir}/{name}", f"{rig.dir}/{name}/socket"
        self.record = f"{self.dir}/heard"
        os.mkdir(self.dir, 0o700)
        self.env = {"HOME": self.dir, "XDG_RUNTIME_DIR": self.dir, "PULSE_SERVER": "unix:" + self.socket}
        before = dict(rig.env)
        rig.env.update(self.env)
        rig.spawn(["pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1",
                   f"--load=module-native-protocol-unix socket={self.socket} auth-anonymous=1",
                   f"--load=module-null-sink sink_name=ear rate={rate}"], f"{name}.log")
        wait_for("PulseAudio", lambda: os.path.exists(self.socket))
        rig.spawn(["parec", "--raw", "-d", "ear.monitor", f"--rate={rate}", "--format=s16le", "--channels=2",
                   "--latency-msec=20", self.record], f"{name}.log")
        wait_for("a recording", lambda: os.path.exists(self.record) and os.path.getsize(self.record))
        rig.env.clear()
        rig.env.update(before)

    def heard(self, since=0):
        """The left channel from that frame on."""
        samples = array.array("h")
        with open(self.record, "rb") as file:
            file.seek(since * 4)
            data = file.read()
        samples.frombytes(data[:len(data) // 4 * 4])
        return samples[::2]

    def now(self):
        return os.path.getsize(self.record) // 4

    def sound(self, since=0):
        """(first, last) frame that is not silence, counted from the recording's beginning; None for silence."""
        samples = self.heard(since)
        loud = [i for i, sample in enumerate(samples) if sample]
        return (since + loud[0], since + loud[-1]) if loud else None

    def whole(self, since, seconds=15):
        """The samples from the first that is not silence to the last, once it has been silent again for half a second."""
        wait_for("sound", lambda: self.sound(since), seconds)
        first, last = wait_for("silence again", lambda: (self.sound(since)[1] + self.rate // 2 < self.now()) and self.sound(since), seconds)
        return self.heard(first)[:last - first]


def pitch(samples, rate=RATE):
    """Hertz, by how often it rises through zero. A busy machine's gaps count for nothing."""
    rises = [i for i in range(1, len(samples)) if samples[i - 1] < 0 <= samples[i]]
    waves = sorted(b - a for a, b in zip(rises, rises[1:]))
    if not waves:
        return 0
    usual = waves[len(waves) // 2]
    whole = [w for w in waves if abs(w - usual) <= 1 + usual // 20]
    return rate * len(whole) / sum(whole)


def loud_s(samples, rate=RATE):
    """Seconds of it that are no gap, counted in milliseconds that are not silence."""
    step = rate // 1000
    return sum(any(samples[i:i + step]) for i in range(0, len(samples), step)) / 1000


def level(samples):
    """How far a sine of them goes, gaps and what rings at their ends aside: the ninth of ten is at 0.988 of it."""
    loud = sorted(abs(v) for v in samples if abs(v) > 100)
    return loud[len(loud) * 9 // 10] / math.sin(math.pi / 2 * 0.9) if loud else 0
