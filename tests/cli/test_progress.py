"""Progress on stderr: off, lines at an interval, nothing for a short run in a log, a bar on a terminal; one rank speaks."""
import os
import pty
import re
import subprocess
import sys
import tempfile
import time

from run import CHORALE, chorale, options

RUN = dict(tokens_count=256, layers_depth=2500, mlp_width=256, output_every=2500, output_overwrite=True)
LINE = re.compile(r"simulate: (\d+)%, (\d+) of (\d+), [\d.e+]+/s, ETA (\?|[\d.]+ s|[\d:]+)")
LAST = re.compile(r"simulate: (\d+) of (\d+) in ([\d.]+ s|[\d:]+)")


def words(**more):
    return ["simulate"] + options(**{**RUN, **more})


def on_terminal(folder, launcher=(), **more):
    """stderr of a run whose stderr is a terminal, and the seconds it took."""
    master, slave = pty.openpty()
    start = time.time()
    process = subprocess.Popen([*launcher, CHORALE] + words(**more), cwd=folder, stdout=subprocess.DEVNULL, stderr=slave)
    os.close(slave)
    output = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:  # the terminal is closed on the other side
            break
        if not part:
            break
        output += part
    assert process.wait() == 0, output
    return output.decode(), time.time() - start


def check_lines(lines, total, seconds, interval):
    """Lines of a log: shares that grow to the end, not more often than asked, and a last one with the elapsed time."""
    assert len(lines) >= 2, lines
    assert len(lines) - 1 <= seconds / interval
    steps = [LINE.fullmatch(line) for line in lines[:-1]]
    assert all(steps), lines
    done = [int(step[2]) for step in steps]
    assert done == sorted(set(done)) and done[0] > 0 and done[-1] <= total
    assert all(int(step[3]) == total and int(step[1]) == 100 * int(step[2]) // total for step in steps), lines
    last = LAST.fullmatch(lines[-1])
    assert last and int(last[1]) == int(last[2]) == total, lines[-1]


def main():
    with tempfile.TemporaryDirectory() as folder:
        for mode in ("off", "auto", "30"):  # a run of seconds in a log
            assert chorale(words(progress=mode), cwd=folder).stderr == ""
        for ranks in (1, 2):  # one realization on two ranks would leave the second idle: two of them
            start = time.time()
            lines = chorale(words(progress=0.05, ensemble_realizations=2), ranks=ranks, cwd=folder).stderr.splitlines()
            check_lines(lines, 5000 // ranks, time.time() - start, 0.05)
        assert on_terminal(folder, progress="off")[0] == ""
        output, seconds = on_terminal(folder, progress="auto")
        bars, rest = output.split("\r\033[K")[1:-1], output.split("\r\033[K")[-1]
        assert output.startswith("\r\033[K") and rest.count("\n") == 1 and LAST.fullmatch(rest.strip()), repr(output)
        assert 1 <= len(bars) <= 10 * seconds and "\n" not in "".join(bars), repr(output)
        for bar in bars:
            match = re.fullmatch(r"simulate \[(#*)(\.*)\] +(\d+)%  [\d.e+]+/s  ETA \S+( s)?", bar)
            assert match and len(match[1] + match[2]) == 28 and abs(len(match[1]) / 28 - int(match[3]) / 100) < 0.05, repr(bar)
        shares = [int(re.search(r"(\d+)%", bar)[1]) for bar in bars]
        assert shares == sorted(shares) and shares[-1] <= 100
        output = on_terminal(folder, launcher=("mpirun", "-n", "2"), progress="auto")[0]  # mpirun's terminal counts
        assert output.startswith("\r\033[Ksimulate [") and LAST.fullmatch(output.split("\r\033[K")[-1].strip()), repr(output)


sys.exit(main())
