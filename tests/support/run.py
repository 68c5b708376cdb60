"""Runs chorale for the end-to-end tests and compares its files."""
import contextlib
import csv
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import tempfile
import termios
import time
from pathlib import Path

import forked
import h5py
import numpy as np

CHORALE = os.environ["CHORALE"]
DATA = Path(__file__).parent / "data"  # what others computed
TIMEOUT = 1200  # seconds after which a program hangs, on any machine


@contextlib.contextmanager
def prepared(arguments, ranks=1, hook=None, program=CHORALE, **variables):
    """The words and the environment that start `chorale ARGUMENTS` on so many ranks. hook: what is
    to happen at a step (support/step.c)."""
    launcher = ["mpirun", "-n", str(ranks)] if ranks > 1 else []
    program = os.environ["CHORALE_HOOKED"] if hook else program
    words = launcher + [program] + [str(a) for a in arguments]
    environment = {**os.environ, **forked.STARTS, **variables, "CHORALE_HOOK": hook or ""}
    if launcher:
        yield words, environment
        return
    with tempfile.TemporaryDirectory(prefix="chorale-") as session:
        yield words, {**environment, **forked.alone(session)}


# Of a dry run that need not say how long the run takes: it gives up its timing of steps early, as
# on a slow machine, and makes and checks all else.
BRIEFLY = "setup 1 -1 hasten=20"


def chorale(
    arguments,
    ranks=1,
    cwd=None,
    check=True,
    timeout=TIMEOUT,
    hook=None,
    program=CHORALE,
    **variables,
):
    """Runs it to its end; returns the completed process."""
    done = None
    lost = ranks > 1 and re.search(r" (kill|patience=)", hook or "")  # mpirun ends the other ranks
    if program == CHORALE and not variables and not lost:
        done = forked.run([CHORALE, *map(str, arguments)], ranks, cwd, timeout, hook or "")
    if not done:
        done = started(arguments, ranks, cwd, timeout, hook, program, **variables)
    if check and done.returncode:
        raise AssertionError(
            f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        )
    return done


