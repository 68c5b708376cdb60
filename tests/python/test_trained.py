"""tools/weights: the fields of the files that it writes are those of the layers in the layouts they
were trained in, evaluated plainly there (support/trained.py)."""

import json
import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import run
import tools
import trained

from chorale import io
from chorale.plot import files
from chorale.weights.layer import basis

SOURCE = Path(os.environ["CHORALE_SOURCE"])
EXTRACT = SOURCE / "input/trained/layer.h5"


def weights(*arguments):
    """What the tool says; it must end well."""
    code, out, err = tools.run("weights", *arguments)
    assert code == 0 and not err, err
    return out


def refused(*arguments):
    """The one line with which it ends."""
    code, out, err = tools.run("weights", *arguments)
    assert code == 2 and not out and err.count("\n") == 1, (code, out, err)
    return err


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def sphere(count, dim, seed=5):
    return unit(np.random.default_rng(seed).normal(size=(count, dim)))


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * np.abs(expected).max())


@pytest.fixture(name="model")
def saved_model(folder):
    made = trained.TensorFlow()
    made.save(folder / "model")
    return made


def test_the_basis_is_that_of_vectors_without_mean():
    B = basis(7)
    close(B.T @ B, np.eye(6))
    close(B @ B.T, np.eye(7) - 1 / 7)


def test_a_layer_of_tensorflow(model):
    weights("model", "--layer", 1, "--length", 2.5, "-o", "w.h5")
    x, B = sphere(20, 11), basis(12)
    stream = (
        2.5 * x @ B.T + np.arange(20)[:, np.newaxis]
    )  # whatever mean: a layer norm takes it off
    with h5py.File("w.h5") as file:
        assert sorted(file["heads"]) == ["0", "1", "2"] and file["heads/0/Q"].shape == (4, 11)
        close(trained.attention(file, x), model.attention(1, stream) @ B / 2.5)
        close(trained.mlp(file, x), model.mlp(1, stream) @ B / 2.5)


def test_words_enter_a_layer_as_texts_of_their_own(model, folder):
    (folder / "words.txt").write_text("city unknown ing the\nwar\nthe one", encoding="utf-8")
    said = weights("model", "--layer", 1, "--words", "words.txt", "--count", 3, "-o", "w.h5")
    stream = np.vstack(
        [model.entering(model.PIECES.index(f"\u2581{w}")) for w in ("city", "the", "war")]
    )
    stream = stream @ basis(12)
    length = np.linalg.norm(stream, axis=1, keepdims=True)
    with h5py.File("w.h5") as file:
        assert [word.decode() for word in file["words"][()]] == ["city", "the", "war"]
        close(file["tokens"][()], stream / length)
        close(file.attrs["length"], length.mean())
        query, key = (
            file["tokens"][()] @ file[f"heads/1/{n}"][()].T + file[f"heads/1/{n}_bias"][()]
            for n in "QK"
        )
    p = trained.softmax(query @ key.T)
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    row = said.splitlines()[-2].split()
    assert row == ["1", f"{(query @ key.T).std():.2f}", f"{entropy:.2f}"], said


def test_logits_of_all_pieces(model):
    """Without positions, also of a layer that cannot be iterated."""
    at = "MultiheadAttention/qkv_transform_single/"
    x = model.normed(0, "", model.weights["module/Embeddings_en"].astype(float))
    rows = x @ model.of(0, at + "kernel/part_0")[0, 0] + model.of(0, at + "bias/concat")
    query, key, _ = np.split(rows, 3, axis=1)
    expected = [(0.5 * q @ k.T).std() for q, k in zip(np.split(query, 3, 1), np.split(key, 3, 1))]
    said = weights("model", "--layer", 0, "--pieces").splitlines()
    assert said[0] == "7 tokens, log N = 1.95"
    np.testing.assert_allclose([float(row.split()[1]) for row in said[2:]], expected, atol=0.0051)


