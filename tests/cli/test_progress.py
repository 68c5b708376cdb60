"""Progress on stderr: off, lines at an interval, nothing for a short run in a log, a bar on a
terminal; one rank speaks. The clock of these runs goes on by a chosen time at every step."""

import re

import pytest
from run import chorale, on_terminal, options

LINE = re.compile(r"simulate: (\d+)%, (\d+) of (\d+), [\d.e+]+/s, ETA (\?|[\d.]+ s|[\d:]+)")
LAST = re.compile(r"simulate: (\d+) of (\d+) in ([\d.]+ s|[\d:]+)")
BAR = re.compile(r"simulate \[(#*)(\.*)\] +(\d+)%  [\d.e+]+/s  ETA \S+( s)?")
STEPS = 100  # of each of two realizations


def words(progress):
    keys = dict(tokens_count=16, layers_depth=STEPS, mlp_width=8, output_every=STEPS)
    more = dict(ensemble_realizations=2, output_overwrite=True, progress=progress)
    return ["simulate"] + options(**keys, **more)


def clock(seconds):
    """Every step takes so long."""
    return f"-1 -1 0 clock={seconds}"


@pytest.mark.parametrize("mode", ("off", "auto", "30"))
def test_a_run_of_seconds_in_a_log_says_nothing(folder, mode):
    assert chorale(words(mode), hook=clock(0.1)).stderr == ""


@pytest.mark.parametrize(
    "mode, step, interval", (("auto", 4, 30), ("10", 1, 10), ("0.05", 0.125, 0.05))
)
@pytest.mark.parametrize("ranks", (1, 2))
def test_lines_of_a_log_come_at_the_interval(folder, ranks, mode, step, interval):
    """Shares that grow to the end, not more often than asked; the last one has the elapsed time."""
    total = 2 * STEPS // ranks  # what the first of as many groups does
    lines = chorale(words(mode), ranks=ranks, hook=clock(step)).stderr.splitlines()
    assert len(lines) >= 2, lines
    assert len(lines) - 1 <= step * total / interval
    steps = [LINE.fullmatch(line) for line in lines[:-1]]
    assert all(steps), lines
    done = [int(step[2]) for step in steps]
    assert done == sorted(set(done)) and done[0] > 0 and done[-1] <= total
    for share, there, all_ in ([int(step[i]) for i in (1, 2, 3)] for step in steps):
        assert all_ == total and share == 100 * there // total, lines
    every = max(1, -(-interval // step))  # steps in an interval; the first step is told at time 0
    assert done == list(range(1 + int(every), total + 1, int(every))), done
    last = LAST.fullmatch(lines[-1])
    assert last and int(last[1]) == int(last[2]) == total, lines[-1]
    minutes, seconds = divmod(round(step * total), 60)
    assert last[3] == (f"{minutes}:{seconds:02}" if minutes else f"{step * total:.1f} s"), lines[-1]


def test_a_terminal_shows_nothing_when_progress_is_off(folder):
    assert on_terminal(words("off"), hook=clock(1), stderr=True) == ""


def test_a_terminal_shows_a_bar(folder):
    output = on_terminal(words("auto"), hook=clock(0.0625), stderr=True)
    bars, rest = output.split("\r\033[K")[1:-1], output.split("\r\033[K")[-1]
    assert output.startswith("\r\033[K") and rest.count("\n") == 1, repr(output)
    assert LAST.fullmatch(rest.strip()), repr(output)
    assert STEPS // 2 <= len(bars) <= 10 * 0.0625 * 2 * STEPS, len(bars)
    assert "\n" not in "".join(bars), repr(output)
    for bar in bars:
        match = BAR.fullmatch(bar)
        assert match and len(match[1] + match[2]) == 28, repr(bar)
        assert abs(len(match[1]) / 28 - int(match[3]) / 100) < 0.05, repr(bar)
    shares = [int(re.search(r"(\d+)%", bar)[1]) for bar in bars]
    assert shares == sorted(shares) and shares[-1] <= 100


def test_the_terminal_of_mpirun_counts(folder):
    output = on_terminal(words("auto"), 2, clock(0.0625), stderr=True)
    assert output.startswith("\r\033[Ksimulate ["), repr(output)
    assert LAST.fullmatch(output.split("\r\033[K")[-1].strip()), repr(output)
