# SPDX-License-Identifier: GPL-3.0-or-later
"""What FFmpeg, a player that knows nothing of us, makes of a recording."""
import json
import math
import os
import shutil
import subprocess


def missing():
    return [p for p in ("ffmpeg", "ffprobe") if not shutil.which(p)]


def probe(path, *more):
    """ffprobe's word on the file; what it complains about is an error."""
    done = subprocess.run(["ffprobe", "-v", "warning", "-of", "json", "-show_format", "-show_streams", *more, path],
                          check=False, capture_output=True, text=True, timeout=60)
    if done.returncode or done.stderr:
        raise AssertionError(f"ffprobe: {done.stderr}")
    return json.loads(done.stdout)


def times(path):
    """Seconds at which the frames are shown, and which of them are key frames."""
    packets = probe(path, "-show_packets")["packets"]
    return [float(p["pts_time"]) for p in packets], [i for i, p in enumerate(packets) if "K" in p["flags"]]


def last_frame(path, width, height):
    """RGB bytes of the last frame that can be decoded; None when there is none."""
    done = subprocess.run(["ffmpeg", "-v", "quiet", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-sws_flags", "accurate_rnd",
                           "-vsync", "passthrough", "-"], check=False, stdout=subprocess.PIPE, timeout=60,
                          env=dict(os.environ, AV_LOG_FORCE_NOCOLOR="1"))
    size = width * height * 3
    n = len(done.stdout) // size
    return done.stdout[(n - 1) * size:n * size] if n else None


def psnr(a, b):
    """Peak signal to noise ratio of two pictures of bytes, in dB."""
    total = sum((x - y) ** 2 for x, y in zip(a, b))
    return 99.0 if not total else 10 * math.log10(255 ** 2 * len(a) / total)
