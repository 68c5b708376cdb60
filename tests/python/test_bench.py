"""tools/bench: its rows, the file of a run, the comparison of two and the table for a page; speed
is not measured here."""

import json

import pytest
from benching.table import Row, Saved, page, save
from tools import run

from chorale.errors import BadFile

ABOUT = {
    "date": "2026-01-02T03:04:05Z",
    "machine": {"processor": "P", "vectors": "V", "cores": 2, "revision": "abc"},
}
ROWS = (
    Row("one", 4.0, "GF/s"),
    Row("two", 1.7, "x", (">", 1.9), 1.75),
    Row("three", 3.0, "s", ("<", 2)),
)


def saved(name, rows=ROWS):
    save(name, ABOUT, rows)
    return Saved(name)


@pytest.mark.parametrize(
    "value, goal, limit, met",
    [
        (2.0, (">", 1.9), None, True),
        (1.8, (">", 1.9), None, False),
        (1.8, ("<", 1.9), None, True),
        (2.0, ("<", 1.9), None, False),
        (1.8, (">", 1.9), 1.88, True),
        (1.78, (">", 1.9), 1.88, False),
        (1.8, (">", 1.9), 2.1, False),
        (0.1, None, None, True),
    ],
)
def test_a_goal_is_less_where_the_machine_itself_does_less(value, goal, limit, met):
    row = Row("what", value, "x", goal, limit)
    assert row.met == met
    assert ("missed" in row.notes()) != met
    limited = limit is not None and 0.95 * limit < 1.9
    assert (f"machine {limit}" in row.notes()) == limited


def test_a_run_is_read_as_it_was_written(folder):
    run = saved("run.json")
    assert tuple(run.rows.values()) == ROWS
    assert run.about() == "P, V, abc, 2026-01-02"
    assert run.value("one") == 4.0 and run.value("other") is None


def test_rows_are_compared_with_another_run():
    assert "1.25 x before" in ROWS[0].text(3.2)
    assert "before" not in ROWS[0].text(None)


def test_the_table_has_a_column_for_each_run(folder):
    more = Row("four", 0.5, "", (">", 1))
    runs = [saved("a.json"), saved("b.json", (ROWS[0], more))]
    assert list(page(runs)) == [
        "| | goal | P, V | P, V |",
        "| --- | --- | --- | --- |",
        "| one |  | 4 GF/s | 4 GF/s |",
        "| two | > 1.9 | 1.7 x (machine 1.75) |  |",
        "| three | < 2 | 3 s (missed) |  |",
        "| four | > 1 |  | 0.5 (missed) |",
    ]
    code, said, _ = run("bench", "--table", "a.json", "b.json")
    assert (code, said.splitlines()) == (0, list(page(runs)))


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.pop("machine"),
        lambda found: found["rows"][0].pop("value"),
        lambda found: found["rows"][0].update(value="much"),
        lambda found: found.update(rows=3),
        lambda found: found["machine"].pop("processor"),
    ],
)
def test_another_file_is_refused(folder, change):
    saved("run.json")
    with open("run.json", encoding="utf-8") as file:
        found = json.load(file)
    change(found)
    with open("run.json", "w", encoding="utf-8") as file:
        json.dump(found, file)
    with pytest.raises(BadFile, match="not as tools/bench writes it"):
        Saved("run.json")
    code, said, error = run("bench", "--table", "run.json")
    assert (code, said) == (2, "") and error.count("\n") == 1


def test_what_is_no_file_of_a_run_is_one_line(folder):
    with open("text.json", "w", encoding="utf-8") as file:
        file.write("not a run")
    for name in ("text.json", "none.json"):
        code, said, error = run("bench", "--table", name)
        assert (code, said) == (2, "") and error.startswith(f"bench: {name}: ")
