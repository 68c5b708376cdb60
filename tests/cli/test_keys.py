"""Keys: the page that is written from them, and keys that are given without effect."""
import os
import subprocess
from pathlib import Path

import pytest

CHORALE, SOURCE = os.environ["CHORALE"], Path(os.environ["CHORALE_SOURCE"])


def run(*words):
    return subprocess.run(
        [CHORALE, *words], capture_output=True, text=True, timeout=120, check=False
    )


def test_page_is_current():
    page = (SOURCE / "input" / "README.md").read_text(encoding="utf-8")
    table = run("--keys")
    assert table.returncode == 0 and table.stdout.count("\n") > 60
    assert (
        f"<!-- keys: begin -->\n{table.stdout}<!-- keys: end -->" in page
    ), "chorale --keys prints another table than input/README.md has"


def test_page_says_what_studies_change():
    rows = {line.split("`")[1]: line for line in run("--keys").stdout.splitlines() if "`" in line}
    assert "limits (lists, inf)" in rows["mlp_width"]
    assert (
        "limits (default heun)" in rows["scheme_type"]
        and "spde (default flow)" in rows["scheme_type"]
    )
    assert "needs tokens_init vmf or clusters" in rows["tokens_kappa"]


@pytest.mark.parametrize(
    "words, said",
    [
        (
            "simulate -tokens_file x.npy",
            "tokens_file = x.npy: has no effect with tokens_init uniform; it needs tokens_init file",
        ),
        (
            "simulate -noise_degree 5",
            "noise_degree = 5: has no effect with noise_type mlp; it needs noise_type spectral",
        ),
        (
            "simulate -noise_type none -mlp_activation tanh",
            "mlp_activation = tanh: has no effect with noise_type none; it needs noise_type other than none",
        ),
        (
            "simulate -attention_sinkhorn_tol 1e-3",
            "attention_sinkhorn_tol = 1e-3: has no effect with attention_type softmax; it needs attention_type sinkhorn",
        ),
        (
            "kernel -kernel_bias 0,1 -mlp_bias_u 2",
            "mlp_bias_u = 2: has no effect with kernel_bias 0,1; it needs kernel_bias unset",
        ),
        (
            "sync -sync_map -layers_depth 3",
            "layers_depth = 3: has no effect with sync_map true; it needs sync_map false",
        ),
        (
            "analyze -analyze_file x.h5 -analyze_bins 3",
            "analyze_bins = 3: has no effect with analyze_pairs false; it needs analyze_pairs or analyze_coordinates true",
        ),
    ],
)
def test_no_effect(folder, words, said):
    done = run(*words.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"chorale: {said}\n")
    assert not list(folder.iterdir())


def test_deck_may_be_changed_from_outside(folder):
    (folder / "deck.yaml").write_text("tokens: {init: vmf, kappa: 3}\nmlp: {activation: tanh}\n")
    assert (
        run(
            "simulate", "deck.yaml", "-tokens_init", "uniform", "-noise_type", "none", "-dry_run"
        ).returncode
        == 0
    )
    done = run("simulate", "deck.yaml", "-tokens_init", "uniform", "-tokens_kappa", "5")
    assert done.returncode == 2 and "tokens_kappa = 5: has no effect" in done.stderr


def test_what_is_left_open_is_resolved(folder):
    """From a file, from other keys, by the study; none of it is marked as given."""
    words = [
        "-tokens_init",
        "file",
        "-tokens_file",
        str(SOURCE / "input" / "words.npy"),
        "-layers_depth",
        "2,4",
        "-dry_run",
    ]
    lines = run("limits", *words).stdout.splitlines()
    values = {
        line.split()[0]: line.split()[1]
        for line in lines
        if line.startswith("  ") and len(line.split()) > 1
    }
    assert values["tokens_count"] == "512" and values["tokens_dim"] == "100"
    assert (
        values["noise_type"] == "gram"
        and values["scheme_type"] == "heun"
        and values["limits_reference"] == "32"
    )
