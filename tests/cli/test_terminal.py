"""Tables and progress on terminals of any width: nothing wraps around, no line ends in blanks."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

import pytest
from run import chorale, options, prepared
from tiers import FULL

RUN = dict(tokens_count=16, layers_depth=8, mlp_width=4, output_overwrite=True)
WIDTHS = [60, 40] + [pytest.param(width, marks=FULL) for width in (20, 72, 80, 132)]


def on_terminal(columns, words, ranks=1, hook=None, **streams):
    """What a run writes to a terminal so wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with prepared(words, ranks, hook) as (command, environment):
        streams = {name: slave for name in ("stdout", "stderr") if name in streams}
        ends = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **streams}
        with subprocess.Popen(command, env=environment, **ends) as process:
            os.close(slave)
            output = b""
            while True:
                try:
                    part = os.read(master, 4096)
                except OSError:  # the terminal is closed on the other side
                    break
                output += part
        assert process.returncode == 0, output
    os.close(master)
    return output.decode().replace("\r\n", "\n")


def parts(text):
    """The parts of a table that is printed at the end, each a list of lines."""
    found = []
    for line in text.splitlines():
        if re.match(r" *step  ", line + "  "):
            found.append([])
        if found and line:
            found[-1].append(line)
    return found


@pytest.mark.parametrize("columns", WIDTHS)
@pytest.mark.parametrize("ranks", [1, pytest.param(2, marks=FULL)])
def test_tables_fit(folder, columns, ranks):
    """In parts that all begin with the first column; together they are the table of a log."""
    words = ["simulate"] + options(**RUN, ensemble_realizations=3, progress="off")
    found = parts(on_terminal(columns, words, ranks, stdout=True))
    assert all(len(line) <= columns or len(line.split()) == 2 for part in found for line in part)
    rows = [line.split() for line in found[0]]
    for part in found[1:]:
        for row, line in zip(rows, part):
            first, *more = line.split()
            assert first == row[0], found
            row += more
    (whole,) = parts(chorale(words).stdout)
    assert rows == [line.split() for line in whole]


@pytest.mark.parametrize("study", ["simulate", pytest.param("sync", marks=FULL)])
def test_no_line_ends_in_blanks(folder, study):
    """Of one realization, which has no errors."""
    text = chorale([study] + options(**RUN)).stdout
    assert not re.search(r" $", text, re.M), text


@pytest.mark.parametrize("columns", WIDTHS)
def test_progress_fits(folder, columns):
    words = ["simulate"] + options(**RUN, ensemble_realizations=20)
    text = on_terminal(columns, words, hook="-1 -1 0 clock=3.7", stderr=True)
    drawn = [part.replace("\033[K", "") for part in re.split(r"[\r\n]", text)]
    assert sum("%" in part for part in drawn) > 50, text
    assert all(len(part) < columns for part in drawn if "%" in part), (columns, drawn)
