"""Study analyze: what it makes of recorded trajectories against what simulate recorded (bit for
bit), numpy and scipy, at any number of ranks; partial files; bad inputs."""

import os
import re
import shutil
import signal

import h5py
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment, linprog

from run import chorale, datasets, options, refused, running, same_bits, table, without

OBSERVABLES = ("energy", "order", "cosine_mean", "cosine_hist", "nematic", "clusters")
COMMON = dict(
    layers_depth=10,
    layers_horizon=1.5,
    mlp_width=32,
    ensemble_realizations=2,
    output_trajectories=2,
    output_every=2,
    progress="off",
)
STEPS = [0, 2, 4, 6, 8, 10]
# several blocks on the circle; weights of a rule on the sphere; few tokens in many dimensions
RUNS = {
    "circle": dict(tokens_dim=2, tokens_count=520, attention_beta=3),
    "sphere": dict(
        tokens_dim=3,
        tokens_count=50,
        tokens_init="quadrature",
        attention_type="usa",
        attention_value=0.5,
    ),
    "seven": dict(
        tokens_dim=7,
        tokens_count=40,
        attention_type="l2",
        attention_engine="direct",
        output_compress=3,
    ),
}
ASKED = {
    "circle": dict(analyze_distance="previous", analyze_pairs=True),
    "sphere": dict(analyze_distance="first", analyze_coordinates=True, analyze_bins=16),
    "seven": dict(
        analyze_distance="other",
        analyze_other="other.h5",
        analyze_pairs=True,
        analyze_coordinates=True,
        analyze_bins=10,
    ),
}
cases = pytest.mark.parametrize("name", RUNS)


def simulate(cwd=None, **more):
    return chorale(["simulate"] + options(**{**COMMON, **more}), cwd=cwd)


def analyze(ranks=1, cwd=None, **more):
    words = {"analyze_file": "simulate.h5", "output_overwrite": True, "progress": "off", **more}
    return chorale(["analyze"] + options(**words), ranks, cwd)


def positions(path):
    """x[realization][frame][token][component] and the weights."""
    with h5py.File(path, "r") as file:
        groups = [file[f"particles/{name}"] for name in sorted(file["particles"])]
        x = np.array([group["position/value"][()] for group in groups])
        uniform = np.full(x.shape[2], 1 / x.shape[2])
        return x, groups[0]["mass"][()] if "mass" in groups[0] else uniform


@pytest.fixture(scope="module", name="recorded")
def recorded_runs(tmp_path_factory):
    """{case: folder} with simulate.h5, other.h5 of another seed, and analyze.h5 and table.csv by
    one rank."""
    top = tmp_path_factory.mktemp("analyze")
    for name, keys in RUNS.items():
        cwd = top / name
        cwd.mkdir()
        simulate(cwd, **keys)
        simulate(cwd, **keys, ensemble_seed=9, output_file="other.h5")
        analyze(cwd=cwd, output_table="table.csv", **ASKED[name])
    return {name: top / name for name in RUNS}


# ---- against what was recorded, numpy and scipy ----


@cases
def test_observables_are_bit_for_bit_those_that_simulate_recorded(recorded, name):
    before, after = datasets(recorded[name] / "simulate.h5"), datasets(
        recorded[name] / "analyze.h5"
    )
    for observable in OBSERVABLES:
        paths = [f"observables/{observable}/{what}" for what in ("value", "step", "time")]
        for path in paths + [f"ensemble/{observable}/{what}" for what in ("mean", "sem")]:
            assert after[path].tobytes() == before[path].tobytes(), path


def check_bits(cwd, name, layouts):
    """Every (ranks, further keys) makes the bits of one rank."""
    one = datasets(cwd / "analyze.h5")
    for ranks, more in layouts:
        analyze(ranks, cwd, output_file="again.h5", output_table="again.csv", **ASKED[name], **more)
        assert same_bits(one, datasets(cwd / "again.h5")) == [], ranks


@cases
def test_three_ranks_have_the_bits_of_one(recorded, name):
    check_bits(recorded[name], name, [(3, {})])


