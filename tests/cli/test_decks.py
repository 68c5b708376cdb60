"""The decks of input/: each passes a dry run of the study it is for, which tells the cost; the list
of all keys, reference.yaml, has every one with the default that -help tells."""

import os
import re
from pathlib import Path

import pytest
from run import BRIEFLY, chorale, options
from tiers import FULL

INPUT = Path(os.environ["CHORALE_SOURCE"]) / "input"
STUDIES = "simulate kernel limits chaos sync spde analyze".split()
COST = {
    "simulate": r"^total +per step and rank: [\d.e+-]+ Gflop beside random numbers; "
    r"per rank: [\d.e+-]+ MB memory$",
    "kernel": r"^ +per rank: [\d.e+-]+ MB memory$",
    "sync": r"^map +\d+ rows$|MB memory",
    "analyze": r"^record ",
}
DECKS = sorted(INPUT.rglob("*.yaml"))
# One that would take 6 GB.
FEWER = {"embeddings-large": options(tokens_count=20000)}
# Their first steps take seconds.
LARGE = "chaos-large chaos-sphere-large chaos-d4 chaos-d6 limits-d64 width-constant".split()
LARGE += ["embeddings", "embeddings-large"]


@pytest.fixture
def inputs(folder):
    """A folder from which decks find input/ and nothing else."""
    os.symlink(INPUT, "input")
    return folder


def expect_dry_run(deck):
    text = deck.read_text(encoding="utf-8")
    path = re.escape(str(deck.relative_to(INPUT)))
    found = re.search(rf"chorale ({'|'.join(STUDIES)}) input/{path}", text)
    study = found.group(1) if found else "simulate"
    before = sorted(os.listdir())
    done = chorale([study, deck, "-dry_run", *FEWER.get(deck.stem, [])], hook=BRIEFLY)
    assert done.stderr == ""
    assert re.search(COST.get(study, "MB memory"), done.stdout, re.M), "does not tell its cost"
    assert sorted(os.listdir()) == before, "leaves files"


def test_there_are_decks():
    assert len(DECKS) > 20, DECKS


@pytest.mark.parametrize(
    "deck",
    [
        pytest.param(deck, marks=FULL if deck.stem in LARGE else ())
        for deck in DECKS
        if deck.name != "analyze.yaml"
    ],
    ids=lambda deck: deck.stem,
)
def test_a_deck_passes_a_dry_run_that_tells_its_cost(inputs, deck):
    expect_dry_run(deck)


def test_the_deck_of_analyze_passes_a_dry_run_beside_a_recording(inputs):
    run = dict(tokens_count=8, layers_depth=2, output_trajectories=1, progress="off")
    chorale(["simulate"] + options(**run))
    expect_dry_run(INPUT / "analyze.yaml")


def reference():
    """{key: value} of reference.yaml, also of lines that are commented out; only those are in the
    second set."""
    keys, commented, path = {}, set(), []
    line_of_a_key = re.compile(r"(# )?( *)(# )?(\w+):(?: +([^#\s][^#]*?))?(?: +#.*)?$")
    for line in (INPUT / "reference.yaml").read_text(encoding="utf-8").splitlines():
        found = line_of_a_key.match(line)
        if not found or found.group(4).isupper():
            continue
        hidden, depth = bool(found.group(1) or found.group(3)), len(found.group(2)) // 2
        path = path[:depth] + [found.group(4)]
        if found.group(5):
            assert "_".join(path) not in keys, path
            keys["_".join(path)] = found.group(5)
            commented.update({"_".join(path)} if hidden else ())
    return keys, commented


@pytest.fixture(scope="module")
def defaults():
    """{key: default} of all studies, as -help tells them."""
    found = {}
    for study in STUDIES:
        text = chorale([study, "-help"]).stdout
        for key, default in re.findall(r"^-(\w+) +(.*?) +(?:-|[a-z/0-9]+|s) +[^ ]", text, re.M):
            found.setdefault(key, default)
    return found


def equal(value, default):
    try:
        return value == default or float(value) == float(default)
    except ValueError:
        return False


def test_the_reference_has_every_key_and_no_other(defaults):
    assert sorted(reference()[0]) == sorted(defaults)


def test_the_reference_has_the_defaults(defaults):
    """Those that a study chooses for itself may differ, and examples that are not commented out."""
    found, commented = reference()
    studies = ("sync", "chaos", "spde", "analyze", "limits")
    for key, default in defaults.items():
        if key in commented and key.split("_")[0] not in studies:
            continue
        if default.startswith("(") or "STUDY" in default or key == "limits_reference":
            continue
        assert equal(found[key], default), (key, found[key], default)
