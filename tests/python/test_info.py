"""tools/info: what is in files of every study, how they were made and how to run them again."""

import pytest
import tools
from run import chorale, options
from studies import STUDIES, in_two_tiers

TRAJECTORY = "every_fifth/realization_00000.h5md"


def info(*words):
    """What it says of files that it can read."""
    code, out, err = tools.run("info", *words)
    assert (code, err) == (0, ""), err
    return out


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_is_described(have, name):
    have(name)
    said = info(f"{name}.h5")
    assert ", complete, " in said.splitlines()[0], said
    long = [line for line in said.splitlines() if len(line) >= 100 and "/chorale" not in line]
    assert not long, said
    for word in ("made ", "command ", "again ", "rank", "table "):
        assert word in said, word


@pytest.mark.parametrize("name", in_two_tiers())
def test_the_deck_runs_as_it_stands(have, folder, name):
    """On another number of ranks, to the same bits."""
    have(name, *(["circle"] if name == "analyze" else []))
    (folder / "again.yaml").write_text(info("--deck", f"{name}.h5"), encoding="utf-8")
    study = {"circle": "simulate", "map": "sync", "density": "spde"}.get(name, name)
    keys = {"output_file": "again.h5", "progress": "off"}
    chorale([study, "again.yaml", *options(**keys)], ranks=2)
    code, out, err = tools.run("compare", f"{name}.h5", "again.h5")
    assert code == 0, out + err
    assert "note: ranks 1 and 2" in out and "note: output_file" in out, out


def test_a_trajectory_is_described(have):
    have("every_fifth", "limits")
    said = info(TRAJECTORY, "limits.h5")
    assert "4 frames, step 0 to 12" in said
    assert "40 tokens in R^3, double, 960 B a frame" in said
    assert "slope_depth" in said or "fit_" in said, said


def test_a_trajectory_has_the_deck_of_its_results(have):
    have("every_fifth")
    assert info("--deck", TRAJECTORY) == info("--deck", "every_fifth.h5")


def test_one_bad_file_does_not_stop_the_others(have):
    have("circle")
    code, out, err = tools.run("info", "circle.h5", "none.h5")
    assert code == 2 and "complete" in out and "none.h5: no such file" in err
