"""The commands of the pages, page by page in their order, each page in a directory that has the
tools and decks of the source tree, and its programs in Python. What is run stands in blocks of the
languages sh and python.

Only sizes are changed: build/chorale is a wrapper that adds the options of SMALL, and jobs get two
ranks. Left to others are the commands of ELSEWHERE."""

import os
import re
import shlex
import subprocess
import tempfile
from pathlib import Path

import pytest
import slurm
from run import CHORALE, TIMEOUT, chorale, options

from chorale import grid, io

SOURCE = Path(os.environ["CHORALE_SOURCE"])
PAGES = ("README.md", "input/README.md", "tools/README.md", "jobs/README.md")
JOBS = ("sbatch", "jobs/chain.sh")
# Installs, builds, or takes a minute; what runs it.
ELSEWHERE = {
    "tools/quickstart": ".ci/run",
    "tools/test": ".ci/run",
    "tools/install-deps": ".ci/run",
    "cmake": "test_packaging.py",
    "tools/paper": "test_paper.py",
    "import MDAnalysis": "test_project.py",
}
# Options after the user's own, for any deck of a study.
SMALL = {
    "simulate": "-ensemble_realizations 2 -layers_depth 100 -output_every 5",
    "limits": "-tokens_count 16 -layers_depth 2,4,8 -mlp_width 8,16,inf -ensemble_realizations 4 "
    "-limits_reference 16",
    "sync": "-tokens_count 16 -layers_depth 40 -ensemble_realizations 4",
    "chaos": "-tokens_count 16,32 -layers_depth 4 -ensemble_realizations 4 -chaos_nodes 256 "
    "-output_every 1",
    "analyze": "-analyze_every 5",
    "spde": "-tokens_count 128 -layers_depth 4 -ensemble_realizations 1",
}
# The depths of these levels are halves of each other, down to one layer.
LEVELS = "-ensemble_realizations 4 -layers_depth 128"
# A run that goes on to twice the horizon of that before it.
LONGER = "-ensemble_realizations 2 -layers_depth 200 -output_every 5"
# Every point of a plane, but fewer layers.
PLANE = "-ensemble_realizations 2 -layers_depth 20 -output_every 5"
# Attention and an MLP as they were trained, in R^511: no more than that there are layers to draw.
TRAINED = "-layers_depth 2"
WRAPPER = """#!/bin/bash
case "$*" in
  "simulate input/levels.yaml"*) set -- "$@" {levels} ;;
  "simulate input/sweep.yaml"*) set -- "$@" {plane} ;;
  *" -layers_horizon 10") set -- "$@" {longer} ;;
  "simulate input/trained.yaml"*) set -- "$@" {trained} ;;
{cases}esac
exec {chorale} "$@"
"""


def commands(text):
    """The blocks that are to be run: a program in Python as a whole, of a shell's every line."""
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, re.M | re.S):
        if language == "python":
            yield language, block
        else:
            for line in block.replace("\\\n", " ").splitlines():
                yield language, re.sub(r"\s+# .*", "", line.strip())


def of_page(page):
    """Its commands but for those that others run, and its jobs."""
    found = list(commands((SOURCE / page).read_text(encoding="utf-8")))
    own = [
        (kind, text)
        for kind, text in found
        if not {text.split()[0], text.split("\n")[0]} & ELSEWHERE.keys()
    ]
    jobs = [text for _, text in own if text.split()[0] in JOBS]
    return [(kind, text) for kind, text in own if text not in jobs], jobs


@pytest.fixture(name="tree")
def tree_with_small_runs(folder):
    """The test's folder as it were the root of the source tree."""
    for name in ("tools", "input", "jobs"):
        (folder / name).symlink_to(SOURCE / name)
    (folder / "build").mkdir()
    cases = "".join(f'  {study}\\ *) set -- "$@" {words} ;;\n' for study, words in SMALL.items())
    wrapper = folder / "build/chorale"
    wrapper.write_text(
        WRAPPER.format(
            cases=cases,
            levels=LEVELS,
            longer=LONGER,
            plane=PLANE,
            trained=TRAINED,
            chorale=shlex.quote(CHORALE),
        ),
        encoding="ascii",
    )
    wrapper.chmod(0o755)
    return folder


def run(kind, text):
    """A command or a program in the current directory; what it prints."""
    here = os.getcwd()
    words = ["bash", "-c", "source tools/mpi-env\n" + text]
    if kind == "python":
        words = ["/usr/bin/python3", "-c", text]
    variables = {"PYTHONPATH": f"{here}/tools", "CHORALE": f"{here}/build/chorale"}
    keys = {"env": {**os.environ, **variables}, "capture_output": True, "text": True}
    done = subprocess.run(words, timeout=TIMEOUT, check=False, **keys)
    said = f"{text}\nends with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    assert done.returncode == 0, said
    return done.stdout


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=[pytest.mark.full] if page != PAGES[0] else []) for page in PAGES],
)
def test_the_commands_of_a_page_run(tree, page):
    """tools/grid: below."""
    found, jobs = of_page(page)
    assert found or jobs
    for kind, text in found:
        if text != "tools/grid":
            run(kind, text)