def started(arguments, ranks, cwd, timeout, hook, program, **variables):
    """The completed process of a program that is started for this run."""
    with prepared(arguments, ranks, hook, program, **variables) as (words, environment):
        done = subprocess.run(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    return without_launcher_nul(done)


def without_launcher_nul(done):
    """mpirun of Open MPI 5 writes a byte 0 to its stdout and stderr, in a call of its own, when a
    rank has called MPI_Abort: before any line or after all. One in a line would be chorale's."""
    for stream in ("stdout", "stderr"):
        text = re.sub(r"^\0", "", getattr(done, stream), count=1, flags=re.MULTILINE)
        setattr(done, stream, text)
    return done


def on_terminal(arguments, ranks=1, hook=None, columns=80, **streams):
    """What chorale writes to a terminal: its streams `stdout=True`, `stderr=True`."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    ends = {name: slave if name in streams else subprocess.DEVNULL for name in ("stdout", "stderr")}
    with prepared(arguments, ranks, hook) as (words, environment):
        with subprocess.Popen(words, env=environment, **ends) as process:
            os.close(slave)
            output = b""
            with contextlib.suppress(OSError):  # the terminal is closed on the other side
                while part := os.read(master, 4096):
                    output += part
        assert process.returncode == 0, output
    os.close(master)
    return output.decode()


class Running:
    """A run in the background, which a hook `wait=FILE` holds at its place until release(FILE)."""

    def __init__(self, words, environment, cwd):
        self.cwd = cwd or os.getcwd()
        self.process = subprocess.Popen(
            words,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_held(self, file, rank=0):
        """Until this rank waits for the file; returns its process number."""
        held = os.path.join(self.cwd, f"{file}.{rank}")
        wait_until(lambda: os.path.exists(held) or self.process.poll() is not None, held)
        assert os.path.exists(held), f"ended before it was held: {self.process.communicate()}"
        with open(held, encoding="ascii") as text:
            return int(text.read())

    def release(self, file):
        with open(os.path.join(self.cwd, file), "w", encoding="ascii"):
            pass

    def end(self):
        """Waits for its end; returns the completed process."""
        out, err = self.process.communicate(timeout=TIMEOUT)
        args, code = self.process.args, self.process.returncode
        return without_launcher_nul(subprocess.CompletedProcess(args, code, out, err))

    def kill(self):
        """By SIGKILL, the launcher and all ranks, as when a node loses its power."""
        for pid in [self.process.pid, *children(self.process.pid)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def children(parent):
    """Process numbers of the processes that a process has started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            if int(file.read().rpartition(")")[2].split()[1]) == parent:
                found.append(int(pid))
    return sorted(found)


@contextlib.contextmanager
def running(arguments, ranks=1, cwd=None, hook=""):
    """with running(...) as run: a run in the background, which does not outlive the block."""
    with prepared(arguments, ranks, hook) as (words, environment):
        run = Running(words, environment, cwd)
        try:
            yield run
        finally:
            if run.process.poll() is None:
                run.kill()
            run.process.communicate()


def wait_until(ready, what, seconds=TIMEOUT):
    """Looks often, and gives up only after a time that no machine needs."""
    end = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < end, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def own_lines(stderr):
    """stderr without mpirun's words on a failure: blocks between dashes, lines of its daemons."""
    lines, inside = [], False
    for line in stderr.splitlines():
        if re.fullmatch(r"-{20,}", line):
            inside = not inside
        elif not inside and line and not re.match(r"\[[^ ]*:\d+\] |\[warn\] ", line):
            lines.append(line)
    return lines


def spoken(done):
    """What chorale itself said on stderr, line by line."""
    return [line for line in done.stderr.splitlines() if line.startswith("chorale")]


def options(**keys):
    """{tokens_count: 64} as -tokens_count 64; True is a flag."""
    words = []
    for key, value in keys.items():
        words.append("-" + key)
        if value is not True:
            words.append(str(value))
    return words


def datasets(path, skip=("provenance", "parameters", "particles")):
    """Datasets outside the skipped top-level groups, by path. Particles are links elsewhere."""
    found = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset) and name.split("/")[0] not in skip:
            found[name] = item[()]

    with h5py.File(path, "r") as file:
        for group in file:
            if group not in skip:
                file[group].visititems(
                    lambda name, item, group=group: visit(f"{group}/{name}", item)
                )
    return found


def same_bits(a, b):
    """Names of the datasets of two {path: array} whose bits differ."""
    if a.keys() != b.keys():
        return sorted(a.keys() ^ b.keys())
    return [name for name in a if np.asarray(a[name]).tobytes() != np.asarray(b[name]).tobytes()]


# ---- what the tests of the physics read of a run, and ask of it ----


def without(keys, *names):
    """The keys but those, which have no effect beside others and would be refused."""
    return {key: value for key, value in keys.items() if key not in names}


def refused(arguments, message, ranks=1, cwd=None):
    """Bad input: exit code 2, one line that matches the message, and not a file made or lost."""
    before = sorted(os.listdir(cwd or "."))
    done = chorale(arguments, ranks, cwd, check=False)
    assert done.returncode == 2, (arguments, done.returncode, done.stdout, done.stderr)
    assert len(spoken(done)) == 1, done.stderr
    assert re.search(message, spoken(done)[0]), (message, done.stderr)
    assert sorted(os.listdir(cwd or ".")) == before, arguments


def table(path):
    """Rows of a CSV file as {column: text}."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def study(path, name):
    """Attributes and datasets of /study/NAME, two dicts."""
    with h5py.File(path, "r") as file:
        group = file["study"][name]
        return dict(group.attrs), {key: group[key][()] for key in group}


def trajectory(path):
    """time[T] and position[T][N][d] of one realization's file."""
    with h5py.File(path, "r") as file:
        position = file["particles/all/position"]
        return position["time"][()], position["value"][()]


def trajectories(stem, realizations):
    """time[T] and position[R][T][N][d] of a run whose output_file is STEM.h5."""
    found = [trajectory(f"{stem}/realization_{r:05}.h5md") for r in range(realizations)]
    return found[0][0], np.array([position for _, position in found])


def with_error(values):
    """Means of values[R][...] over the realizations, and their standard errors."""
    return values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