@pytest.mark.full
@cases
def test_two_and_four_ranks_have_the_bits_of_one(recorded, name):
    check_bits(recorded[name], name, [(2, {}), (4, dict(ensemble_groups=1))])


def mmd2(x, y, w, beta):
    v, both = np.concatenate([w, -w]), np.concatenate([x, y])
    return v @ np.exp(beta * both @ both.T) @ v


def transport(x, y, w):
    """W2^2 by an assignment, or by a linear program where weights differ."""
    cost = 2 - 2 * np.clip(x @ y.T, -1, 1)
    if np.ptp(w) == 0:
        rows, columns = linear_sum_assignment(cost)
        return ((x[rows] - y[columns]) ** 2).sum(axis=1).mean()
    n = len(w)
    marginals = [np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))]
    A, b = np.concatenate(marginals), np.concatenate([w, w])
    return linprog(cost.ravel(), A_eq=A, b_eq=b).fun


@cases
def test_distances_are_those_of_numpy_and_scipy(recorded, name):
    values = datasets(recorded[name] / "analyze.h5")
    x, w = positions(recorded[name] / "simulate.h5")
    other, _ = positions(recorded[name] / "other.h5")
    beta = RUNS[name].get("attention_beta", 1)
    assert (np.ptp(w) > 0) == (name == "sphere")
    for r, f in np.ndindex(2, len(STEPS)):
        w2sq, mmd = (values[f"observables/{key}/value"][f, r] for key in ("w2sq", "mmd2"))
        if name == "circle" and f == 0:  # there is no frame before
            assert np.isnan(w2sq) and np.isnan(mmd)
            continue
        low, high = values["observables/w2sq_bounds/value"][f, r]
        assert w2sq == high and 0 <= high - low <= 1e-4 * high, (low, high)
        to = {"circle": x[r, f - 1], "sphere": x[r, 0], "seven": other[r, f]}[name]
        assert abs(mmd - mmd2(x[r, f], to, w, beta)) < 1e-13 * np.exp(beta), (r, f)
        if f in (1 + r, 5):  # slow in scipy
            exact = transport(x[r, f], to, w)
            allowed = 1e-9 if name == "sphere" else 1e-12  # of the linear program
            assert low - allowed <= exact <= high + allowed, (r, f, low, exact, high)


def test_a_wider_tolerance_still_has_the_value_between_its_ends(recorded):
    cwd = recorded["seven"]
    fine = datasets(cwd / "analyze.h5")["observables/w2sq/value"]
    keys = dict(ASKED["seven"], distance_tol=0.2, output_file="coarse.h5")
    analyze(cwd=cwd, **keys)
    bounds = datasets(cwd / "coarse.h5")["observables/w2sq_bounds/value"]
    low, high = bounds[..., 0], bounds[..., 1]
    assert (high - low <= 0.2 * high).all()
    assert (low <= fine * (1 + 1e-12)).all() and (fine * (1 - 1e-4) <= high).all()


def place(cosine, bins):
    return np.clip(np.floor((cosine + 1) * bins / 2).astype(int), 0, bins - 1)


@cases
def test_histograms_are_those_of_numpy(recorded, name):
    values = datasets(recorded[name] / "analyze.h5")
    x, w = positions(recorded[name] / "simulate.h5")
    bins = ASKED[name].get("analyze_bins", 64)
    for r, f in np.ndindex(2, len(STEPS)):
        if "analyze_pairs" in ASKED[name]:
            cosine = (x[r, f] @ x[r, f].T)[np.triu_indices(len(w), 1)]
            expected = np.bincount(place(cosine, bins), minlength=bins) / len(cosine)
            # another order of sums may carry a cosine on an edge over it
            off = np.abs(values["observables/pair_hist/value"][f, r] - expected).max()
            assert off <= 2.5 / len(cosine)
        if "analyze_coordinates" in ASKED[name]:
            columns = [np.bincount(place(c, bins), weights=w, minlength=bins) for c in x[r, f].T]
            found = values["observables/coordinate_hist/value"][f, r].reshape(-1, bins)
            assert np.abs(found - columns).max() < 1e-14
    if name == "circle":  # the same pairs by other code
        same = values["observables/cosine_hist/value"].tobytes()
        assert values["observables/pair_hist/value"].tobytes() == same


