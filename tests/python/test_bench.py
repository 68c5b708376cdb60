"""tools/bench: its rows, the file of a run, the comparison of two and the table for a page, and the
one of steps as they are told; no outcome depends on what is measured here."""

import json
import re

import pytest
from benching import told
from benching.table import Row, Saved, page, save
from tools import run

from chorale.errors import BadFile, Refused

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


def progress(*seconds):
    """Lines of a run of one step more, of which these took so long."""
    lines, passed = "", 0.0
    for done, one in enumerate(seconds, 1):
        passed += one
        lines += f"simulate: 1%, {done} of {len(seconds) + 1}, {done / passed:.6g}/s, ETA 1 s\n"
    return lines


def test_a_step_is_measured_from_progress_without_what_comes_first():
    assert told.measured(progress(9, 3, 2, 2, 4, 4)) == pytest.approx(3, rel=1e-4)
    with pytest.raises(Refused, match="too little of its progress"):
        told.measured(progress(1, 1))


@pytest.mark.parametrize("cores, turns", [(1, 4), (2, 2), (4, 1), (8, 1)])
def test_planned_ranks_take_turns_on_cores(monkeypatch, cores, turns):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)))
    line = ["echo", "estimate seconds=1 start=7 step=0.005 network=0.002 steps=9"]
    step = told.plan(line, 4, {"latency": 3, "bandwidth": 4})
    assert step == pytest.approx(0.003 * turns + 0.002)


def test_the_table_of_steps_has_medians_and_counts_those_told_well(monkeypatch):
    """The first of two ranks is told a quarter too long."""
    tries = iter([1.0, 1.0, 9.0] + [1.25, 5.0, 0.1])
    monkeypatch.setattr(told, "CASES", (("a step", "large-circle", {}),))
    monkeypatch.setattr(told, "REPEAT", 3)
    monkeypatch.setattr(told, "plan", lambda line, ranks, network: 0.9 * network["latency"])

    def runner(line, place):
        if "bench_network" in str(line[0]):
            return "latency 1 us\nbandwidth 2 GB/s\n"
        if "-dry_run" in line:
            return f"time  a while\nestimate   seconds=9 step={next(tries)} steps=300 calls=1\n"
        return progress(1, 1, 1, 1, 1)

    lines = list(told.rows(runner, ((1, 1), (1, 2))))
    assert lines[1].split()[-5:] == ["1", "s", "1", "s", "1.00"]
    assert lines[2].split()[-8:] == ["1", "s", "1.25", "s", "1.25", "900", "ms", "0.90"]
    assert lines[3] == "within 20%: 1 of 2 by -dry_run, 1 of 1 by -dry_ranks"
    assert lines[4] == "2 ranks on 1 host: dry_latency 1 us, dry_bandwidth 2 GB/s"


@pytest.mark.full
def test_steps_are_told_and_measured(monkeypatch):
    """Whatever they take."""
    small = {"tokens_count": 1024, "noise_degree": 4}
    monkeypatch.setattr(told, "CASES", (("small", "large-sphere", small),))
    monkeypatch.setattr(told, "PLACES", ((1, 1), (1, 2)))
    monkeypatch.setattr(told, "SECONDS", 0.01)
    monkeypatch.setattr(told, "REPEAT", 1)
    lines = list(told.here({}))
    assert [len(re.findall(r"\d [mun]?s\b", line)) for line in lines[1:3]] == [2, 3], lines
