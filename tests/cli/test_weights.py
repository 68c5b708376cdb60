"""Files of attention_weights: what -dry_run says of them, and one line for each that is wrong."""

import h5py
import numpy as np
import pytest

from run import chorale, datasets, options, refused, same_bits

D = 5


def head(k=2, inner=None, **more):
    """A head of D dimensions; arrays given by name come to it, or in place of its own."""
    found = {"Q": np.ones((k, D)), "K": np.ones((k, D)), "V": np.ones((inner or D, D))}
    if inner:
        found["O"] = np.ones((D, inner))
    return {name: value for name, value in {**found, **more}.items() if value is not None}


def write(arrays, prefix="heads/0"):
    with h5py.File("w.h5", "w") as file:
        for name, value in arrays.items():
            file[f"{prefix}/{name}"] = value


def keys(**more):
    return options(attention_weights="w.h5", tokens_dim=D, **more)


WRONG_HEADS = {
    "no Q": (head(Q=None), "has no dataset 'heads/0/Q'"),
    "no K": (head(K=None), "has no dataset 'heads/0/K'"),
    "no V": (head(V=None), "has no dataset 'heads/0/V'"),
    "Q of another d": (head(Q=np.ones((2, 4))), "'heads/0/Q' must have the shape k x 5"),
    "Q is a vector": (head(Q=np.ones(5)), "'heads/0/Q' must have the shape k x 5"),
    "Q is a cube": (head(Q=np.ones((5, 5, 5))), "'heads/0/Q' must have the shape k x 5"),
    "Q is empty": (head(Q=np.ones((0, 5))), "'heads/0/Q' must have the shape k x 5"),
    "another k": (head(K=np.ones((3, D))), "'heads/0/K' must have the shape 2 x 5"),
    "V without O": (head(V=np.ones((2, D))), "'heads/0/V' must have the shape 5 x 5"),
    "O of another k": (head(inner=2, O=np.ones((D, 3))), "'heads/0/O' must have the shape 5 x 2"),
    "O turned": (head(inner=2, O=np.ones((2, D))), "'heads/0/O' must have the shape 5 x 2"),
    "Q_bias": (head(Q_bias=np.ones(D)), "'heads/0/Q_bias' must have the shape 2"),
    "K_bias": (head(K_bias=np.ones((2, 1))), "'heads/0/K_bias' must have the shape 2"),
    "V_bias": (head(inner=3, V_bias=np.ones(D)), "'heads/0/V_bias' must have the shape 3"),
    "O_bias": (head(inner=3, O_bias=np.ones(3)), "'heads/0/O_bias' must have the shape 5"),
    "nan": (head(V_bias=np.full(D, np.nan)), "'heads/0/V_bias' must hold finite numbers"),
    "beyond half": (
        head(K=np.full((2, D), np.inf, np.float16)),
        "'heads/0/K' must hold finite numbers",
    ),
    "words": (head(K_bias=["a", "b"]), "dataset 'heads/0/K_bias' must hold floating-point numbers"),
    "integers": (
        head(Q=np.ones((2, D), int)),
        "dataset 'heads/0/Q' must hold floating-point numbers",
    ),
    "another name": (head(bias_Q=np.ones(2)), "'heads/0/bias_Q' is not a name of a weight there"),
}


QUICK = ("no Q", "another k", "V without O", "another name")


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.full) for n in WRONG_HEADS],
)
def test_a_wrong_head_is_refused(folder, name):
    arrays, message = WRONG_HEADS[name]
    write(arrays)
    refused(["simulate", *keys()], f"attention_weights = w.h5: {message}")


def test_a_dry_run_says_what_heads_there_are(folder):
    with h5py.File("w.h5", "w") as file:
        for h, arrays in enumerate((head(2, 3, Q_bias=np.ones(2)), head(7))):
            for name, value in arrays.items():
                file[f"heads/{h}/{name}"] = value
    said = chorale(["simulate", "-dry_run", *keys()]).stdout
    assert "2 heads from w.h5: Q, K 2 to 7 x 5, V 3 to 5 x 5 with O, biases" in said
    write(head(4))
    said = chorale(["simulate", "-dry_run", *keys()]).stdout
    assert "1 heads from w.h5: Q, K 4 x 5, V 5 x 5\n" in said


def mlp(m=3, **more):
    found = {"U": np.ones((m, D)), "W": np.ones((D, m)), **more}
    return {name: value for name, value in found.items() if value is not None}


def layers_of(*names, **more):
    """Arrays by path: one head in each of the layers with these names."""
    found = {f"layers/{name}/heads/0/{m}": v for name in names for m, v in head().items()}
    return {**found, **more}