# ---- the file ----


@cases
def test_the_file_holds_means_the_table_and_where_it_is_from(recorded, name):
    with h5py.File(recorded[name] / "analyze.h5", "r") as file:
        for observable, group in file["observables"].items():
            value = group["value"][()]
            assert group["value"].attrs["unit"] and group["value"].attrs["description"]
            assert list(group["step"]) == STEPS
            assert np.allclose(group["time"], np.array(STEPS) * 0.15)
            mean, sem = (file[f"ensemble/{observable}/{what}"][()] for what in ("mean", "sem"))
            assert np.array_equal(mean, value.mean(axis=1), equal_nan=True)
            known = ~np.isnan(mean)
            half = np.abs(value[:, 0] - value[:, 1])[known] / 2
            assert np.allclose(sem[known], half, rtol=1e-10, atol=1e-15)
        rows = table(recorded[name] / "table.csv")
        named = ("energy", "order", "cosine", "w2sq", "mmd2")
        columns = ["step", "time"] + [f"{what}_{of}" for what in named for of in ("mean", "sem")]
        assert list(rows[0]) == columns and sorted(file["study/analyze"]) == sorted(columns)
        for column in columns:
            cells = np.array([float(row[column] or "nan") for row in rows])
            assert np.array_equal(
                cells, file[f"study/analyze/{column}"][()], equal_nan=True
            ), column
        assert "deck" in file["parameters"] and "command_line" in file["provenance"].attrs


@cases
def test_the_file_names_every_key_that_made_the_positions(recorded, name):
    """And N, d and R, as the run recorded them."""
    aside = ("output_", "checkpoint_", "progress", "dry_run", "ensemble_groups")
    with h5py.File(recorded[name] / "analyze.h5", "r") as file:
        attributes = dict(file["study/analyze"].attrs)
    with h5py.File(recorded[name] / "simulate.h5", "r") as file:
        keys = dict(file["parameters"].attrs)
    for own in ("interval_factor", "columns"):  # of its own means and table
        attributes.pop(own)
    told = {key.removeprefix("source_"): value for key, value in attributes.items()}
    assert told == {key: value for key, value in keys.items() if not key.startswith(aside)}
    size = [int(told[key]) for key in ("ensemble_realizations", "tokens_count", "tokens_dim")]
    shape = positions(recorded[name] / "simulate.h5")[0].shape
    assert size == [shape[0], shape[2], shape[3]]


def test_the_deck_of_a_file_runs_as_it_stands(recorded):
    cwd = recorded["sphere"]
    keys = dict(analyze_first=1, analyze_last=4, analyze_every=3, attention_beta=2.5)
    analyze(cwd=cwd, output_file="part.h5", **keys)
    values = datasets(cwd / "part.h5")
    assert list(values["observables/energy/step"]) == [2, 8]
    assert "observables/w2sq/value" not in values
    x, w = positions(cwd / "simulate.h5")
    kernel = np.exp(2.5 * np.einsum("rfic,rfjc->frij", x[:, [1, 4]], x[:, [1, 4]]))
    energy = 0.5 * (np.exp(2.5) - np.einsum("i,frij,j->fr", w, kernel, w))
    off = np.abs(values["observables/energy/value"] - energy).max()
    assert off < 0.5 * np.exp(2.5) * 1e-12 + 1e-14  # attention_tol
    with h5py.File(cwd / "part.h5", "r") as file:
        (cwd / "deck.yaml").write_bytes(file["parameters/deck"][()])
    chorale(["analyze", "deck.yaml", "-output_file", "again.h5", "-output_overwrite"], cwd=cwd)
    assert same_bits(values, datasets(cwd / "again.h5")) == []


# ---- single files ----


