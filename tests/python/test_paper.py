"""tools/paper: every claim is whole and its runs are decks that chorale takes; cheap claims from
the run to both pages; what is there is not run again; a run that fails is a row that says so; full
results take the place of small ones; input/paper/README.md is the table of these claims."""

import json
import os
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import tools
from html_page import Page
from run import BRIEFLY, CHORALE, chorale, options

from chorale.paper import claim as claims
from chorale.paper import content, drawing, findings, program, runs
from chorale.paper.claim import Claim, Row, Study
from chorale.paper.words import number
from chorale.report import content as report

SOURCE = Path(os.environ["CHORALE_SOURCE"])
README = SOURCE / "input/paper/README.md"
ALL = claims.load()
SIZES = (claims.SMALL, claims.FULL)
TINY = (
    "-tokens_count 8 -layers_depth 2,4 -mlp_width 8,inf -noise_degree 4 -limits_reference 8 "
    "-ensemble_realizations {count}"
)
# Says its revision, and fails at everything else.
BROKEN = """#!/bin/bash
[ "$1" = --version ] && exec {chorale} "$@"
echo 'chorale: tokens_count = 0: must be at least 1' >&2
exit 2
"""
SBATCH = """#!/bin/bash
echo "$@" >>{folder}/submitted
echo 41
"""


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    """Written faster, and in one theme."""
    for module in (report, drawing.content):
        monkeypatch.setattr(module, "DPI", 25)
        monkeypatch.setattr(module, "THEMES", ("light",))


def paper(folder, *words, binary=CHORALE):
    """The program with its results in a folder: (exit code, stdout, stderr)."""
    return tools.run("paper", *words, "--folder", folder, "--chorale", binary)


def page(folder):
    """The page, read."""
    return Page((folder / "index.html").read_text(encoding="utf-8"))


def listed(text):
    """{title: cells} of the tables of Markdown."""
    rows = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in text.splitlines() if line[:1] == "|"]
    return {row[0]: row for row in rows if row[0] != "claim" and not set(row[0]) <= {"-", " "}}


@pytest.mark.parametrize("name", ALL)
def test_a_claim_is_whole(name):
    claim = ALL[name]
    texts = (claim.title, claim.statement, claim.claims, claim.contradicted, claim.premise)
    for text in texts:
        assert text and text == text.strip() and not re.search(r"[$\\\n]|  |</", text), text
    assert "|" not in claim.title + claim.statement  # of a table in Markdown
    assert claim.kind in content.GROUPS and claim.seconds > 0 and claim.runs
    for run in claim.runs.values():
        assert run.study and run.ranks in (1, 2)
        assert not run.deck or (SOURCE / run.deck).is_file(), run.deck
        assert "-output_file" not in run.small + run.full


def test_titles_differ():
    titles = [claim.title for claim in ALL.values()]
    assert len(set(titles)) == len(titles)


def dry_runs(claim):
    """The options of every run in both sizes, as far as it needs no other's results, each once."""
    words = {
        shlex.join(run.words(size, ".")): None
        for run in claim.runs.values()
        for size in SIZES
        if "{here}" not in run.small + run.full
    }
    return list(words)


def take(lines):
    """They are options that chorale takes."""
    for line in lines:
        chorale([*shlex.split(line), "-dry_run"], cwd=SOURCE, hook=BRIEFLY)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.full if i % 3 else ()) for i, name in enumerate(ALL)],
)
def test_chorale_takes_the_first_run_of_a_claim(name):
    take(dry_runs(ALL[name])[:1])


@pytest.mark.full
def test_chorale_takes_all_other_runs_of_claims():
    for claim in ALL.values():
        take(dry_runs(claim)[1:])


