"""Bad input, from the outside: whatever is wrong with a command line, a deck or a file that it
names, chorale says so in one line on stderr that names the key, exits with 2, leaves no file behind
and does not hang, at any number of ranks. Also: -help, --version, precedence of decks and options,
and that the environment cannot add options."""

import os
import re
import subprocess

import h5py
import numpy as np
import pytest
from run import CHORALE, TIMEOUT, chorale, own_lines

KEYS = {
    "simulate": """
        tokens_count tokens_dim tokens_init tokens_kappa tokens_clusters tokens_harmonic
        tokens_amplitude tokens_cosine tokens_file tokens_dataset tokens_frame layers_depth
        layers_horizon
        layers_adaptive attention_type attention_mask attention_beta attention_value
        attention_weights attention_heads attention_head_dim attention_random_value
        attention_engine attention_tol attention_sinkhorn_iterations attention_sinkhorn_tol
        energy_beta mlp_activation mlp_width mlp_weights mlp_bias_u mlp_bias_w noise_type
        noise_degree noise_tol noise_at noise_independent scheme_type scheme_norm scheme_alpha
        scheme_levels scheme_samples
        ensemble_realizations ensemble_seed ensemble_groups ensemble_target
        ensemble_control output_file output_overwrite output_every output_log
        output_trajectories output_precision
        output_compress output_table output_modes output_radius output_clusters output_attention
        checkpoint_every checkpoint_interval checkpoint_resume checkpoint_walltime
        checkpoint_patience checkpoint_stop_file checkpoint_keep progress dry_run dry_ranks
        dry_latency dry_bandwidth verbose
    """.split(),
    "kernel": """
        tokens_dim attention_beta attention_value mlp_activation mlp_bias_u mlp_bias_w
        kernel_bias kernel_degree kernel_spectrum kernel_moments kernel_growth kernel_values
        output_table dry_run verbose
    """.split(),
    "analyze": """
        attention_beta attention_engine attention_tol energy_beta ensemble_groups output_file
        output_overwrite output_table output_modes output_clusters output_attention analyze_file
        analyze_first analyze_last analyze_every analyze_distance analyze_other
        analyze_transport analyze_pairs analyze_coordinates analyze_bins distance_tol
        progress dry_run verbose
    """.split(),
}

# Options after which a run would be quick if the mistake under test were overlooked.
SMALL = "-layers_depth 2 -mlp_width 8 -progress off"