@pytest.fixture(scope="module", name="heads")
def run_with_heads(tmp_path_factory):
    """simulate.h5 with heads of its own, single.h5 in single precision, and one trajectory
    elsewhere."""
    cwd = tmp_path_factory.mktemp("heads")
    rng = np.random.default_rng(5)
    with h5py.File(cwd / "heads.h5", "w") as file:
        for matrix in "QKV":
            file[f"heads/0/{matrix}"] = rng.normal(size=(3, 3))
    keys = dict(tokens_count=300, attention_beta=4, attention_weights="heads.h5")
    simulate(cwd, **keys)
    simulate(cwd, **keys, output_file="single.h5", output_precision="single")
    (cwd / "elsewhere").mkdir()
    shutil.copy(cwd / "simulate/realization_00001.h5md", cwd / "elsewhere/alone.h5md")
    return cwd


def test_a_trajectory_alone_knows_how_it_was_recorded(heads):
    recorded, cwd = datasets(heads / "simulate.h5"), heads / "elsewhere"
    keys = dict(analyze_distance="first", analyze_transport="sliced")
    analyze(2, cwd, analyze_file="alone.h5md", **keys)
    found = datasets(cwd / "analyze.h5")
    for name in OBSERVABLES:
        value = found[f"observables/{name}/value"]
        assert value[:, 0].tobytes() == recorded[f"observables/{name}/value"][:, 1].tobytes(), name
    analyze(2, heads, analyze_distance="first")
    exact = datasets(heads / "analyze.h5")["observables/w2sq/value"][1:, 1]
    sliced = found["observables/w2sq/value"][1:, 0]
    assert (sliced > 0.05 * exact).all() and (sliced < exact).all(), (sliced, exact)
    with h5py.File(cwd / "analyze.h5", "r") as file:
        assert "lower bound" in str(file["observables/w2sq/value"].attrs["description"])


def test_positions_in_single_precision_are_read(heads):
    analyze(cwd=heads, analyze_file="single.h5")
    value = datasets(heads / "analyze.h5")["observables/energy/value"]
    recorded = datasets(heads / "simulate.h5")["observables/energy/value"]
    assert 0 < np.abs(value - recorded).max() < 1e-4


# ---- jobs in progress ----


