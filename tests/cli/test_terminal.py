"""Tables and progress on terminals of any width: nothing wraps around, no line ends in blanks."""

import re

import pytest
from run import chorale, on_terminal, options
from tiers import FULL

RUN = dict(tokens_count=16, layers_depth=8, mlp_width=4, output_overwrite=True)
WIDTHS = [60, 40] + [pytest.param(width, marks=FULL) for width in (20, 72, 80, 132)]


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
    found = parts(on_terminal(words, ranks, columns=columns, stdout=True))
    assert all(len(line) <= columns or len(line.split()) == 2 for part in found for line in part)
    rows = [line.split() for line in found[0]]
    for part in found[1:]:
        for row, line in zip(rows, part):
            first, *more = line.split()
            assert first == row[0], found
            row += more
    (whole,) = parts(chorale(words).stdout)
    assert rows == [line.split() for line in whole]


@pytest.mark.parametrize("ranks", [2, pytest.param(3, marks=FULL)])
def test_a_log_of_several_ranks_has_tables_in_one_part(folder, ranks):
    """mpirun may give them a terminal of its own, whose width is nobody's."""
    words = ["simulate"] + options(**RUN, ensemble_realizations=3, progress="off")
    text = chorale(words, ranks).stdout
    assert len(parts(text)) == 1 and parts(text) == parts(chorale(words).stdout), text


@pytest.mark.parametrize("study", ["simulate", pytest.param("sync", marks=FULL)])
def test_no_line_ends_in_blanks(folder, study):
    """Of one realization, which has no errors."""
    text = chorale([study] + options(**RUN)).stdout
    assert not re.search(r" $", text, re.M), text


@pytest.mark.parametrize("columns", WIDTHS)
def test_progress_fits(folder, columns):
    words = ["simulate"] + options(**RUN, ensemble_realizations=20)
    text = on_terminal(words, hook="-1 -1 0 clock=3.7", columns=columns, stderr=True)
    drawn = [part.replace("\033[K", "") for part in re.split(r"[\r\n]", text)]
    assert sum("%" in part for part in drawn) > 50, text
    assert all(len(part) < columns for part in drawn if "%" in part), (columns, drawn)