def test_all_pieces_are_tokens_of_a_run(model):
    said = weights("model", "--layer", 0, "--pieces", "-o", "pieces.h5")
    assert said == weights("model", "--layer", 0, "--pieces")
    with h5py.File("pieces.h5") as file:
        rows = file["tokens"][()]
        names = [name.decode() for name in file["words"][()]]
        assert "heads" not in file and list(file.attrs["layers"]) == [0]
    stream = model.weights["module/Embeddings_en"].astype(float)
    stream -= stream.mean(axis=1, keepdims=True)
    close(rows, unit(stream) @ basis(stream.shape[1]))
    vocabulary = Path("model/vocab.json")
    pieces = json.loads(vocabulary.read_text(encoding="utf-8"))
    assert names == [piece[0] for piece in pieces]
    vocabulary.write_text(json.dumps(pieces[:-1]), encoding="utf-8")
    weights("model", "--layer", 0, "--pieces", "-o", "fewer.h5")
    with h5py.File("fewer.h5") as file:
        assert [name.decode() for name in file["words"][()]] == [*names[:-1], ""]
        assert np.array_equal(file["tokens"][()], rows)
    vocabulary.write_text(json.dumps([*pieces, ["more", 0]]), encoding="utf-8")
    assert "8 pieces, and embeddings of 7" in refused(
        "model", "--layer", 0, "--pieces", "-o", "more.h5"
    )
    start = dict(tokens_init="file", tokens_file="pieces.h5", output_trajectories=1)
    run.chorale(["simulate"] + run.options(layers_depth=1, output_file="run.h5", **start))
    with io.open("run.h5") as opened:
        close(opened.trajectory(0).at(step=0), rows)


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_layer_of_pytorch(folder, norm):
    """In front of a branch stands its own norm; behind, that of the branch before it."""
    layer = trained.Torch(2)
    np.savez("layer.npz", **layer.state)
    options = ["--heads", 3, "--norm", norm, "--activation", "gelu", "--length", 1.5]
    weights("layer.npz", *options, "-o", "w.h5")
    before, before_mlp = (1, 2) if norm == "pre" else (2, 1)
    x, B = sphere(20, 11), basis(12)
    stream = 1.5 * x @ B.T
    with h5py.File("w.h5") as file:
        close(trained.attention(file, x), layer.attention(layer.norm(before, stream)) @ B / 1.5)
        close(trained.mlp(file, x), layer.mlp(layer.norm(before_mlp, stream)) @ B / 1.5)


def test_attention_of_pytorch_without_norms(folder):
    layer = trained.Torch(3, bare=True)
    np.savez("bare.npz", **layer.state)
    weights("bare.npz", "--heads", 3, "-o", "w.h5")
    x = sphere(20, 12)
    with h5py.File("w.h5") as file:
        close(trained.attention(file, x), layer.attention(12**0.5 * x) / 12**0.5)
        assert "mlp" not in file


def test_layers_of_a_stack(folder):
    """In the order of their numbers; behind a norm, attention reads that of the layer before."""
    layers = [trained.Torch(seed) for seed in range(11)]
    state = {
        f"encoder.layers.{i}.{name}": a for i, l in enumerate(layers) for name, a in l.state.items()
    }
    np.savez("stack.npz", **state)
    options = ["--heads", 3, "--activation", "gelu"]
    weights("stack.npz", *options, "--norm", "post", "-o", "post.h5")
    weights("stack.npz", *options, "--layer", "10,2", "-o", "pre.h5")
    x, B, length = sphere(20, 11), basis(12), 12**0.5
    stream = length * x @ B.T
    with h5py.File("post.h5") as file:
        assert sorted(file["layers"], key=int) == [str(i) for i in range(11)]
        expected = layers[10].attention(layers[9].norm(2, stream)) @ B / length
        close(trained.attention(file["layers/10"], x), expected)
    with h5py.File("pre.h5") as file:
        assert list(file["layers"]) == ["0", "1"]
        for i, layer in ((0, layers[10]), (1, layers[2])):
            close(
                trained.mlp(file[f"layers/{i}"], x), layer.mlp(layer.norm(2, stream)) @ B / length
            )