def write_files(d):
    """What the cases name."""
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(16, 3))
    np.save(d + "/good.npy", rows)
    zero, nan, inf = rows.copy(), rows.copy(), rows.copy()
    zero[7], nan[3, 1], inf[15, 0] = 0, np.nan, np.inf
    np.save(d + "/zero.npy", zero)
    np.save(d + "/nan.npy", nan)
    np.save(d + "/inf.npy", inf)
    np.save(d + "/cube.npy", rng.normal(size=(4, 4, 4)))
    np.save(d + "/line.npy", rng.normal(size=16))
    np.save(d + "/column.npy", rng.normal(size=(16, 1)))
    np.save(d + "/eleven.npy", rng.normal(size=(11, 5)))
    np.save(d + "/empty.npy", np.zeros((0, 3)))
    np.save(d + "/words.npy", np.array([["a", "b"], ["c", "d"]]))
    np.save(d + "/integers.npy", np.arange(6).reshape(3, 2))
    with open(d + "/good.npy", "rb") as f:
        whole = f.read()
    with open(d + "/short.npy", "wb") as f:
        f.write(whole[:-100])
    with h5py.File(d + "/tokens.h5", "w") as f:
        f["tokens"] = rows
        f["nan"] = nan
        f["zero"] = zero
        f["cube"] = rng.normal(size=(4, 4, 4))
        f["words"] = np.array([[b"a", b"b"], [b"c", b"d"]])
        f["group/tokens"] = rows
    with open(d + "/tokens.h5", "rb") as f:
        whole = f.read()
    with open(d + "/truncated.h5", "wb") as f:
        f.write(whole[: len(whole) // 2])
    with open(d + "/garbage.h5", "wb") as f:
        f.write(rng.bytes(5000))
    with open(d + "/garbage.yaml", "wb") as f:
        f.write(rng.bytes(5000))
    with open(d + "/huge.yaml", "wb") as f:
        f.truncate(100 << 20)
    for name, heads in {
        "shape": {"0": {"Q": np.eye(3), "K": np.eye(4), "V": np.eye(3)}},
        "missing": {"0": {"Q": np.eye(3), "K": np.eye(3)}},
        "nan": {"0": {"Q": np.eye(3), "K": np.eye(3), "V": np.eye(3) * np.nan}},
        "none": {},
    }.items():
        with h5py.File(f"{d}/weights-{name}.h5", "w") as f:
            f.create_group("heads")
            for h, matrices in heads.items():
                for m, value in matrices.items():
                    f[f"heads/{h}/{m}"] = value
    with h5py.File(d + "/weights-no-heads.h5", "w") as f:
        f["Q"] = np.eye(3)


# (study and options, deck or None, what the line must name). A case runs in a directory that holds
# the files.
OPTIONS = [
    ("", None, "study"),
    ("simulat", None, "simulat"),
    ("-tokens_count 5", None, "-tokens_count"),
    ("deck.yaml", "tokens: {count: 5}", "deck.yaml"),
    ("simulate -tokens_count", None, "tokens_count"),
    ("simulate -tokens_count -tokens_dim 3", None, "tokens_count"),
    ("simulate -tokens_count -3", None, "tokens_count = -3"),
    ("simulate -tokens_count 0", None, "tokens_count = 0"),
    ("simulate -tokens_count 6.5", None, "tokens_count = 6.5"),
    ("simulate -tokens_count 1e2", None, "tokens_count = 1e2"),
    ("simulate -tokens_count abc", None, "tokens_count = abc"),
    ("simulate -tokens_count 99999999999999999999", None, "tokens_count"),
    ("simulate -tokens_count 10000000000", None, "tokens_count"),
    ("simulate -tokens_count 8,8.5", None, "tokens_count = 8,8.5"),
    ("simulate -tokens_count=5", None, "tokens_count"),
    ("simulate --tokens_count 5", None, "tokens_count"),
    ("simulate -token_count 5", None, "did you mean tokens_count"),
    ("simulate -Tokens_Count 5", None, "did you mean tokens_count"),
    ("simulate -count 5", None, "did you mean tokens_count"),
    ("simulate -tokens 5", None, "tokens_count"),
    ("simulate -ksp_type cg", None, "ksp_type"),
    ("simulate -options_file deck.yaml", "tokens: {count: 5}", "options_file"),
    ("simulate -kernel_bias 0", None, "not a key of study simulate"),
    ("simulate -tokens_count 5 deck.yaml", "tokens: {count: 5}", "deck.yaml"),
    ("simulate -output_overwrite foo", None, "foo"),
    ("simulate -dry_run deck.yaml", "tokens: {count: 5}", "deck.yaml"),
    ("simulate -", None, "-"),
    ("simulate -tokens_dim 1", None, "tokens_dim = 1"),
    ("simulate -tokens_init gaussian", None, "tokens_init = gaussian"),
    ("simulate -tokens_kappa 0", None, "tokens_kappa"),
    ("simulate -layers_depth 0", None, "layers_depth"),
    ("simulate -layers_horizon -1", None, "layers_horizon"),
    ("simulate -layers_horizon nan", None, "layers_horizon"),
    ("simulate -attention_type linear", None, "attention_type"),
    ("simulate -attention_engine moment", None, "attention_engine"),
    ("simulate -attention_tol 1e-15", None, "attention_tol"),
    ("simulate -attention_tol 0.2", None, "attention_tol"),
    ("simulate -attention_sinkhorn_iterations 0", None, "attention_sinkhorn_iterations"),
    ("simulate -attention_sinkhorn_tol 0", None, "attention_sinkhorn_tol"),
    (
        "simulate -tokens_dim 6 -attention_beta 50 -attention_engine moments",
        None,
        "attention_engine",
    ),
    (
        "simulate -attention_type sinkhorn -attention_mask causal",
        None,
        "attention_mask",
    ),
    ("simulate -attention_beta 10001", None, "attention_beta"),
    ("simulate -attention_beta 1000 -attention_type usa", None, "attention_beta"),
    (
        "simulate -tokens_dim 3 -attention_beta 1000 -attention_engine moments",
        None,
        "attention_engine",
    ),
    ("simulate -energy_beta 0", None, "energy_beta"),
    ("simulate -energy_beta 1,-2", None, "energy_beta"),
    (
        "simulate -tokens_dim 3 -energy_beta 1000 -attention_engine moments",
        None,
        "energy_beta = 1000",
    ),
    ("sync -energy_beta 1,701", None, "energy_beta"),
    ("sync -energy_beta 1,2,x", None, "energy_beta"),
    ("sync -energy_beta 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", None, "energy_beta"),
    ("sync -energy_beta 2 -sync_starts 3", None, "energy_beta"),
    ("sync -energy_beta 1,2 -sync_map", None, "energy_beta"),
    ("spde -tokens_dim 2 -energy_beta 800", None, "energy_beta"),
    ("limits -energy_beta 2", None, "energy_beta"),
    ("chaos -energy_beta 2", None, "energy_beta"),
    ("simulate -attention_value inf", None, "attention_value"),
    ("simulate -attention_value 0x10", None, "attention_value"),
    ("simulate -mlp_activation swish", None, "mlp_activation"),
    ("simulate -mlp_weights cauchy", None, "mlp_weights"),
    ("simulate -mlp_weights uniform -noise_type gram", None, "mlp_weights"),
    ("limits -mlp_weights uniform -mlp_width 8", None, "mlp_weights"),
    ("limits -mlp_weights uniform -mlp_width inf", None, "mlp_weights"),
    ("simulate -mlp_bias_u -0.1", None, "mlp_bias_u"),
    ("simulate -noise_type harmonics", None, "noise_type"),
    (
        "simulate -scheme_type euler -noise_type spectral -layers_depth 2 -layers_horizon 50",
        None,
        "scheme_type = euler: the step",
    ),
    (
        "sync -dry_run -scheme_type euler -noise_type gram -layers_depth 2 -layers_horizon 50",
        None,
        "scheme_type = euler: the step",
    ),
    ("simulate -output_file -h", None, "output_file: has no value"),
    ("simulate -layers_depth 40000000", None, "output_every = 1"),
    ("simulate -scheme_type milstein", None, "scheme_type"),
    ("simulate -ensemble_realizations 0", None, "ensemble_realizations"),
    ("simulate -ensemble_seed -1", None, "ensemble_seed"),
    ("simulate -ensemble_groups 2", None, "ensemble_groups"),
    ("simulate -ensemble_groups many", None, "ensemble_groups"),
    ("simulate -output_compress 10", None, "output_compress"),
    ("simulate -output_precision half", None, "output_precision"),
    ("simulate -output_trajectories 2", None, "output_trajectories"),
    ("simulate -progress never", None, "progress"),
    ("kernel -tokens_count 5", None, "tokens_count"),
    ("kernel -tokens_dim 2,1", None, "tokens_dim = 2,1"),
    ("kernel -tokens_dim 2,", None, "tokens_dim"),
    ("kernel -mlp_activation relu,swish", None, "mlp_activation"),
    ("kernel -attention_beta 1,0", None, "attention_beta"),
    ("kernel -kernel_bias -1", None, "kernel_bias"),
    ("kernel -kernel_degree 2,3", None, "kernel_degree"),
    ("kernel -mlp_bias_u 0,-1", None, "mlp_bias_u"),
    ("sync -sync_map -kernel_moments 2,0", None, "kernel_moments = 0"),
]

DECKS = [
    ("simulate missing.yaml", None, "missing.yaml"),
    ("simulate .", None, ": ."),
    ("simulate garbage.yaml", None, "garbage.yaml"),
    ("simulate huge.yaml", None, "huge.yaml"),
    ("simulate tokens.h5", None, "tokens.h5"),
    ("simulate /dev/zero", None, "/dev/zero"),
    ("simulate deck.yaml missing.yaml", "tokens: {count: 5}", "missing.yaml"),
    ("simulate deck.yaml", "tokens: {count: 5", "deck.yaml"),
    ("simulate deck.yaml", "tokens:\n\tcount: 5\n", "deck.yaml"),
    ("simulate deck.yaml", "tokens: {count: 5}\n--- \ntokens: {count: 6}\n", "deck.yaml"),
    ("simulate deck.yaml", "- tokens_count\n- 5\n", "deck.yaml"),
    ("simulate deck.yaml", "hello\n", "deck.yaml"),
    ("simulate deck.yaml", "token: {count: 5}\n", "did you mean tokens_count"),
    ("simulate deck.yaml", "tokens: {cuont: 5}\n", "did you mean tokens_count"),
    ("simulate deck.yaml", "tokens: {count: {a: 1}}\n", "tokens_count_a"),
    ("simulate deck.yaml", "tokens: 5\n", "tokens = 5"),
    ("simulate deck.yaml", "tokens:\n", "tokens"),
    ("simulate deck.yaml", "tokens: {count: ~}\n", "tokens_count"),
    ("simulate deck.yaml", "tokens: {count: [5, 5]}\n", "tokens_count"),
    ("simulate deck.yaml", "tokens: {count: [[5]]}\n", "tokens_count"),
    ("simulate deck.yaml", "tokens: {count: 5, count: 6}\n", "tokens_count"),
    ("simulate deck.yaml", "tokens: {count: 5}\ntokens_count: 6\n", "tokens_count"),
    ("simulate deck.yaml", "tokens: {count: 5}\nlayers: {depth: 1}\ntokens: {dim: 3}\n", "tokens"),
    ("simulate deck.yaml", "tokens: &t {count: 5}\n", "deck.yaml"),
    ("simulate deck.yaml", "tokens: {count: .nan}\n", "tokens_count"),
    ("simulate deck.yaml", "layers: {horizon: .inf}\n", "layers_horizon"),
    ("simulate deck.yaml", "output: {overwrite: maybe}\n", "output_overwrite"),
    ("simulate deck.yaml", 'output: {file: ""}\n', "output_file"),
    ("simulate deck.yaml", 'tokens: {init: "a\\nb"}\n', "tokens_init"),
    ("simulate deck.yaml", "log_view: yes\n", "log_view"),
    ("simulate deck.yaml", "tokens: {count: 5}\n" + 'x: "' + "y" * 100000 + '"\n', "deck.yaml"),
    ("simulate deck.yaml -tokens_count 7", "tokens: {count: none}\n", "tokens_count"),
    ("simulate deck.yaml", "kernel: {degree: 3}\n", "kernel_degree"),
    ("kernel deck.yaml", "tokens: {dim: [2, x]}\n", "tokens_dim"),
    ("kernel deck.yaml", "tokens: {dim: []}\n", "tokens_dim"),
    ("kernel deck.yaml", "mlp: {activation: [relu, {a: b}]}\n", "mlp_activation"),
]

# Found by the objects that read the files.
FILES = [
    ("simulate -tokens_init file", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file missing.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file missing.h5", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file .", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file garbage.h5", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file truncated.h5", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file short.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file zero.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file nan.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file inf.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file cube.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file line.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file column.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file empty.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file words.npy", None, "tokens_file"),
    ("simulate -tokens_init file -tokens_file integers.npy", None, "tokens_file"),
    (
        "simulate -tokens_init file -tokens_file good.npy -tokens_count 17",
        None,
        "tokens_count = 17",
    ),
    ("simulate -tokens_init file -tokens_file good.npy -tokens_dim 4", None, "tokens_dim = 4"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset other", None, "tokens_"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset group", None, "tokens_"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset cube", None, "tokens_"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset words", None, "tokens_"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset nan", None, "tokens_"),
    ("simulate -tokens_init file -tokens_file tokens.h5 -tokens_dataset zero", None, "tokens_"),
    ("simulate -tokens_init quadrature -tokens_dim 3 -tokens_count 17", None, "tokens_count"),
    ("simulate -tokens_init quadrature -tokens_dim 4", None, "tokens_"),
    ("simulate -attention_weights missing.h5", None, "attention_weights"),
    ("simulate -attention_weights garbage.h5", None, "attention_weights"),
    ("simulate -attention_weights weights-shape.h5", None, "attention_weights"),
    ("simulate -attention_weights weights-missing.h5", None, "attention_weights"),
    ("simulate -attention_weights weights-nan.h5", None, "attention_weights"),
    ("simulate -attention_weights weights-none.h5", None, "attention_weights"),
    ("simulate -attention_weights weights-no-heads.h5", None, "attention_weights"),
    ("simulate -output_file tokens.h5", None, "output_file"),
    ("simulate -output_file missing/out.h5", None, "output_file"),
    ("simulate -output_file good.npy/out.h5 -output_overwrite", None, "output_file"),
    ("simulate -output_file . -output_overwrite", None, "output_file"),
    ("simulate -output_table missing/table.csv", None, "output_table"),
    ("simulate -output_table good.npy/table.csv", None, "output_table"),
    ("kernel -output_table missing/table.csv", None, "output_table"),
    ("kernel -output_table .", None, "output_table"),
    (
        "simulate -output_file out.h5 -output_table ./out.h5",
        None,
        "output_file = out.h5: is also the output_table",
    ),
    (
        "simulate -output_overwrite -output_file tokens.h5 "
        "-tokens_init file -tokens_file ./tokens.h5",
        None,
        "is also the tokens_file",
    ),
]

# A directory that cannot be written may show at run time only.
RUNTIME = [
    ("simulate -output_file /proc/out.h5", None, "/proc"),
    ("simulate -output_table /proc/out.csv", None, "output_table"),
    ("kernel -output_table /proc/out.csv", None, "output_table"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Where they lie, written once."""
    folder = tmp_path_factory.mktemp("files")
    write_files(str(folder))
    return folder


def snapshot(folder):
    found = {}
    for base, _, names in os.walk(folder):
        for name in names:
            status = os.stat(os.path.join(base, name))
            found[os.path.join(base, name)] = (status.st_size, status.st_mtime_ns)
    return found


def expect_refusal(folder, files, case, ranks, codes=(2,)):
    """One line of chorale that names what is wrong, an exit code, and no file touched."""
    line, deck, name = case
    for entry in os.listdir(files):
        os.link(files / entry, folder / entry)
    if deck is not None:
        (folder / "deck.yaml").write_text(deck, encoding="utf-8")
    words = line.split()
    if words[:1] == ["simulate"] and case in FILES + RUNTIME:
        words += SMALL.split()
    before = snapshot(folder)
    done = chorale(words, ranks=ranks, check=False)
    lines = own_lines(done.stderr)
    assert done.returncode in codes, (done.returncode, lines)
    assert len(lines) == 1 and lines[0].startswith("chorale: "), lines
    assert name in lines[0] and len(lines[0]) <= 400, lines
    after = snapshot(folder)
    assert after == before, sorted(set(after.items()) ^ set(before.items()))


def name_of(case):
    line, deck, _ = case
    return line if deck is None else f"{line} < {deck[:40]!r}"


CASES = OPTIONS + DECKS + FILES
# The checks of options are the same on all ranks, so every third of them runs on several too, and
# so does all that looks at files.
SHARED = [case for i, case in enumerate(CASES) if i % 3 == 0 or case in FILES]
SAMPLE = SHARED[5::20]


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_bad_input_is_refused_in_one_line(folder, files, case):
    expect_refusal(folder, files, case, 1)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=() if case in SAMPLE else pytest.mark.full) for case in SHARED],
    ids=name_of,
)
def test_bad_input_is_refused_in_one_line_at_three_ranks(folder, files, case):
    expect_refusal(folder, files, case, 3)


@pytest.mark.parametrize("ranks", (1, 3))
@pytest.mark.parametrize("case", RUNTIME, ids=name_of)
def test_a_folder_that_cannot_be_written_is_told_in_one_line(folder, files, case, ranks):
    expect_refusal(folder, files, case, ranks, codes=(1, 2))


def answer(folder, words, ranks=1, **variables):
    """What chorale says to a question: on stdout alone, and without touching a file."""
    texts = {
        "a.yaml": "tokens: {count: 10, dim: 4}\nmlp_width: 20\n",
        "b.yaml": "tokens:\n  count: 11\n",
        "empty.yaml": "",
        ".petscrc": "-tokens_count 77\n-help\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    before = snapshot(folder)
    home = dict(HOME=str(folder)) if variables or ranks > 1 else {}
    done = chorale(words.split(), ranks=ranks, check=False, **home, **variables)
    assert done.returncode == 0 and own_lines(done.stderr) == [], (done.returncode, done.stderr)
    assert snapshot(folder) == before
    return done.stdout


def test_help_lists_every_study_once(folder):
    usage = answer(folder, "--help", ranks=2)
    for study in KEYS:
        assert usage.count(f"\n  {study} ") == 1, study
    assert "Exit code" in usage and "-help" in usage, usage


def test_version_names_the_libraries(folder):
    version = answer(folder, "--version", ranks=2)
    for word in ("chorale ", "revision", "compiler", "flags", "petsc", "mpi", "hdf5"):
        assert re.search(f"(^|\n|  ){word}", version), word


@pytest.mark.parametrize(
    "study, option, ranks",
    [(study, option, 1) for study in KEYS for option in ("-help", "--help")]
    + [("simulate", "-help", 2), ("kernel", "--help", 3)],
)
def test_help_of_a_study_lists_its_keys(folder, study, option, ranks):
    text = answer(folder, f"{study} {option}", ranks)
    listed = re.findall(r"^-(\w+)", text, re.M)
    assert sorted(listed) == sorted(KEYS[study])
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("launcher", ((), ("mpirun", "-n", "2")))
def test_help_ends_quietly_when_its_reader_has_seen_enough(launcher):
    """mpirun has words of its own for it, and may even crash."""
    words = ["bash", "-c", '"$@" | head -n 1', "bash", *launcher, CHORALE, "simulate", "-help"]
    done = subprocess.run(words, timeout=TIMEOUT, capture_output=True, text=True, check=False)
    said = own_lines(done.stderr)
    if launcher:
        said = [line for line in said if "chorale" in line or "ERROR" in line]
    assert done.stdout.startswith("chorale simulate") and said == [], done.stderr


def parameters(folder, words, **variables):
    """What a dry run says of its keys."""
    text = answer(folder, words + " -dry_run", **variables)
    return dict(re.findall(r"^[* ] (\w+) +(\S+)", text, re.M))


def expect_keys(found, **keys):
    assert {key: found.get(key) for key in keys} == {key: str(keys[key]) for key in keys}


def test_later_decks_and_options_win(folder):
    found = parameters(folder, "simulate a.yaml b.yaml empty.yaml -mlp_width 22 -mlp_width 23")
    expect_keys(found, tokens_count=11, tokens_dim=4, mlp_width=23, layers_depth=150)


def test_a_file_of_tokens_gives_their_number_and_dimension(folder, files):
    """For the results and their deck."""
    found = parameters(folder, f"simulate -tokens_init file -tokens_file {files}/eleven.npy")
    expect_keys(found, tokens_count=11, tokens_dim=5)


def test_the_environment_cannot_add_options(folder):
    variables = dict(
        PETSC_OPTIONS="-tokens_count 5 -ksp_foo bar -help", PETSC_OPTIONS_YAML="tokens: {dim: 9}"
    )
    expect_keys(parameters(folder, "simulate", **variables), tokens_count=64, tokens_dim=3)
