"""Keys: the page that is written from them, and keys that are given without effect."""

import os
from pathlib import Path

import pytest
from run import chorale

SOURCE = Path(os.environ["CHORALE_SOURCE"])


def run(*words):
    return chorale(words, check=False)


def test_the_page_of_keys_is_current():
    page = (SOURCE / "input" / "README.md").read_text(encoding="utf-8")
    table = run("--keys")
    assert table.returncode == 0 and table.stdout.count("\n") > 60
    current = f"<!-- keys: begin -->\n{table.stdout}<!-- keys: end -->" in page
    assert current, "chorale --keys prints another table than input/README.md has"


def test_the_page_of_keys_says_what_studies_change():
    rows = {line.split("`")[1]: line for line in run("--keys").stdout.splitlines() if "`" in line}
    assert "limits (lists, inf)" in rows["mlp_width"]
    assert "limits (default heun)" in rows["scheme_type"]
    assert "spde (default flow)" in rows["scheme_type"]
    assert "needs tokens_init vmf or clusters" in rows["tokens_kappa"]


IDLE = (
    ("simulate -tokens_file x.npy", "tokens_init uniform", "tokens_init file"),
    ("simulate -noise_degree 5", "noise_type mlp", "noise_type spectral"),
    (
        "simulate -noise_type none -mlp_activation tanh",
        "noise_type none",
        "noise_type other than values or none",
    ),
    (
        "simulate -attention_sinkhorn_tol 1e-3",
        "attention_type softmax",
        "attention_type sinkhorn",
    ),
    ("kernel -kernel_bias 0,1 -mlp_bias_u 2", "kernel_bias 0,1", "kernel_bias unset"),
    ("sync -sync_map -layers_depth 3", "sync_map true", "sync_map false"),
    ("sync -kernel_moments 2", "sync_map false", "sync_map true"),
    (
        "analyze -analyze_file x.h5 -analyze_bins 3",
        "analyze_pairs false",
        "analyze_pairs or analyze_coordinates true",
    ),
)


@pytest.mark.parametrize("words, is_, needs", IDLE)
def test_a_key_without_effect_is_refused(folder, words, is_, needs):
    done = run(*words.split())
    key, value = words.split()[-2:]
    line = f"chorale: {key[1:]} = {value}: has no effect with {is_}; it needs {needs}\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", line)
    assert not list(folder.iterdir())


def test_options_may_make_a_key_of_the_deck_idle(folder):
    deck = "tokens: {init: vmf, kappa: 3}\nmlp: {activation: tanh}\n"
    (folder / "deck.yaml").write_text(deck, encoding="utf-8")
    words = ("simulate", "deck.yaml", "-tokens_init", "uniform")
    assert run(*words, "-noise_type", "none", "-dry_run").returncode == 0
    done = run(*words, "-tokens_kappa", "5")
    assert done.returncode == 2 and "tokens_kappa = 5: has no effect" in done.stderr


def test_what_is_left_open_is_resolved(folder):
    """From a file, from other keys, by the study; none of it is marked as given."""
    tokens = SOURCE / "input" / "words.npy"
    words = ("-tokens_init", "file", "-tokens_file", tokens, "-layers_depth", "2,4", "-dry_run")
    lines = run("limits", *words).stdout.splitlines()
    rows = [line.split() for line in lines if line.startswith("  ")]
    values = {row[0]: row[1] for row in rows if len(row) > 1}
    assert values["tokens_count"] == "512" and values["tokens_dim"] == "100"
    assert values["noise_type"] == "gram" and values["scheme_type"] == "heun"
    assert values["limits_reference"] == "32"