def test_a_twin_has_the_same_shapes_and_norms(model):
    weights("model", "--layer", 1, "--twin", 7, "-o", "twin.h5")
    weights("model", "--layer", 1, "-o", "w.h5")
    weights("w.h5", "--twin", 7, "-o", "again.h5")
    weights("w.h5", "--twin", 8, "--no-mlp", "-o", "other.h5")
    with h5py.File("w.h5") as file, h5py.File("twin.h5") as twin, h5py.File("other.h5") as other:
        for name in ("heads/0/Q", "heads/2/V_bias", "mlp/U", "mlp/c"):
            close(np.linalg.norm(twin[name][()]), np.linalg.norm(file[name][()]))
            assert abs(np.vdot(twin[name], file[name])) < 0.9 * np.vdot(file[name], file[name])
        assert "mlp" not in other and (other["heads/0/Q"][()] != twin["heads/0/Q"][()]).any()
        assert twin["mlp"].attrs["activation"] == "relu"
        with h5py.File("again.h5") as again:
            np.testing.assert_array_equal(again["mlp/W"], twin["mlp/W"])


def test_numbers_are_rounded_to_bits(model):
    weights("model", "--layer", 1, "-o", "w.h5")
    weights("w.h5", "--precision", "half", "--bits", 4, "-o", "short.h5")
    with h5py.File("w.h5") as file, h5py.File("short.h5") as short:
        assert short["mlp/U"].dtype == np.float16
        fraction, _ = np.frexp(short["mlp/U"][()].astype(float))
        assert (fraction * 32 == np.round(fraction * 32)).all()
        np.testing.assert_allclose(short["mlp/U"][()], file["mlp/U"][()], rtol=1 / 32)


def test_the_extract_is_the_trained_layer():
    """tests/support/data/trained.npz: the layer of the package, in the layout and with the numbers
    that it has there, at the first of the tokens. Numbers are rounded to four binary digits."""
    with np.load(SOURCE / "tests/support/data/trained.npz") as recorded, h5py.File(EXTRACT) as file:
        x = unit(file["tokens"][()].astype(float))
        for name, field in (("attention", trained.attention), ("mlp", trained.mlp)):
            off = np.linalg.norm(field(file, x)[: len(recorded[name])] - recorded[name], axis=1)
            assert (off < 0.04 * np.linalg.norm(recorded[name], axis=1)).all(), off
    files = list(EXTRACT.parent.iterdir())
    assert sum(path.stat().st_size for path in files) < 3e6
    assert {"LICENSE", "SOURCE.txt"} <= {path.name for path in files}


def test_layers_of_the_solver_are_those_of_numpy(folder):
    """The deck, two layers of it: positions to 1e-12, and the entropy of its attention."""
    options = f"-tokens_file {EXTRACT} -attention_weights {EXTRACT} -layers_depth 2 -layers_horizon"
    options += " 0.5 -output_every 1 -output_trajectories 1 -output_file run.h5"
    run.chorale(["simulate", SOURCE / "input/trained.yaml", *options.split()])
    with h5py.File(EXTRACT) as file, io.open("run.h5") as found:
        x = unit(file["tokens"][()].astype(float))
        entropies = found.observables["attention_entropy"].values()
        for step in range(3):
            np.testing.assert_allclose(found.trajectory(0).at(step=step), x, atol=1e-12)
            np.testing.assert_allclose(entropies[step], trained.entropy(file, x), rtol=1e-12)
            x = unit(x + trained.attention(file, x) / 4)
            x = unit(x + trained.mlp(file, x) / 4)


def test_entropies_are_drawn_together(folder):
    """Where all runs have them."""
    for beta, more in ((1, "-output_attention"), (4, "-output_attention"), (9, "")):
        options = f"-tokens_count 16 -tokens_dim 3 -layers_depth 4 -attention_beta {beta} {more}"
        run.chorale(["simulate", *options.split(), "-output_file", f"{beta}.h5"])
    for names, panels in ((("1.h5", "4.h5"), 4), (("1.h5", "9.h5"), 2)):
        picture = files.together_of([str(folder / name) for name in names])
        titles = [axes.get_title() for axes in picture.figure.axes]
        assert len(titles) == panels, titles
    assert tools.run("plot", "--together", "1.h5", "4.h5") == (0, "together.png\n", "")


