# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes known by (pid, start time), and a supervisor that keeps a plan of them running.

The plan is a JSON file: {"daemons": [{"name", "argv", "env", "log", "stop_signal", "stop_timeout",
"after_stop", "alone_in"}]}, in starting order. SIGHUP reads it again and starts what is new, SIGTERM ends all in
reverse order. A daemon that ends is started again, at first at once, then with growing pauses. STATE (beside the
plan) names every process, so that a later run can find or end what a killed supervisor left behind."""
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time

PAUSE_FIRST_S, PAUSE_MAX_S, STEADY_S = 0.2, 2.0, 10.0


def start_time(pid):
    """Field 22 of /proc/PID/stat: a reused pid has another one. None when there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return None if fields[0] in "ZX" else int(fields[19])
    except OSError:
        return None


def is_alive(entry):
    return bool(entry) and start_time(entry["pid"]) == entry["started"]


def end(entry, number=signal.SIGTERM, timeout=10.0):
    """Ends one process by (pid, start time): asks, waits, then kills. True when it is gone."""
    for signo, patience in ((number, timeout), (signal.SIGKILL, 5.0)):
        if not is_alive(entry):
            return True
        try:
            fd = os.pidfd_open(entry["pid"])
        except ProcessLookupError:
            return True
        with os.fdopen(fd, "rb", closefd=True):
            if not is_alive(entry):
                return True
            signal.pidfd_send_signal(fd, signo)
            select.select([fd], [], [], patience)
    return not is_alive(entry)


def working_in(folder, name):
    """The processes called name whose working directory is folder, by whatever path they see it."""
    found = []
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
                if file.read().strip() != name or not os.path.samefile(f"/proc/{pid}/cwd", folder):
                    continue
        except OSError:
            continue
        started = start_time(pid)
        if started is not None:
            found.append({"pid": pid, "started": started})
    return found