def test_one_realization_with_fewer_frames_and_another_without_file_are_analyzed(folder):
    simulate(tokens_count=30, ensemble_realizations=3, output_trajectories=3)
    expected = datasets("simulate.h5")["observables/energy/value"].copy()
    os.remove("simulate/realization_00001.h5md")
    with h5py.File("simulate/realization_00002.h5md", "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = np.int32(4)
        file["particles/all/position/value"][4:] = np.nan
    expected[:, 1] = expected[4:, 2] = np.nan
    for ranks in (1, 3):
        analyze(ranks, analyze_distance="first")
        values = datasets("analyze.h5")
        assert np.array_equal(values["observables/energy/value"], expected, equal_nan=True)
        mean = expected[:, 0]  # of those that have got farthest, at all times
        assert np.allclose(values["ensemble/energy/mean"], mean, rtol=1e-14)
        assert np.isnan(values["observables/w2sq/value"][:, 1]).all()


def test_a_run_that_writes_or_was_killed_is_analyzed_up_to_its_last_complete_frame(folder):
    path = "simulate/realization_00000.h5md"
    keys = dict(COMMON, tokens_count=300, output_every=1, output_trajectories=1)
    keys.update(ensemble_realizations=1)
    hook = (
        "0 5 0 clock=2; 0 8 0 wait=go"  # frame 6 is flushed to the disk, more than a second later
    )
    with running(["simulate"] + options(**keys), hook=hook) as run:
        run.wait_until_held("go")
        analyze(analyze_file=path, analyze_last=1)
        assert run.process.poll() is None
        run.kill()
    with h5py.File(path, "r") as file:
        valid = int(file["particles/all/position"].attrs["frames_valid"])
        last = file["particles/all/position/value"][valid - 1]
    assert valid == 7
    analyze(2, analyze_file=path, analyze_every=valid - 1)
    values = datasets("analyze.h5")
    assert list(values["observables/energy/step"]) == [0, valid - 1]
    energy = 0.5 * (np.exp(1) - np.exp(last @ last.T).mean())
    assert abs(values["observables/energy/value"][1, 0] - energy) < 1e-11


@pytest.mark.parametrize("ranks", (1, 2))
def test_a_signal_in_the_middle_leaves_nothing_behind(folder, tmp_path_factory, ranks):
    """The launcher kills ranks at once here, so the file of their lock stays."""
    simulate(tokens_count=50)
    before = sorted(os.listdir(folder))
    held = tmp_path_factory.mktemp("held") / "go"
    keys = dict(analyze_file="simulate.h5", analyze_distance="first")
    hook = f"progress 3 -1 wait={held}"
    with running(["analyze"] + options(**keys), ranks, hook=hook) as run:
        for rank in range(ranks):
            run.wait_until_held(held, rank)
        run.process.send_signal(signal.SIGTERM)
        assert run.end().returncode != 0
    left = set(os.listdir(folder)) - ({"analyze.lock"} if ranks > 1 else set())
    assert sorted(left) == before


# ---- bad input ----


def put(file, name, value):
    del file[name]
    file[name] = value


def set_row(position, value):
    position["value"][3, 17] = value


SPOILT = {
    "nan": lambda file, position: set_row(position, np.nan),
    "zero": lambda file, position: set_row(position, 0),
    "empty": lambda file, position: position.attrs.__setitem__("frames_valid", np.int32(0)),
    "flat": lambda file, position: put(position, "value", np.zeros((6, 40))),
    "words": lambda file, position: put(position, "value", np.zeros((6, 40, 7), dtype="i4")),
    "clock": lambda file, position: put(position, "step", 5),
    "mass": lambda file, position: file.__setitem__("particles/all/mass", np.full(40, -1.0)),
    "nowhere": lambda file, position: position.__delitem__("value"),
}
GOOD = "simulate/realization_00000.h5md"
LINKED = {
    "mixed": (GOOD, "nan.h5md", "more/realization_00000.h5md"),
    "second": (GOOD, "nan.h5md"),
    "lost": ("gone.h5md",),
}


@pytest.fixture(scope="module", name="damaged")
def damaged_files(tmp_path_factory):
    """Everything that may be wrong with a file, beside simulate.h5, which is good."""
    cwd = tmp_path_factory.mktemp("damaged")
    simulate(cwd, **RUNS["seven"])
    simulate(cwd, **RUNS["seven"], output_file="other.h5", ensemble_seed=9)
    simulate(cwd, **RUNS["seven"], output_file="longer.h5", layers_horizon=2)
    simulate(cwd, **{**RUNS["seven"], "tokens_count": 41}, output_file="more.h5")
    seven = without(RUNS["seven"], "output_compress")
    simulate(cwd, **seven, output_file="none.h5", output_trajectories=0)
    (cwd / "text.h5").write_text("no HDF5\n", encoding="utf-8")
    whole = (cwd / GOOD).read_bytes()
    (cwd / "cut.h5md").write_bytes(whole[: len(whole) // 2])
    for name, spoil in SPOILT.items():
        shutil.copy(cwd / GOOD, cwd / f"{name}.h5md")
        with h5py.File(cwd / f"{name}.h5md", "r+") as file:
            spoil(file, file["particles/all/position"])
    for name, files in LINKED.items():
        with h5py.File(cwd / f"{name}.h5", "w") as file:
            for i, linked in enumerate(files):
                file[f"particles/{i}"] = h5py.ExternalLink(linked, "/particles/all")
    return cwd


OTHER = dict(analyze_distance="other")
REFUSED = [
    (dict(analyze_file="missing.h5"), "analyze_file = missing.h5: no such file"),
    (dict(analyze_file="."), "analyze_file = .: "),
    (dict(analyze_file="text.h5"), "not an HDF5 file"),
    (dict(analyze_file="cut.h5md"), "truncated or damaged"),
    (dict(analyze_file="none.h5"), "holds no trajectory"),
    (dict(analyze_file="lost.h5"), "its trajectories are missing"),
    (dict(analyze_file="nan.h5md"), r"nan.h5md: frame 3: token 17 is not finite"),
    (dict(analyze_file="second.h5"), r"nan.h5md: frame 3: token 17 is not finite"),
    (dict(analyze_file="zero.h5md"), r"frame 3: token 17 is not on the unit sphere"),
    (dict(analyze_file="empty.h5md"), "no complete frame"),
    (dict(analyze_file="flat.h5md"), "floating-point numbers"),
    (dict(analyze_file="words.h5md"), "floating-point numbers"),
    (dict(analyze_file="clock.h5md"), "step and the time"),
    (dict(analyze_file="mass.h5md"), "weight >= 0"),
    (dict(analyze_file="nowhere.h5md"), "has no dataset"),
    (dict(analyze_file="mixed.h5"), "41 tokens in R.7, others 40"),
    (dict(analyze_first=6), "analyze_first = 6: the file has the frames 0 to 5"),
    (dict(analyze_last=6), "analyze_last = 6: "),
    (dict(analyze_first=3, analyze_last=2), "analyze_last = 2: must be at least"),
    (dict(analyze_every=0), "analyze_every = 0"),
    (dict(analyze_every="1,2"), "analyze_every = 1,2"),
    (dict(attention_beta="1,2"), "attention_beta = 1,2"),
    (dict(analyze_distance="last"), "analyze_distance = last"),
    (
        dict(analyze_distance="first", analyze_transport="sinkhorn"),
        "analyze_transport = sinkhorn: must be one of: auto sliced",
    ),
    (
        dict(analyze_distance="first", distance_tol=0),
        "distance_tol = 0: must be a number from 1e-12",
    ),
    (dict(distance_tol=0.01), "distance_tol = 0.01: has no effect with analyze_distance none"),
    (
        dict(analyze_distance="first", analyze_transport="sliced", distance_tol=0.01),
        "distance_tol = 0.01: has no effect with analyze_transport sliced",
    ),
    (OTHER, "analyze_other is not set"),
    (
        dict(analyze_other="other.h5"),
        "analyze_other = other.h5: has no effect with analyze_distance none",
    ),
    (dict(OTHER, analyze_other="missing.h5"), "analyze_other = missing.h5"),
    (dict(OTHER, analyze_other="more.h5"), "41 tokens"),
    (dict(OTHER, analyze_other=GOOD), "1 realizations"),
    (dict(OTHER, analyze_other="longer.h5"), "at time 0.4, in analyze_file"),
    (dict(analyze_distance="first", attention_beta=900), "attention_beta = 900"),
    (dict(ensemble_groups=2), "ensemble_groups = 2"),
    (dict(analyze_file=GOOD, output_file=GOOD), "is also the analyze_file"),
    (dict(output_file="gone/x.h5"), "no directory"),
    (dict(tokens_count=5), "not a key of study analyze"),
    (dict(analyze_bins=0), "analyze_bins = 0"),
]
# ranks, where they might find different things alone
RANKS = {"nan.h5md": 3, "second.h5": 2, "mixed.h5": 3, "cut.h5md": 3, "mass.h5md": 2, "lost.h5": 2}


@pytest.mark.parametrize("case", range(len(REFUSED)))
def test_a_wrong_key_or_file_is_refused(damaged, case):
    keys, message = REFUSED[case]
    words = {"analyze_file": "simulate.h5", "output_file": "refused.h5", "output_overwrite": True}
    ranks = RANKS.get(keys.get("analyze_file"), 1)
    refused(["analyze"] + options(**{**words, **keys}), message, ranks, damaged)


def test_a_file_must_be_named(folder):
    refused(["analyze"], "analyze_file is not set")


def test_a_dry_run_says_what_would_run_and_writes_nothing(damaged):
    before = sorted(os.listdir(damaged))
    dry = analyze(2, damaged, dry_run=True, output_file="dry.h5", analyze_distance="first")
    assert re.search("attention_type|l2", dry.stdout) and "w2sq" in dry.stdout
    said = r"^transport  W2\^2 by auction to a certified gap of 0.0001, about [\d.]+ s in all"
    assert re.search(said, dry.stdout, re.M), dry.stdout
    assert sorted(os.listdir(damaged)) == before