def test_cheap_claims_from_the_run_to_the_pages(folder):
    """One is run, the others are not run yet; a second call runs nothing and writes the same."""
    code, out, err = paper(folder, "--only", "kernel_table")
    assert (code, err) == (0, ""), (out, err)
    assert "[1/1] kernel_table: " in out and f"{folder}/index.html" in out
    found = page(folder)
    claim = ALL["kernel_table"]
    for words in (claim.title, claim.claims, claim.contradicted, claim.premise):
        assert words in found.text, words
    assert found.images == 1 and set(ALL) <= set(found.ids)
    data = found.columns("quantity", "theory", "measured, 95%", "verdict")
    assert set(data["verdict"]) == {"✓ consistent"} and len(data["verdict"]) == 5
    inside = ("data:image/png;base64,", "#", "https://arxiv.org/")
    assert all(address.startswith(inside) for address in found.addresses)
    note = json.loads((folder / "small/kernel_table/table.json").read_text(encoding="utf-8"))
    assert note["command"] in found.text and note["revision"].split()[0] in found.text
    rows = listed((folder / "README.md").read_text(encoding="utf-8"))
    assert list(rows) == [one.title for one in ALL.values()]
    assert rows[claim.title][5] == "✓ consistent"
    assert {row[5] for title, row in rows.items() if title != claim.title} == {"not run yet"}
    before = {name: (folder / name).read_bytes() for name in ("index.html", "README.md")}
    code, out, _ = paper(folder, "--only", "kernel_table")
    assert code == 0 and "1 of 1 claims have their results already" in out
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_a_run_that_fails_is_a_row_that_says_so(folder):
    broken = folder / "broken"
    broken.write_text(BROKEN.format(chorale=CHORALE), encoding="ascii")
    broken.chmod(0o755)
    code, out, err = paper(folder, "--only", "kernel_table", binary=str(broken))
    assert (code, err) == (1, "")
    said = "table: exit code 2: chorale: tokens_count = 0: must be at least 1"
    assert f"did not run: {said}" in out
    row = listed((folder / "README.md").read_text(encoding="utf-8"))[ALL["kernel_table"].title]
    assert row[4:6] == [said, "✗ did not run"]
    assert said in page(folder).text


def tiny(rows=None):
    """A claim whose runs take no time."""
    small, full = (TINY.format(count=count) for count in (4, 8))
    keys = {"rows": rows} if rows else {}
    run = Study("limits", small=small, full=full, ranks=1)
    return Claim(
        "Tiny", "here", "It runs.", "It does not.", "None.", {"run": run}, name="tiny", **keys
    )


def realizations(results):
    """How many there are."""
    return [Row("R", "", results["run"].parameters.integer("ensemble_realizations"))]


@pytest.mark.full
def test_options_and_revision_decide_what_is_run_again(folder, monkeypatch):
    monkeypatch.setattr(program, "load", lambda: {"tiny": tiny(realizations)})
    assert "[1/1] tiny" in paper(folder)[1]
    assert "have their results already" in paper(folder)[1]
    assert "[1/1] tiny" in paper(folder, "--fresh")[1]
    more = tiny(realizations)
    more.runs["run"] = Study("limits", small=TINY.format(count=5), ranks=1)
    monkeypatch.setattr(program, "load", lambda: {"tiny": more})
    assert "[1/1] tiny" in paper(folder)[1]
    note = folder / "small/tiny/run.json"
    other = {**json.loads(note.read_text(encoding="utf-8")), "revision": "0000000"}
    note.write_text(json.dumps(other), encoding="utf-8")
    assert "[1/1] tiny" in paper(folder)[1]
    assert listed((folder / "README.md").read_text(encoding="utf-8"))["Tiny"][4] == "5"
    assert not README.read_text(encoding="utf-8").count("Tiny")


def test_results_that_cannot_be_judged_are_a_row_that_says_so(folder, monkeypatch):
    def rows(results):
        return [Row("x", "", results["run"].study_values["no_such_number"])]

    monkeypatch.setattr(program, "load", lambda: {"tiny": tiny(rows)})
    code, _, err = paper(folder)
    row = listed((folder / "README.md").read_text(encoding="utf-8"))["Tiny"]
    assert (code, err, row[5]) == (1, "", "✗ did not run") and "no_such_number" in row[4]


@pytest.mark.full
def test_full_results_take_the_place_of_small_ones(folder, monkeypatch):
    """sbatch is a program that keeps what it was given; then the runs are made as its job would."""
    monkeypatch.setattr(program, "load", lambda: {"tiny": tiny(realizations)})
    paper(folder)
    (folder / "bin").mkdir()
    for name, text in (("sbatch", SBATCH.format(folder=folder)), ("squeue", "#!/bin/bash\n")):
        (folder / "bin" / name).write_text(text, encoding="ascii")
        (folder / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}/bin:{os.environ['PATH']}")
    code, out, err = paper(folder, "--full")
    assert (code, err) == (0, "") and "tiny run: job 41" in out
    row = listed((folder / "README.md").read_text(encoding="utf-8"))["Tiny"]
    assert (row[4], row[6]) == ("4", "small")
    words = shlex.split((folder / "submitted").read_text(encoding="utf-8").splitlines()[-1])
    script = next(i for i, word in enumerate(words) if word.endswith("jobs/study.sbatch"))
    chorale(words[script + 1 :], cwd=SOURCE)
    code, out, _ = paper(folder, "--full")
    assert code == 0 and "tiny run: is there" in out
    assert (folder / "submitted").read_text(encoding="utf-8").count("\n") == 1
    row = listed((folder / "README.md").read_text(encoding="utf-8"))["Tiny"]
    assert (row[4], row[6]) == ("8", "full")
    assert "sbatch jobs/study.sbatch limits" in page(folder).text