def write_json(path, value):
    with open(path + ".new", "w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
    os.replace(path + ".new", path)


def read_json(path, default=None):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return default


class Supervisor:
    def __init__(self, plan_path, state_path):
        self.plan_path, self.state_path = plan_path, state_path
        self.specs, self.children = [], {}
        self.pause, self.not_before, self.started_at = {}, {}, {}
        self.stopping = False
        self.reload = True
        self.wake_r, self.wake_w = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def save(self):
        write_json(self.state_path, {
            "supervisor": {"pid": os.getpid(), "started": start_time(os.getpid())},
            "daemons": {name: {"pid": child.pid, "started": start_time(child.pid)}
                        for name, child in self.children.items()}})

    def say(self, text):
        print(time.strftime("%F %T"), text, flush=True)

    def clear(self, spec):
        """Ends what a killed daemon's children still do in its directory. A PostgreSQL backend goes on with its
        query when the postmaster is killed, and no new one starts until the last of them is gone."""
        for entry in working_in(spec["alone_in"], spec["name"]) if "alone_in" in spec else []:
            self.say(f"{spec['name']}: pid={entry['pid']} is left over: killed")
            end(entry, signal.SIGKILL, 5.0)

    def spawn(self, spec):
        name = spec["name"]
        self.clear(spec)
        with open(spec["log"], "ab") as log:
            try:
                child = subprocess.Popen(spec["argv"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                         cwd=spec.get("cwd", "/"), env=dict(os.environ, **spec.get("env", {})),
                                         start_new_session=True)
            except OSError as problem:
                self.say(f"{name}: cannot start: {problem}")
                return self.delay(name, time.monotonic())
        self.children[name] = child
        self.started_at[name] = time.monotonic()
        self.say(f"{name}: started pid={child.pid}")
        self.save()
        return None

    def delay(self, name, now):
        steady = now - self.started_at.get(name, 0) > STEADY_S
        pause = 0 if steady else min(PAUSE_MAX_S, max(PAUSE_FIRST_S, 2 * self.pause.get(name, 0)))
        self.pause[name] = pause
        self.not_before[name] = now + pause

    def reap(self):
        now = time.monotonic()
        for name, child in list(self.children.items()):
            status = child.poll()
            if status is None:
                continue
            del self.children[name]
            self.say(f"{name}: ended {'by signal ' + str(-status) if status < 0 else 'with status ' + str(status)}")
            self.delay(name, now)
            self.save()

    def start_due(self):
        """Starts what is not running and may be; returns seconds until the next one may."""
        now, wait = time.monotonic(), None
        for spec in self.specs:
            if spec["name"] in self.children:
                continue
            due = self.not_before.get(spec["name"], 0) - now
            if due <= 0:
                self.spawn(spec)
                due = None if spec["name"] in self.children else PAUSE_FIRST_S
            wait = due if wait is None or (due is not None and due < wait) else wait
        return wait

    def stop_all(self):
        for spec in reversed(self.specs):
            child = self.children.get(spec["name"])
            if child and child.poll() is None:
                self.say(f"{spec['name']}: stopping")
                end({"pid": child.pid, "started": start_time(child.pid)},
                    signal.Signals[spec.get("stop_signal", "SIGTERM")], spec.get("stop_timeout", 10))
                child.wait()
            if spec.get("after_stop"):
                with open(spec["log"], "ab") as log:
                    try:
                        subprocess.run(spec["after_stop"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       timeout=spec.get("after_stop_timeout", 90), check=False)
                    except (OSError, subprocess.TimeoutExpired) as problem:
                        self.say(f"{spec['name']}: {problem}")
            self.children.pop(spec["name"], None)
            self.save()

    def on_signal(self, signo, _frame):
        if signo == signal.SIGHUP:
            self.reload = True
        elif signo in (signal.SIGTERM, signal.SIGINT):
            self.stopping = True

    def run(self):
        signal.set_wakeup_fd(self.wake_w, warn_on_full_buffer=False)
        for signo in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(signo, self.on_signal)
        self.save()
        while not self.stopping:
            if self.reload:
                self.reload = False
                self.specs = read_json(self.plan_path, {"daemons": self.specs})["daemons"]
            self.reap()
            wait = self.start_due()
            select.select([self.wake_r], [], [], wait)
            try:
                os.read(self.wake_r, 4096)
            except BlockingIOError:
                pass
        self.stop_all()
        os.unlink(self.state_path)
        self.say("stopped")


def supervised(state_path):
    """The state file's content when its supervisor is alive, else None."""
    state = read_json(state_path)
    return state if state and is_alive(state.get("supervisor")) else None


def end_leftovers(state_path):
    """Ends what a supervisor that was killed left running."""
    state = read_json(state_path)
    if not state or is_alive(state.get("supervisor")):
        return []
    ended = []
    for name, entry in reversed(list(state.get("daemons", {}).items())):
        if is_alive(entry):
            end(entry, signal.SIGINT if name == "postgres" else signal.SIGTERM, 20)
            ended.append(name)
    os.unlink(state_path)
    return ended


def start_supervisor(plan_path, state_path, log_path, tied=False):
    """Starts one in a session of its own; returns when it has written its state. A tied one stops its daemons
    when the process that started it dies, however that happens."""
    with open(log_path, "ab") as log:
        child = subprocess.Popen([sys.executable, os.path.abspath(__file__), plan_path, state_path] + ["tied"] * tied,
                                 stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    until = time.monotonic() + 10
    while time.monotonic() < until and child.poll() is None:
        if supervised(state_path):
            return child
        time.sleep(0.02)
    raise RuntimeError(f"the supervisor did not start, see {log_path}")


def stop_with_parent():
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


if __name__ == "__main__":
    if sys.argv[3:] == ["tied"]:
        stop_with_parent()
    Supervisor(sys.argv[1], sys.argv[2]).run()
