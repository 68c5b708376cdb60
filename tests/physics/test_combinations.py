"""Every pair of kinds: attention, noise, scheme, norm, start, engine and study go together, with
the same bits on three ranks and on one, or are refused in one line that names a key."""

import numpy as np
import pytest
from run import chorale, datasets, options, same_bits, spoken, without

TINY = dict(tokens_count=40, tokens_dim=3, layers_depth=4, layers_horizon=0.2, output_every=2)
KINDS = {
    "causal": dict(attention_mask="causal"),
    "usa": dict(attention_type="usa"),
    "l2": dict(attention_type="l2"),
    "sinkhorn": dict(attention_type="sinkhorn"),
    "no attention": dict(attention_type="none"),
    "repulsive": dict(attention_value=-1),
    "another energy": dict(energy_beta=2.5),
    "long context": dict(attention_beta="logN:1"),
    "random heads": dict(attention_weights="random"),
    "direct": dict(attention_engine="direct"),
    "moments": dict(attention_engine="moments"),
    "spectral": dict(noise_type="spectral", noise_degree=6),
    "gram": dict(noise_type="gram"),
    "no noise": dict(noise_type="none"),
    "values": dict(noise_type="values"),
    "barycentre": dict(noise_at="barycentre"),
    "laplace weights": dict(mlp_weights="laplace"),
    "independent": dict(noise_independent=0.1),
    "euler": dict(scheme_type="euler"),
    "heun": dict(scheme_type="heun"),
    "flow": dict(scheme_type="flow"),
    "pre": dict(scheme_norm="pre"),
    "peri": dict(scheme_norm="peri"),
    "ngpt": dict(scheme_norm="ngpt"),
    "depth": dict(scheme_norm="depth"),
    "adaptive": dict(layers_adaptive=1e-6, scheme_type="flow", noise_type="none"),
    "equiangular": dict(
        tokens_init="equiangular", tokens_cosine=0.5, tokens_count=12, tokens_dim=12
    ),
    "quadrature": dict(tokens_init="quadrature", tokens_count=32),
    "log frames": dict(output_log=2, output_every=1),
    "modes": dict(output_modes=3),
    "entropy": dict(output_attention=True),
    "all clusters": dict(output_clusters=True),
}
STUDIES = {
    "limits": dict(
        tokens_count=16, tokens_dim=2, layers_depth="4,8", mlp_width="8,inf", limits_reference=16
    ),
    "limits, all times": dict(
        tokens_count=16,
        tokens_dim=2,
        layers_depth="4,8",
        mlp_width="8,inf",
        limits_reference=16,
        limits_supremum="all",
    ),
    "chaos": dict(tokens_count="16,32", chaos_reference=64),
    "sync": dict(),
    "spde": dict(tokens_dim=2, spde_degree=32),
}


def run(study, keys, folder, ranks):
    """The completed run, and the numbers of its results."""
    folder.mkdir()
    done = chorale([study] + options(progress="off", **keys), ranks=ranks, cwd=folder, check=False)
    return done, datasets(folder / f"{study}.h5") if done.returncode == 0 else None


def right_or_refused(study, keys, folder, ranks=1):
    """True when it ran: finite numbers, and the same bits on one rank and on several."""
    one, numbers = run(study, keys, folder / "one", 1)
    assert one.returncode in (0, 2), (keys, one.stdout, one.stderr)
    if one.returncode == 2:
        lines = spoken(one)
        assert len(lines) == 1 and len(lines[0]) < 250 and any(key in lines[0] for key in keys), (
            keys,
            lines,
        )
        return False
    if ranks > 1:
        several, others = run(study, keys, folder / "several", ranks)
        assert several.returncode == 0, (keys, several.stderr)
        assert same_bits(numbers, others) == [], keys
    observed = {name: values for name, values in numbers.items() if name.startswith("observables/")}
    assert all(np.isfinite(values).all() for values in observed.values()), keys
    return True


# Of attention, engine, noise, norm and steps; the others, which the quick tests of their own files
# run too, in the full tier.
QUICK = ("causal", "sinkhorn", "moments", "gram", "values", "independent", "pre", "adaptive")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in QUICK else pytest.mark.full) for name in KINDS]
)
def test_each_kind_moves_tokens_with_the_same_bits(folder, name):
    assert right_or_refused("simulate", {**TINY, **KINDS[name]}, folder, ranks=3), name


@pytest.mark.full
@pytest.mark.parametrize("study", STUDIES)
def test_each_kind_in_every_study(folder, study):
    ran = 0
    for name, kind in KINDS.items():
        keys = {**without(TINY, "output_every"), **STUDIES[study], **kind}
        (folder / name).mkdir()
        ran += right_or_refused(study.split(",")[0], keys, folder / name)
    assert ran > 5


@pytest.mark.full
@pytest.mark.parametrize("name", KINDS)
def test_pairs_of_kinds(folder, name):
    for other in list(KINDS)[list(KINDS).index(name) + 1 :]:
        if set(KINDS[name]) & set(KINDS[other]):
            continue
        (folder / other).mkdir()
        right_or_refused("simulate", {**TINY, **KINDS[name], **KINDS[other]}, folder / other)
