"""What users bring with them: a shell's variables, other paths to the same input, files of editors
and of other programs. Runs give the same bits and the same words."""

import os
import shutil

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, refused, running, same_bits, spoken
from tiers import some

# ---- the shell's variables ----

SUMS = dict(
    tokens_count=600,
    tokens_dim=24,
    layers_depth=2,
    mlp_width=200,
    mlp_activation="tanh",
    attention_type="softmax",
    output_file="run.h5",
    progress="off",
)


@pytest.fixture(scope="module")
def sums(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sums")
    chorale(["simulate"] + options(**SUMS), cwd=folder)
    return datasets(f"{folder}/run.h5")


VARIABLES = {
    "threads": dict(OMP_NUM_THREADS="4", OPENBLAS_NUM_THREADS="3"),
    "kernels": dict(OPENBLAS_CORETYPE="Haswell"),
    "nothing set": dict(OMP_NUM_THREADS=None, OPENBLAS_NUM_THREADS=None, OPENBLAS_CORETYPE=None),
    "old kernels": dict(OPENBLAS_CORETYPE="Prescott", OPENBLAS_BLOCK_FACTOR="2"),
    "libm": dict(GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX2_Usable,-FMA_Usable"),
    "other names": dict(OPENBLAS_NUM_THREADS=None, GOTO_NUM_THREADS="2", MKL_NUM_THREADS="2"),
    "PETSc": dict(PETSC_OPTIONS="-tokens_count 5 -mlp_width 7 -help"),
    "PETSc's decks": dict(PETSC_OPTIONS_YAML="tokens: {count: 5}"),
}


@pytest.mark.parametrize(
    "what, ranks",
    some(
        [("threads", 1), ("nothing set", 2), ("kernels", 1), ("libm", 1)],
        *[(what, ranks) for what in VARIABLES for ranks in (1, 2)],
    ),
)
def test_no_variable_of_the_shell_changes_a_bit(folder, sums, monkeypatch, what, ranks):
    """Nor says a word."""
    for name, value in VARIABLES[what].items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    done = chorale(["simulate"] + options(**SUMS), ranks, cwd=folder)
    assert not spoken(done), done
    assert not same_bits(sums, datasets("run.h5"))


# ---- contents decide ----

INPUT = dict(layers_depth=4, mlp_width=4, output_file="run.h5", progress="off")


def write_tokens(name, seed=1):
    tokens = np.random.default_rng(seed).normal(size=(16, 4))
    if name.endswith(".npy"):
        np.save(name, tokens)
    else:
        with h5py.File(name, "w") as file:
            file["tokens"] = tokens


def write_heads(name, seed=1):
    with h5py.File(name, "w") as file:
        for part in "QKV":
            file[f"heads/0/{part}"] = seed * np.eye(4)


KINDS = {
    "tokens, npy": (write_tokens, "in.npy", dict(tokens_init="file"), "tokens_file"),
    "tokens, HDF5": (write_tokens, "in.h5", dict(tokens_init="file"), "tokens_file"),
    "weights": (write_heads, "in.h5", dict(tokens_dim=4, tokens_count=16), "attention_weights"),
}


def move(name):
    os.mkdir("far")
    shutil.move(name, f"far/{name}")
    return f"far/{name}"


MOVES = {
    "the whole path": os.path.abspath,
    "moved": move,
    "a link": lambda name: os.symlink(name, f"link-{name}") or f"link-{name}",
    "a copy": lambda name: shutil.copy(name, f"copy-{name}"),
    "dots": lambda name: f"./././{name}",
}


@pytest.mark.parametrize(
    "kind, how",
    some(
        [("tokens, npy", "moved"), ("weights", "a link")],
        *[(kind, how) for kind in KINDS for how in MOVES],
    ),
)
def test_a_run_goes_on_with_the_same_contents_at_another_path(folder, kind, how):
    write, name, keys, key = KINDS[kind]
    write(name)

    def run(path, code, **more):
        words = ["simulate"] + options(**INPUT, **keys, **{key: path}, **more)
        done = chorale(words, cwd=folder, check=False)
        assert done.returncode == code, done
        return done

    run(name, 0, output_overwrite=True)
    whole = datasets("run.h5")
    run(name, 85, checkpoint_walltime=1e-9, output_overwrite=True)
    path = MOVES[how](name)
    run(path, 85, checkpoint_walltime=1e-9, checkpoint_resume=True)
    os.mkdir("other")
    write(f"other/{name}", 2)
    done = run(f"other/{name}", 2, checkpoint_resume=True)
    assert f"{key} = other/{name}: the file had other contents" in done.stderr, done
    run(path, 0, checkpoint_resume=True)
    assert not same_bits(whole, datasets("run.h5"))
    assert "nothing is left" in run(path, 0, checkpoint_resume=True).stdout


def test_results_are_merged_by_contents_too(folder):
    write_tokens("a.npy")
    shutil.copy("a.npy", "b.npy")
    write_tokens("c.npy", 2)
    for seed, name in enumerate("abc"):
        keys = dict(INPUT, tokens_init="file", tokens_file=f"{name}.npy", ensemble_seed=seed)
        chorale(["simulate"] + options(**{**keys, "output_file": f"{name}.h5"}), cwd=folder)
    words = ["merge", "-output_file", "ab.h5", "-merge_files"]
    chorale(words + ["a.h5,b.h5"], cwd=folder)
    words[2] = "ac.h5"
    refused(words + ["a.h5,c.h5"], "c.h5: its tokens_file had other contents", cwd=folder)


# ---- editors ----

DECK = "tokens: {count: 16}\nlayers: {depth: 2}\nmlp: {width: 4}\noutput: {attention: NO}\n"
TEXTS = {
    "CRLF": lambda deck: deck.replace("\n", "\r\n").encode(),
    "a BOM": lambda deck: b"\xef\xbb\xbf" + deck.encode(),
    "both": lambda deck: b"\xef\xbb\xbf" + deck.replace("\n", "\r\n").encode(),
    "UTF-16": lambda deck: deck.encode("utf-16"),
    "no end of line": lambda deck: deck.rstrip().encode(),
}


@pytest.mark.parametrize("what", TEXTS)
def test_decks_of_any_editor_are_read(folder, what):
    (folder / "deck.yaml").write_bytes(TEXTS[what](DECK))
    done = chorale(["simulate", "deck.yaml", "-dry_run"], cwd=folder)
    assert "* tokens_count                  16" in done.stdout, done.stdout


FLAGS = [(word, True) for word in ("True", "TRUE", "yes", "Yes", "on", "On", "1", "true")]
FLAGS += [(word, False) for word in ("False", "no", "NO", "off", "OFF", "0")]


def test_flags_have_the_words_of_yaml(folder):
    for word, value in FLAGS:
        (folder / "deck.yaml").write_text(f"dry_run: {word}\nprogress: off\ntokens: {{count: 5}}\n")
        words = ["simulate", "deck.yaml", "-output_file", "missing/x.h5"]
        done = chorale(words, cwd=folder, check=False)
        assert done.returncode == 2 and "no directory" in done.stderr, (word, value, done)
        done = chorale(["kernel", "-dry_run", word], cwd=folder)
        assert ("Parameters of study" in done.stdout) == value, (word, done.stdout)


@pytest.mark.parametrize(
    "before", ["", "# a\n", "# a\n# ß\n\n", "# a\r\n# b\r\n", "tokens:\n  count: 16\n\n\n"]
)
@pytest.mark.parametrize("wrong", [b"\xff", b"# caf\xe9", b"\xc3(", b"\x01"])
def test_an_encoding_error_names_its_line(folder, before, wrong):
    (folder / "deck.yaml").write_bytes(before.encode() + b"mlp: {width: 4} " + wrong + b"\nx: 1\n")
    line = before.count("\n") + 1
    refused(["simulate", "deck.yaml"], f"deck.yaml, line {line}: is not YAML", cwd=folder)


@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_table_that_a_spreadsheet_saved_is_replaced(folder, start, end):
    keys = dict(output_table="k.csv")
    chorale(["kernel"] + options(**keys), cwd=folder)
    text = (folder / "k.csv").read_text()
    (folder / "k.csv").write_bytes((start + text.replace("\n", end)).encode())
    chorale(["kernel"] + options(**keys), cwd=folder)
    assert (folder / "k.csv").read_text() == text


# ---- paths in decks ----


def test_a_deck_finds_its_files_beside_it(folder):
    """From any folder; as given from the current one first, of which it says so."""
    os.makedirs("decks/data")
    write_tokens("decks/data/in.npy", 1)
    (folder / "decks/deck.yaml").write_text(
        "tokens: {init: file, file: data/in.npy}\nlayers: {depth: 2}\nmlp: {width: 4}\n"
        "progress: off\noutput: {overwrite: yes}\n"
    )

    def run(deck, cwd="."):
        done = chorale(["simulate", deck, "-output_file", "x.h5"], cwd=os.path.abspath(cwd))
        with h5py.File(f"{cwd}/x.h5", "r") as file:
            return file["parameters"].attrs["tokens_file"].decode(), spoken(done)

    os.mkdir("else")
    assert run("decks/deck.yaml") == ("decks/data/in.npy", [])
    assert run("deck.yaml", "decks") == ("data/in.npy", [])
    assert run("../decks/deck.yaml", "else") == ("../decks/data/in.npy", [])
    whole = os.path.abspath("decks/deck.yaml")
    assert run(whole, "else") == (os.path.abspath("decks/data/in.npy"), [])
    os.makedirs("else/data")
    write_tokens("else/data/in.npy", 2)
    path, (line,) = run("../decks/deck.yaml", "else")
    assert path == "data/in.npy" and "not ../decks/data/in.npy beside the deck" in line, line
    os.remove("decks/data/in.npy")
    refused(["simulate", "decks/deck.yaml"], "tokens_file = data/in.npy: ", cwd=folder)


@pytest.mark.parametrize("deck", ["words", "trained"])
def test_decks_of_this_tree_work_from_anywhere(folder, deck):
    path = os.path.join(os.environ["CHORALE_SOURCE"], "input", f"{deck}.yaml")
    chorale(["simulate", path, "-dry_run", "-output_file", "x.h5"], cwd=folder)
    os.symlink(os.path.dirname(path), "input")
    chorale(["simulate", f"input/{deck}.yaml", "-dry_run"], cwd=folder)


# ---- HDF5 of other programs ----

X = np.round(np.random.default_rng(3).normal(size=(64, 4)), 1)


def dataset(**more):
    def write(name):
        with h5py.File(name, "w") as file:
            file.create_dataset("tokens", **{"data": X, **more})

    return write


def external(name):
    X.tofile("x.bin")
    with h5py.File(name, "w") as file:
        file.create_dataset("tokens", X.shape, "f8", external=[("x.bin", 0, X.nbytes)])


READABLE = {
    "lzf": dataset(compression="lzf", chunks=(64, 4)),
    "gzip, shuffle, checksum": dataset(compression="gzip", shuffle=True, fletcher32=True),
    "float16": dataset(data=X.astype("f2")),
    "big-endian": dataset(data=X.astype(">f8")),
    "big-endian float": dataset(data=X.astype(">f4")),
    "external": external,
    "compact": dataset(data=X.astype("f4"), chunks=None),
}


@pytest.mark.parametrize("what", READABLE)
def test_numbers_of_other_programs_are_read(folder, what):
    """To the bits of the same numbers in a .npy file, or refused with the reason: a filter may be
    missing here."""
    READABLE[what]("x.h5")
    with h5py.File("x.h5", "r") as file:
        np.save("x.npy", file["tokens"][()].astype("f8"))
    keys = dict(INPUT, tokens_init="file", output_overwrite=True)
    done = chorale(["simulate"] + options(**keys, tokens_file="x.h5"), cwd=folder, check=False)
    if what == "lzf" and done.returncode:
        assert "is compressed with lzf (filter 32000)" in done.stderr, done
        return
    assert done.returncode == 0 and not spoken(done), done
    found = datasets("run.h5")
    chorale(["simulate"] + options(**keys, tokens_file="x.npy"), cwd=folder)
    assert not same_bits(found, datasets("run.h5"))


def virtual(source):
    def write(name):
        with h5py.File("source.h5", "w") as file:
            file["t"] = X
        layout = h5py.VirtualLayout(shape=X.shape, dtype="f8")
        layout[:] = h5py.VirtualSource(source, "t", shape=X.shape)
        with h5py.File(name, "w") as file:
            file.create_virtual_dataset("tokens", layout)

    return write


def lost(name):
    with h5py.File(name, "w") as file:
        file.create_dataset("tokens", X.shape, "f8", external=[("gone.bin", 0, X.nbytes)])


def structured(name):
    fields = np.zeros(X.shape, [("a", "f8"), ("b", "f8")])
    dataset(data=fields)(name)


UNREADABLE = {
    "virtual": (virtual("source.h5"), "is virtual"),
    "virtual without its source": (virtual("gone.h5"), "is virtual.*gone.h5"),
    "external without its file": (lost, "gone.bin"),
    "structured": (structured, "must hold floating-point numbers"),
    "complex": (dataset(data=X + 1j), "must hold floating-point numbers"),
    "integers": (dataset(data=X.astype("i4")), "must hold floating-point numbers"),
    "texts": (dataset(data=X.astype("S8")), "must hold floating-point numbers"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_numbers_that_cannot_be_read_are_refused_with_the_reason(folder, what):
    write, message = UNREADABLE[what]
    write("x.h5")
    words = ["simulate"] + options(**INPUT, tokens_init="file", tokens_file="x.h5")
    refused(words, f"tokens_file = x.h5: .*{message}", cwd=folder)


def matlab(shape, name="tokens"):
    with h5py.File("x.h5", "w") as file:
        file[name] = np.random.default_rng(1).normal(size=shape)
        file[name].attrs["MATLAB_class"] = np.bytes_("double")


@pytest.mark.parametrize(
    "shape, mark, warned",
    [((4, 64), True, True), ((8, 8), True, True), ((4, 64), False, True), ((64, 4), False, False)],
)
def test_transposed_tokens_are_warned_of(folder, shape, mark, warned):
    matlab(shape)
    if not mark:
        with h5py.File("x.h5", "r+") as file:
            del file["tokens"].attrs["MATLAB_class"]
    words = ["simulate"] + options(**INPUT, tokens_init="file", tokens_file="x.h5")
    lines = spoken(chorale(words, cwd=folder))
    assert len(lines) == warned and all("transposed" in line for line in lines), lines
    if not mark:
        words += options(tokens_dim=shape[1], output_overwrite=True)
        assert spoken(chorale(words, cwd=folder)) == []


# ---- ends ----

RUN = dict(tokens_count=16, layers_depth=6, mlp_width=4, output_file="run.h5", progress="off")


def test_a_run_that_does_not_come_to_its_start_answers_signals(folder):
    """As one that reads a file which does not answer: the hook holds it while it is set up."""
    with running(["simulate"] + options(**RUN), cwd=folder, hook="setup 1 0 wait=go") as run:
        os.kill(run.wait_until_held("go"), 15)
        assert run.end().returncode == -15
    assert sorted(os.listdir(".")) == ["go.0"]


@pytest.mark.parametrize(
    "seconds, keys, lost",
    [
        (5, {}, "up to 605 s"),
        (5, dict(checkpoint_every=3), "up to 15 s"),
        (5, dict(checkpoint_interval=7, checkpoint_every=100), "up to 12 s"),
        (5, dict(checkpoint_interval=0), "all that is done"),
        (0, {}, None),
    ],
)
def test_a_step_longer_than_mpiruns_grace_is_said(folder, seconds, keys, lost):
    hook = f"0 2 0 clock={seconds}"
    done = chorale(["simulate"] + options(**RUN, **keys), 2, cwd=folder, hook=hook)
    said = f"a step takes 5 s, and mpirun kills 1 s after SIGTERM: that would lose {lost};"
    assert (said in done.stdout) == (lost is not None), done
    assert ("after SIGTERM" in done.stdout) == (lost is not None), done


def test_the_failure_of_a_single_rank_is_one_line(folder):
    os.makedirs("run/checkpoint.tmp.h5")
    done = chorale(["simulate"] + options(**RUN, checkpoint_every=1), cwd=folder, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1, done
    assert done.stderr.startswith("chorale: error: "), done