def spoil(model, folder, how):
    """A model of which one thing is wrong; its name."""
    manifest = json.loads((folder / "model/model.json").read_text(encoding="utf-8"))
    entries = manifest["weightsManifest"][0]["weights"]
    if how == "short":
        (folder / "model/shard2").write_bytes(b"")
    elif how == "long":
        manifest["weightsManifest"][0]["paths"].append("shard1")
    elif how == "dtype":
        entries[0]["dtype"] = "complex64"
    elif how == "other":
        for entry in entries:
            entry["name"] = entry["name"].replace("Layer_", "block_")
    (folder / "model/model.json").write_text(json.dumps(manifest), encoding="utf-8")
    return "model"


@pytest.mark.parametrize(
    "how, said",
    [
        ("short", "the shards end within"),
        ("long", "bytes too many"),
        ("dtype", "has a type that tools/weights does not read"),
        ("other", "has no weights with Layer_0/TransformerLayer/"),
    ],
)
def test_a_folder_that_is_no_such_model(model, folder, how, said):
    assert said in refused(spoil(model, folder, how), "--layer", 1, "-o", "w.h5")
    assert not (folder / "w.h5").exists()


@pytest.mark.parametrize(
    "options, said",
    [
        ("model -o w.h5", "layer 0 reads 8 numbers for each token and writes 12"),
        ("model --layer 2 -o w.h5", "--layer 2: must be numbers of layers, 0 to 1"),
        ("model --layer one -o w.h5", "--layer one: must be"),
        ("model --layer 1", "-o OUT.h5: the file to be written is missing"),
        ("model --layer 1 -o no/w.h5", "there is no folder no"),
        ("model --layer 1 --length -1 -o w.h5", "--length -1: must be positive"),
        ("model --layer 1 --words none.txt -o w.h5", "none.txt"),
        ("folder -o w.h5", "folder/model.json: no such file"),
        ("words.h5 -o w.h5", "words.h5: not an HDF5 file"),
        ("words.npz --heads 3 -o w.h5", "words.npz: not as a program that trains writes it"),
        ("none -o w.h5", "none: no such file"),
        ("layer.npz -o w.h5", "give it with --heads"),
        ("layer.npz --heads 5 -o w.h5", "--heads 5: does not divide the 12 numbers"),
        ("layer.npz --heads 3 --pieces", "--pieces: needs a folder"),
        ("model --layer 1 --pieces --words layer.npz", "--pieces: takes all of the vocabulary"),
        ("model --layer 1 --pieces -o layer.npz", "layer.npz: exists already"),
        ("layer.npz --heads 3 --words layer.npz -o w.h5", "--words: needs a folder"),
        ("layer.npz --heads 3 -o layer.npz", "layer.npz: is an input file"),
        (
            "shape.npz --heads 3 -o w.h5",
            "shape.npz: out_proj.weight must have the shape 12 x 12, not 12 x 11",
        ),
        ("nothing.npz --heads 3 -o w.h5", "has no in_proj_weight"),
        ("infinite.npz --heads 3 -o w.h5", "has numbers that are not finite"),
        ("cross.npz --heads 3 -o w.h5", "chorale has no such attention"),
        ("tokens.h5 -o w.h5", "has no heads/<h>/{Q,K,V}"),
        ("large.npz --heads 3 --precision half -o w.h5", "too large for it"),
    ],
)
def test_bad_input_is_one_line(model, folder, options, said):
    state = trained.Torch(4, bare=True).state
    np.savez("layer.npz", **state)
    np.savez("shape.npz", **{**state, "out_proj.weight": np.ones((12, 11))})
    np.savez("nothing.npz", weight=np.ones(3))
    np.savez("infinite.npz", **{**state, "out_proj.bias": np.full(12, np.nan)})
    np.savez("cross.npz", **state, bias_k=np.ones((1, 1, 12)))
    np.savez("large.npz", **{**state, "in_proj_bias": np.full(36, 1e9)})
    with h5py.File("tokens.h5", "w") as file:
        file["tokens"] = np.ones((3, 3))
    (folder / "folder").mkdir()
    for name in ("words.h5", "words.npz"):
        (folder / name).write_text("words", encoding="ascii")
    code, out, err = tools.run("weights", *options.split())
    assert code == 2 and err.count("\n") == 1 and said in err, (code, out, err)
    assert not (folder / "w.h5").exists()