@pytest.mark.full
def test_pages_have_commands_programs_and_jobs():
    found = [of_page(page) for page in PAGES]
    commands = [one for own, _ in found for one in own]
    assert len(commands) > 30 and sum(kind == "python" for kind, _ in commands) >= 2
    assert ("sh", "tools/grid") in commands
    assert sum(len(jobs) for _, jobs in found) >= 2


def submit(cluster, text):
    """A job with two ranks, which must be done in the end."""
    said = cluster.run("bash", "-c", re.sub(r"--ntasks \d+", "--ntasks 2", text), cwd=os.getcwd())
    for job in re.findall(r"\b\d+\b(?! tasks)", said):
        states = cluster.wait_for(job)
        logs = "".join(log.read_text(errors="replace") for log in Path(".").glob("*.log"))
        done = states and all(state == "COMPLETED" for state in states)
        assert done, f"{text}\n{said}\n{states}\n{logs}"


@pytest.mark.full
@pytest.mark.parametrize("page", [page for page in PAGES if of_page(page)[1]])
def test_the_jobs_of_a_page_run(tree, page):
    """On a Slurm with one node."""
    absent = slurm.missing()
    if absent:
        names = ", ".join(absent)
        pytest.skip(f"{names} not installed (slurm-wlm and munge: tools/install-deps all)")
    found, jobs = of_page(page)
    for kind, text in found:
        if not text.startswith("tools/"):  # what jobs are made from
            run(kind, text)
    with tempfile.TemporaryDirectory() as top, slurm.Slurm(top) as cluster:
        cluster.environment["CHORALE"] = f"{tree}/build/chorale"
        cluster.environment["SBATCH_OPTIONS"] = "--ntasks 1"
        for text in jobs:
            submit(cluster, text)


@pytest.mark.full
def test_the_grid_is_three_sweeps_of_single_runs_and_a_figure(tree):
    """A second call goes on; a cell of each sweep has the bits of the single run."""
    small = "-layers_depth 6"
    words = f"tools/grid build/grid --jobs 2 --chorale {shlex.quote(CHORALE)} --options"
    said = run("sh", f"{words} '{small}'")
    assert said.startswith("3 sweeps, 2 ranks: ") and said.endswith("build/grid/grid.png\n"), said
    assert (tree / "build/grid/grid.png").stat().st_size > 50000
    run("sh", f"{words} '{small} -ensemble_realizations 2'")
    found = {}
    for name in grid.SWEEPS:
        with io.open(f"build/grid/{name}.h5") as made:
            for cell, one in grid.cells([made]):
                found[cell] = {key: seen.values() for key, seen in one.observables.items()}
    assert len(found) == 81
    for name, cell in (
        ("no-bias", grid.Cell("silu", 64, 0.0, -1)),
        ("bias", grid.Cell("tanh", 5, 0.1, 1)),
        ("no-mlp", grid.Cell(None, 128, 0.0, 0)),
    ):
        out = f"single-{name}.h5"
        keys = {"tokens_dim": cell.dim, "attention_value": cell.value, "progress": "off"}
        if cell.activation:
            keys["mlp_activation"] = cell.activation
        single = ["simulate", grid.DECK, *small.split(), *grid.SWEEPS[name]]
        chorale([*single, *options(**keys, ensemble_realizations=2, output_file=out)])
        with io.open(out) as one:
            for key, observable in one.observables.items():
                assert observable.values().tobytes() == found[cell][key].tobytes(), (name, key)


@pytest.mark.full
def test_a_map_is_made_and_drawn_as_the_text_says(tree):
    small = "-tokens_dim 4,5 -mlp_activation relu,tanh -kernel_bias 0,0.2"
    program = f"{shlex.quote(CHORALE)} sync input/sync-map.yaml {small}"
    assert run("sh", f"{program} -output_file map.h5 && tools/plot map.h5").endswith("map.png\n")


@pytest.mark.parametrize(
    "words", ["limits input/limits-d64.yaml -dry_run", "--help", "--version", "sync -help"]
)
def test_what_the_text_names_without_a_command_runs(tree, words):
    """--show: test_show.py; dry runs of all decks: test_decks.py."""
    assert run("sh", f"build/chorale {words}")


def test_every_tool_of_the_page_is_there_and_helps():
    """Each that the table of tools/README.md names, but for those that are sourced."""
    text = (SOURCE / "tools/README.md").read_text(encoding="utf-8")
    table = text.split("\n## The tools\n")[1].strip().split("\n\n")[0]
    cells = [row.split("|")[1] for row in table.splitlines()[2:]]
    named = {name for cell in cells for name in re.findall("`([^`]+)`", cell)}
    there = {path.name for path in (SOURCE / "tools").iterdir() if os.access(path, os.X_OK)}
    folders = {path.name for path in (SOURCE / "tools").iterdir() if path.is_dir()}
    assert named - {"mpi-env"} == there - folders