def test_full_size_without_slurm_is_refused_in_one_line(folder, monkeypatch):
    monkeypatch.setattr(program, "load", lambda: {"tiny": tiny()})
    monkeypatch.setattr(runs.subprocess, "run", no_program(runs.subprocess.run))
    code, _, err = paper(folder, "--full")
    assert (code, err) == (1, "paper: jobs are submitted to Slurm, but there is no sbatch here\n")


def no_program(run):
    """subprocess.run where there is no sbatch."""

    def start(words, **keys):
        if words[0] == "sbatch":
            raise FileNotFoundError(2, "No such file or directory", "sbatch")
        return run(words, **keys)

    return start


@pytest.mark.parametrize(
    "words, said",
    [
        (("--only", "nothing"), "--only nothing: there is no such claim; --list lists them"),
        (("--chorale", "nowhere"), "nowhere is not there; tools/quickstart builds it"),
    ],
)
def test_refusals(folder, words, said):
    code, out, err = tools.run("paper", "--folder", folder, *words)
    assert code and (out, err) == ("", f"paper: {said}\n")


def test_the_list_has_all_claims():
    code, out, _ = tools.run("paper", "--list")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(ALL)


def test_readme_is_the_table_of_these_claims():
    """Written by tools/paper of all claims: date, revision and machine, and a row for each, with a
    verdict and numbers."""
    text = README.read_text(encoding="utf-8")
    head = re.search(
        r"Measured \d{4}-\d\d-\d\d.* at revisions? [\w, -]+ on .*, \d+ cores?;",
        text.replace("\n", " "),
    )
    assert head, text[:800]
    rows = listed(text)
    again = "input/paper/README.md is not that of these claims: run tools/paper"
    assert list(rows) == [claim.title for claim in ALL.values()], again
    words = {findings.MARKS.get(one, one) for one in VERDICTS}
    for claim in ALL.values():
        row = rows[claim.title]
        assert row[1] == claim.statement and len(row) == 8, again
        assert row[5] in words and row[2] and row[4] and row[6] in SIZES, row
        first = next(iter(claim.runs.values())).words(row[6], "DIR")
        assert f"`{' '.join(first)}`" in row[7], again


VERDICTS = (claims.CONSISTENT, claims.VIOLATED, claims.UNRESOLVED, claims.DOES_NOT_APPLY)


@pytest.mark.parametrize(
    "said, verdict",
    [
        ((claims.CONSISTENT, claims.VIOLATED, claims.UNRESOLVED), claims.VIOLATED),
        ((claims.CONSISTENT, claims.UNRESOLVED, ""), claims.UNRESOLVED),
        ((claims.DOES_NOT_APPLY, claims.CONSISTENT), claims.CONSISTENT),
        ((claims.DOES_NOT_APPLY, ""), claims.DOES_NOT_APPLY),
        (("",), claims.UNRESOLVED),
    ],
)
def test_the_verdict_of_a_claim_is_that_of_its_rows(said, verdict):
    assert claims.overall([Row("", "", 0.0, verdict=one) for one in said]) == verdict


@pytest.mark.parametrize(
    "numbers, words",
    [
        ((-1.034, -1.138, -0.914), "−1.03 [−1.14, −0.91]"),
        ((123.4, 100, 150), "123 [100, 150]"),
        ((1e-5, 9e-6, 1.1e-5), "1·10^−5 [9·10^−6, 1.1·10^−5]"),
        ((0.25,), "0.25"),
        ((1.776e-15,), "1.776·10^−15"),
        ((np.nan,), "–"),
        (("none",), "none"),
    ],
)
def test_numbers_have_the_digits_of_their_intervals(numbers, words):
    assert number(*numbers) == words


def test_beside_an_exact_value_chance_reaches_four_deviations(folder):
    chorale(
        ["limits", *shlex.split(TINY.format(count=8)), *options(output_file="x.h5", progress="off")]
    )
    with runs.io.open("x.h5") as run:
        error = 0.1
        for off, verdict in ((0.3, claims.CONSISTENT), (2.5, claims.VIOLATED)):
            row = claims.beside("x", 1.0, 1.0 + off, error, run)
            assert row.verdict == verdict and row.low < row.measured < row.high
            assert row.high - row.measured == pytest.approx(2.3646 * error, rel=1e-4)  # Student, 7
        chorale(
            [
                "limits",
                *shlex.split(TINY.format(count=2)),
                *options(output_file="y.h5", progress="off"),
            ]
        )
    with runs.io.open("y.h5") as run:
        assert claims.beside("x", 1.0, 9.0, 0.1, run).verdict == claims.UNRESOLVED
