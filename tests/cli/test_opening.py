"""What a run says before it begins: five lines, or with -verbose all that a dry run says."""

import re

import pytest
from run import chorale, on_terminal, options
from tiers import FULL

RUN = dict(tokens_count=16, layers_depth=4, output_overwrite=True, progress="off")
STUDIES = {
    "simulate": dict(ensemble_realizations=3, output_trajectories=1),
    "limits": dict(layers_depth="2,4", mlp_width="4,8", ensemble_realizations=2),
    "chaos": dict(tokens_count="16,32", tokens_dim=2, ensemble_realizations=2),
    "sync": dict(tokens_dim=3, ensemble_realizations=2),
    "spde": dict(tokens_dim=2, ensemble_realizations=2),
}
LABELS = ["size", "accuracy", "length", "output"]
SWEEP = dict(attention_beta="0.5,1", attention_value="1,-1", output_trajectories=0)


def opening(text):
    """{label: phrase} of the lines before the table, in their order."""
    lines = {}
    for line in text.splitlines():
        found = re.match(
            r"(simulate|limits|chaos|sync|spde|analyze|size|accuracy|length|output) +(.*)", line
        )
        if not found:
            break
        lines[found[1]] = found[2]
    return lines


def run(study, ranks=1, **more):
    words = [study] + options(**(RUN | STUDIES.get(study, {}) | more))
    return chorale(words, ranks=ranks).stdout


@pytest.mark.parametrize("study", STUDIES)
@pytest.mark.parametrize("ranks", [1, pytest.param(3, marks=FULL)])
def test_a_run_begins_with_five_lines(folder, study, ranks):
    said = opening(run(study, ranks))
    assert list(said) == [study] + LABELS
    assert f"{ranks} rank" in said["size"] and "tokens in R^" in said["size"]
    assert said["output"].startswith(f"{study}.h5") and "checkpoint" in said["output"]
    assert not re.search("Gflop|MB", "".join(said.values())), said


@pytest.mark.parametrize(
    "more, label, said",
    [
        (
            dict(attention_type="none"),
            "simulate",
            "no attention; mlp noise, relu, width 512; scheme layer",
        ),
        (dict(noise_type="none", scheme_type="flow"), "simulate", "beta 1; no noise; scheme flow"),
        (dict(noise_type="values"), "simulate", "noise of random values V x"),
        (dict(attention_mask="causal"), "simulate", "causal softmax attention"),
        (
            dict(attention_weights="random", attention_heads=2),
            "simulate",
            "with weights, beta 1, 2 heads",
        ),
        (dict(noise_independent=0.1), "simulate", "and of each token its own"),
        (dict(scheme_norm="pre"), "simulate", "scheme layer, norm pre"),
        (dict(attention_engine="moments"), "accuracy", "harmonics, its kernel to "),
        (dict(attention_engine="direct"), "accuracy", "attention by sums over all pairs"),
        (dict(noise_type="spectral", scheme_type="heun"), "accuracy", "of its variance"),
        (
            dict(ensemble_realizations=7),
            "length",
            "4 steps up to t = 5, 5 frames; 7 realizations per group",
        ),
        (dict(output_table="table.csv"), "output", "table table.csv"),
        (SWEEP, "size", "4 cells of attention_beta x attention_value; the largest has 16 tokens"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_the_lines_say_what_is_special(folder, more, label, said):
    text = run("simulate", **(more))
    assert said in opening(text)[label], text


def test_a_line_without_news_is_left_out(folder):
    assert "accuracy" not in opening(run("simulate", attention_type="none"))


def test_analyze_says_what_it_reads(folder):
    run("simulate")
    words = ["analyze"] + options(analyze_file="simulate.h5", progress="off")
    text = chorale(words).stdout
    said = opening(text)
    assert said["analyze"] == "softmax attention, beta 1, as recorded", text
    assert said["output"].startswith("analyze.h5"), text


@pytest.mark.parametrize("study", STUDIES)
def test_verbose_says_what_a_dry_run_says(folder, study):
    """But for the time, for which a run does not wait."""
    said = run(study, verbose=True).splitlines()
    dry = run(study, dry_run=True).splitlines()
    told = [line for line in dry if re.match(r"(ensemble|tokens|attention|noise|scheme) ", line)]
    assert len(told) >= 4 and all(line in said for line in told), said


JOINT = dict(
    tokens_count=20000,
    tokens_dim=3,
    attention_beta=0.3,
    attention_engine="moments",
    noise_type="spectral",
    noise_degree=8,
    scheme_type="euler",
    layers_horizon=0.4,
    dry_run=True,
)
TABLE = "attention and noise by one table of degree "


def test_one_table_is_told_with_its_error(folder):
    told = re.search(
        TABLE + r"(\d+), .* MB per rank, to (\S+) of its size\n", run("simulate", **JOINT)
    )
    assert told and int(told[1]) >= 8 and 0 < float(told[2]) <= 1e-12, told
    text = run("simulate", **JOINT, attention_tol=1e-6)
    told = re.search(TABLE + r".*, to (\S+) of its size, in single precision\n", text)
    assert told and 1e-8 < float(told[1]) <= 1e-6, text


def test_no_table_is_told_where_the_noise_is_asked_for_alone(folder):
    assert TABLE not in run("simulate", **JOINT, ensemble_control="noise", ensemble_realizations=2)


@pytest.mark.parametrize("columns", [60, 40, 80, 132])
def test_the_lines_fit_a_terminal(folder, columns):
    words = ["simulate"] + options(**RUN, ensemble_realizations=20, noise_type="spectral")
    lines = on_terminal(words, columns=columns, stdout=True).splitlines()
    lines = lines[: next(i for i, line in enumerate(lines) if line.lstrip().startswith("step"))]
    assert len(lines) >= 5
    assert all(len(line) <= columns for line in lines), lines
    assert all(re.match(r"[a-z]+ +|           \S", line) for line in lines), lines
