"""tools/paper --full on a real Slurm: its job makes the results, which then take the place of the
small ones on the page. Skipped where Slurm is not installed."""

import os

import pytest
from run import CHORALE

pytestmark = pytest.mark.full

SOURCE = os.environ["CHORALE_SOURCE"]
# The program with one claim, whose runs take no time.
PAPER = """
import sys
from chorale import command
from chorale.paper import program
from chorale.paper.claim import Claim, Row, Study

def rows(results):
    return [Row("R", "", results["run"].parameters.integer("ensemble_realizations"))]

words = "-tokens_count 8 -layers_depth 2,4 -mlp_width 8,inf -noise_degree 4 -limits_reference 8 "
words += "-ensemble_realizations "
run = Study("limits", small=words + "4", full=words + "8", ranks=1)
texts = ("Tiny", "here", "It runs.", "It does not.", "None.")
program.load = lambda: {"tiny": Claim(*texts, {"run": run}, rows=rows, name="tiny")}
sys.exit(command.run("paper", program.main))
"""


def paper(cluster, *words):
    """What the program says."""
    keys = {"PYTHONPATH": f"{SOURCE}/tools", "SBATCH_OPTIONS": "--ntasks 2 --time 10"}
    words = ("--folder", os.getcwd(), "--chorale", CHORALE, *words)
    return cluster.run("/usr/bin/python3", "-c", PAPER, *words, **keys)


def row():
    """Of the table."""
    with open("README.md", encoding="utf-8") as file:
        return next(line for line in file if line.startswith("| Tiny |"))


def test_full_results_are_made_by_a_job_and_merged_into_the_page(cluster, folder):
    said = paper(cluster)
    assert "[1/1] tiny" in said and "| 4 |" in row() and "| small |" in row(), said
    said = paper(cluster, "--full")
    job = said.split("tiny run: job ")[1].split()[0]
    assert cluster.wait_for(job) == ["COMPLETED"], cluster.logs()
    said = paper(cluster, "--full")
    assert "tiny run: is there" in said and "| 8 |" in row() and "| full |" in row(), said