# Arrays, keys, message.
WRONG_LAYERS = {
    "a gap": (layers_of(0, 2), {}, "group 'layers' must hold layers 0, 1, .. without a gap"),
    "from one": (layers_of(1, 2), {}, "group 'layers' must hold layers 0, 1, .. without a gap"),
    "odd": (layers_of(0, 1), dict(layers_depth=3), "layers_depth = 3 must be a multiple of its 2"),
    "both": (
        layers_of(0, **{"heads/0/Q": np.ones((2, D))}),
        {},
        "must have 'layers', or 'heads' and 'mlp', not both",
    ),
    "no heads": (
        layers_of(0, **{"layers/1/V": np.ones((2, D))}),
        {},
        "'layers/1/V' is not a name of a weight there",
    ),
    "an mlp in one": (
        layers_of(0, 1, **{"layers/1/mlp/U": np.ones((3, D)), "layers/1/mlp/W": np.ones((D, 3))}),
        dict(layers_depth=2),
        "'heads' and 'mlp' must be in all layers or in none, see 'layers/1/'",
    ),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=() if n == "a gap" else pytest.mark.full) for n in WRONG_LAYERS]
)
def test_wrong_layers_are_refused(folder, name):
    arrays, more, message = WRONG_LAYERS[name]
    write(arrays, ".")
    refused(["simulate", *keys(**more)], f"attention_weights = w.h5: {message}")


@pytest.mark.parametrize("study", ["sync", "limits"])
def test_the_theory_is_that_of_one_layer(folder, study):
    write(layers_of(0, 1), ".")
    message = (
        f"attention_weights = w.h5: must have heads alone, no layers and no mlp, in study {study}"
    )
    refused([study, *keys(layers_depth=4)], message)
    write(mlp(), "mlp")
    refused([study, *keys(layers_depth=4)], message)


def test_a_dry_run_says_how_many_layers_there_are(folder):
    write(layers_of(0, 1, 2), ".")
    said = chorale(["simulate", "-dry_run", *keys(layers_depth=6)]).stdout
    assert "3 layers of 1 heads from w.h5: Q, K 2 x 5, V 5 x 5" in said


def test_a_run_goes_on_in_the_layer_where_it_stopped(folder):
    """After 4 of 9 layers with weights of three: bit for bit, on any number of ranks."""
    rng = np.random.default_rng(1)
    arrays = {}
    for layer in range(3):
        at = f"layers/{layer}"
        arrays |= {f"{at}/heads/0/{name}": rng.normal(size=(D, D)) for name in "QKV"}
        arrays |= {f"{at}/mlp/U": rng.normal(size=(7, D)), f"{at}/mlp/W": rng.normal(size=(D, 7))}
    write(arrays, ".")

    def run(name, ranks, hook=None, **more):
        words = keys(layers_depth=9, tokens_count=30, output_every=3, output_file=name, **more)
        return chorale(["simulate", *words], ranks, check=False, hook=hook).returncode

    assert run("whole.h5", 1) == 0
    assert run("stopped.h5", 2, "0 4 0 signal=15", checkpoint_every=1) == 85
    assert run("stopped.h5", 3, checkpoint_resume=True) == 0
    assert not same_bits(datasets("whole.h5"), datasets("stopped.h5"))


WRONG_MLPS = {
    "no U": (mlp(U=None), "relu", "has no dataset 'mlp/U'"),
    "no W": (mlp(W=None), "relu", "has no dataset 'mlp/W'"),
    "U": (mlp(U=np.ones((3, 4))), "relu", "'mlp/U' must have the shape k x 5"),
    "W": (mlp(W=np.ones((D, 4))), "relu", "'mlp/W' must have the shape 5 x 3"),
    "b": (mlp(b=np.ones(5)), "relu", "'mlp/b' must have the shape 3"),
    "c": (mlp(c=np.ones(3)), "relu", "'mlp/c' must have the shape 5"),
    "nan": (mlp(c=np.full(D, np.inf)), "relu", "'mlp/c' must hold finite numbers"),
    "activation": (mlp(), "swish", "activation = swish of 'mlp' is none of those"),
    "another name": (mlp(V=np.ones(3)), "relu", "'mlp/V' is not a name of a weight there"),
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n == "activation" else pytest.mark.full) for n in WRONG_MLPS],
)
def test_a_wrong_mlp_is_refused(folder, name):
    arrays, activation, message = WRONG_MLPS[name]
    write(arrays, "mlp")
    with h5py.File("w.h5", "a") as file:
        file["mlp"].attrs["activation"] = activation
    refused(["simulate", *keys()], f"attention_weights = w.h5: {message}")


def test_what_does_not_go_with_an_mlp_is_refused(folder):
    write(mlp(), "mlp")
    for norm in ("peri", "ngpt"):
        refused(
            ["simulate", *keys(scheme_norm=norm)], f"scheme_norm = {norm}: must be post, pre or"
        )
    words = options(noise_type="spectral", tokens_count=20, tokens_dim=3, attention_weights="w.h5")
    refused(["spde", *words], "attention_weights = w.h5: must have heads alone")
    said = chorale(["simulate", "-dry_run", *keys()]).stdout
    assert "a fixed MLP from w.h5, relu of width 3: in the drift" in said
