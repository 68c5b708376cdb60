"""Study analyze: what it makes of recorded trajectories against what simulate recorded (bit for bit), numpy and scipy, at any number of
ranks; partial files; bad inputs."""
import concurrent.futures
import csv
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
from scipy.optimize import linear_sum_assignment, linprog

from run import CHORALE, chorale, datasets, options, same_bits

OBSERVABLES = ("energy", "order", "cosine_mean", "cosine_hist", "nematic", "clusters")
COMMON = dict(layers_depth=10, layers_horizon=1.5, mlp_width=32, ensemble_realizations=2, output_trajectories=2, output_every=2, progress="off")
STEPS = [0, 2, 4, 6, 8, 10]
# several blocks on the circle; weights of a rule on the sphere; few tokens in many dimensions
CASES = {
    "circle": (dict(tokens_dim=2, tokens_count=520, attention_beta=3), dict(analyze_distance="previous", analyze_pairs=True)),
    "sphere": (dict(tokens_dim=3, tokens_count=50, tokens_init="quadrature", attention_type="usa", attention_value=0.5),
               dict(analyze_distance="first", analyze_coordinates=True, analyze_bins=16)),
    "seven": (dict(tokens_dim=7, tokens_count=40, attention_type="l2", attention_engine="direct", output_compress=3),
              dict(analyze_distance="other", analyze_other="other.h5", analyze_pairs=True, analyze_coordinates=True, analyze_bins=10)),
}


def simulate(folder, **more):
    return chorale(["simulate"] + options(**{**COMMON, **more}), cwd=folder)


def analyze(folder, ranks=1, check=True, **more):
    more = {"analyze_file": "simulate.h5", "output_overwrite": True, "progress": "off", **more}
    return chorale(["analyze"] + options(**more), ranks=ranks, cwd=folder, check=check)


def positions(path):
    """x[realization][frame][token][component] and the weights."""
    with h5py.File(path, "r") as file:
        groups = [file[f"particles/{name}"] for name in sorted(file["particles"])]
        x = np.array([group["position/value"][()] for group in groups])
        return x, groups[0]["mass"][()] if "mass" in groups[0] else np.full(x.shape[2], 1 / x.shape[2])


def mmd2(x, y, w, beta):
    v, both = np.concatenate([w, -w]), np.concatenate([x, y])
    return v @ np.exp(beta * both @ both.T) @ v


def transport(x, y, w):
    """W2^2, as documented: for d = 2 the chordal cost of the plan that is best for squared angles."""
    cosine = np.clip(x @ y.T, -1, 1)
    if np.ptp(w) == 0:
        rows, columns = linear_sum_assignment(np.arccos(cosine) ** 2 if x.shape[1] == 2 else 2 - 2 * cosine)
        return ((x[rows] - y[columns]) ** 2).sum(axis=1).mean()
    n = len(w)
    marginals = np.concatenate([np.kron(np.eye(n), np.ones(n)), np.kron(np.ones(n), np.eye(n))])
    return linprog((2 - 2 * cosine).ravel(), A_eq=marginals, b_eq=np.concatenate([w, w])).fun


def check_distances(name, values, x, w, beta, other):
    for r in range(2):
        for f in range(len(STEPS)):
            w2sq, mmd = values["observables/w2sq/value"][f, r], values["observables/mmd2/value"][f, r]
            if name == "circle" and f == 0:  # there is no frame before
                assert np.isnan(w2sq) and np.isnan(mmd)
                continue
            reference = x[r, f - 1] if name == "circle" else x[r, 0] if name == "sphere" else other[r, f]
            assert abs(mmd - mmd2(x[r, f], reference, w, beta)) < 1e-13 * np.exp(beta), (name, r, f)
            if f not in (1 + r, 5):  # slow in scipy
                continue
            exact = transport(x[r, f], reference, w)
            assert abs(w2sq - exact) <= (0.02 * exact + 1e-9 if name == "sphere" else 1e-10), (name, r, f, w2sq, exact)


def check_histograms(values, x, w, bins):
    def place(cosine):
        return np.clip(np.floor((cosine + 1) * bins / 2).astype(int), 0, bins - 1)

    for r in range(2):
        for f in range(len(STEPS)):
            if "observables/pair_hist/value" in values:
                cosine = (x[r, f] @ x[r, f].T)[np.triu_indices(len(w), 1)]
                expected = np.bincount(place(cosine), minlength=bins) / len(cosine)
                # another order of sums may carry a cosine on an edge over it
                assert np.abs(values["observables/pair_hist/value"][f, r] - expected).max() <= 2.5 / len(cosine)
            if "observables/coordinate_hist/value" in values:
                expected = np.array([np.bincount(place(c), weights=w, minlength=bins) for c in x[r, f].T])
                found = values["observables/coordinate_hist/value"][f, r].reshape(expected.shape)
                assert np.abs(found - expected).max() < 1e-14


def check_file(path, table):
    """The layout of a results file, and its table."""
    with h5py.File(path, "r") as file:
        for name, group in file["observables"].items():
            value = group["value"][()]
            assert group["value"].attrs["unit"] and group["value"].attrs["description"]
            assert list(group["step"]) == STEPS and np.allclose(group["time"], np.array(STEPS) * 0.15)
            mean, sem = file[f"ensemble/{name}/mean"][()], file[f"ensemble/{name}/sem"][()]
            assert np.array_equal(mean, value.mean(axis=1), equal_nan=True)
            known = ~np.isnan(mean)
            assert np.allclose(sem[known], (np.abs(value[:, 0] - value[:, 1]) / 2)[known], rtol=1e-10, atol=1e-15)
        with open(table, newline="") as text:
            rows = list(csv.DictReader(text))
        columns = ["step", "time"] + [f"{name}_{what}" for name in ("energy", "order", "cosine", "w2sq", "mmd2") for what in ("mean", "sem")]
        assert list(rows[0]) == columns and sorted(file["study/analyze"]) == sorted(columns)
        for name in columns:
            column = file[f"study/analyze/{name}"][()]
            cells = np.array([float(row[name] or "nan") for row in rows])
            assert np.array_equal(cells, column, equal_nan=True), name
        assert "deck" in file["parameters"] and "command_line" in file["provenance"].attrs


def same_as_recorded(top):
    for name, (run, asked) in CASES.items():
        folder = f"{top}/{name}"
        os.makedirs(folder)
        simulate(folder, **run)
        other = None
        if name == "seven":
            simulate(folder, **run, ensemble_seed=9, output_file="other.h5")
            other, _ = positions(f"{folder}/other.h5")
        recorded = datasets(f"{folder}/simulate.h5")
        first = None
        # Sinkhorn sends many small messages, which take long where ranks share a core
        for ranks in (1, 3) if name == "sphere" else (1, 2, 3, 4):
            groups = dict(ensemble_groups=1) if ranks == 4 else {}
            analyze(folder, ranks=ranks, output_table="table.csv", **asked, **groups)
            values = datasets(f"{folder}/analyze.h5")
            for observable in OBSERVABLES:
                for what in ("value", "step", "time"):
                    path = f"observables/{observable}/{what}"
                    assert values[path].tobytes() == recorded[path].tobytes(), (name, ranks, path)
                for what in ("mean", "sem"):
                    path = f"ensemble/{observable}/{what}"
                    assert values[path].tobytes() == recorded[path].tobytes(), (name, ranks, path)
            first = first or values
            assert not same_bits(first, values), (name, ranks, same_bits(first, values))
        x, w = positions(f"{folder}/simulate.h5")
        assert (np.ptp(w) > 0) == (name == "sphere")
        check_distances(name, first, x, w, run.get("attention_beta", 1), other)
        if name == "circle":  # the same pairs by other code
            assert first["observables/pair_hist/value"].tobytes() == first["observables/cosine_hist/value"].tobytes()
        check_histograms(first, x, w, asked.get("analyze_bins", 64))
        check_file(f"{folder}/analyze.h5", f"{folder}/table.csv")
        check_source(folder, x.shape)


def check_source(folder, shape):
    """The file says what was analyzed: N, d and R, and every key that makes positions as the run recorded it."""
    with h5py.File(f"{folder}/analyze.h5", "r") as file, h5py.File(f"{folder}/simulate.h5", "r") as source:
        told = {key.removeprefix("source_"): value for key, value in file["study/analyze"].attrs.items()}
        made = {key: value for key, value in source["parameters"].attrs.items() if not key.startswith(("output_", "checkpoint_", "progress", "dry_run", "ensemble_groups"))}
    assert told == made, sorted(set(told.items()) ^ set(made.items()))
    assert (int(told["ensemble_realizations"]), int(told["tokens_count"]), int(told["tokens_dim"])) == (shape[0], shape[2], shape[3])


def deck_runs_as_it_stands(top):
    folder = f"{top}/sphere"
    analyze(folder, analyze_first=1, analyze_last=4, analyze_every=3, attention_beta=2.5)
    values = datasets(f"{folder}/analyze.h5")
    assert list(values["observables/energy/step"]) == [2, 8] and "observables/w2sq/value" not in values
    x, w = positions(f"{folder}/simulate.h5")
    energy = [[0.5 * (np.exp(2.5) - w @ np.exp(2.5 * y @ y.T) @ w) for y in x[:, f]] for f in (1, 4)]
    assert np.abs(values["observables/energy/value"] - energy).max() < 0.5 * np.exp(2.5) * 1e-12 + 1e-14  # attention_tol
    with h5py.File(f"{folder}/analyze.h5", "r") as file:
        deck = file["parameters/deck"][()].decode()
    with open(f"{folder}/deck.yaml", "w") as file:
        file.write(deck)
    chorale(["analyze", "deck.yaml", "-output_file", "again.h5"], cwd=folder)
    assert not same_bits(values, datasets(f"{folder}/again.h5"))


def single_files(top):
    """A trajectory alone knows how it was recorded; heads; single precision; sliced transport."""
    folder = f"{top}/heads"
    os.makedirs(folder)
    rng = np.random.default_rng(5)
    with h5py.File(f"{folder}/heads.h5", "w") as file:
        for matrix in "QKV":
            file[f"heads/0/{matrix}"] = rng.normal(size=(3, 3))
    run = dict(tokens_count=300, attention_beta=4, attention_weights="heads.h5")
    simulate(folder, **run)
    simulate(folder, **run, output_file="single.h5", output_precision="single")
    recorded = datasets(f"{folder}/simulate.h5")
    os.makedirs(f"{folder}/elsewhere")
    shutil.copy(f"{folder}/simulate/realization_00001.h5md", f"{folder}/elsewhere/alone.h5md")
    analyze(f"{folder}/elsewhere", ranks=2, analyze_file="alone.h5md", analyze_distance="first", analyze_transport="sliced")
    found = datasets(f"{folder}/elsewhere/analyze.h5")
    for name in OBSERVABLES:
        value = found[f"observables/{name}/value"]
        assert value[:, 0].tobytes() == recorded[f"observables/{name}/value"][:, 1].tobytes(), name
    analyze(folder, analyze_distance="first", ranks=2)
    exact = datasets(f"{folder}/analyze.h5")["observables/w2sq/value"][1:, 1]
    sliced = found["observables/w2sq/value"][1:, 0]
    assert (sliced > 0.05 * exact).all() and (sliced < exact).all(), (sliced, exact)
    with h5py.File(f"{folder}/elsewhere/analyze.h5", "r") as file:
        assert "lower bound" in str(file["observables/w2sq/value"].attrs["description"])
    analyze(folder, analyze_file="single.h5")
    value = datasets(f"{folder}/analyze.h5")["observables/energy/value"]
    difference = np.abs(value - recorded["observables/energy/value"])
    assert 0 < difference.max() < 1e-4, difference


def partial_results(top):
    """Of a job in progress: one realization has fewer frames, another no file yet."""
    folder = f"{top}/partial"
    os.makedirs(folder)
    simulate(folder, tokens_count=30, ensemble_realizations=3, output_trajectories=3)
    recorded = datasets(f"{folder}/simulate.h5")["observables/energy/value"]
    os.remove(f"{folder}/simulate/realization_00001.h5md")
    with h5py.File(f"{folder}/simulate/realization_00002.h5md", "r+") as file:
        file["particles/all/position"].attrs["frames_valid"] = np.int32(4)
        file["particles/all/position/value"][4:] = np.nan
    expected = recorded.copy()
    expected[:, 1] = expected[4:, 2] = np.nan
    for ranks in (1, 3):
        analyze(folder, ranks=ranks, analyze_distance="first")
        values = datasets(f"{folder}/analyze.h5")
        assert np.array_equal(values["observables/energy/value"], expected, equal_nan=True)
        assert np.allclose(values["ensemble/energy/mean"], np.nanmean(expected, axis=1), rtol=1e-14)
        assert np.isnan(values["observables/w2sq/value"][:, 1]).all()


def killed_run(top):
    """kill -9 in the middle: the complete frames are analyzed, also while the run still writes; SIGTERM leaves nothing behind."""
    folder = f"{top}/killed"
    os.makedirs(folder)
    path = f"{folder}/simulate/realization_00000.h5md"
    words = options(**{**COMMON, "tokens_count": 300, "layers_depth": 10**5, "output_every": 1, "output_trajectories": 1,
                       "ensemble_realizations": 1})
    process = subprocess.Popen([CHORALE, "simulate"] + words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 60
    while time.time() < end and process.poll() is None and not os.path.exists(path):
        time.sleep(0.1)
    time.sleep(2.5)
    analyze(folder, analyze_file=path, analyze_last=1)
    assert process.poll() is None, process.returncode
    process.kill()
    process.wait()
    with h5py.File(path, "r") as file:
        valid = int(file["particles/all/position"].attrs["frames_valid"])
        last = file["particles/all/position/value"][valid - 1]
    analyze(folder, ranks=2, analyze_file=path, analyze_every=valid - 1)
    values = datasets(f"{folder}/analyze.h5")
    assert list(values["observables/energy/step"]) == [0, valid - 1]
    energy = 0.5 * (np.exp(1) - np.exp(last @ last.T).mean())
    assert abs(values["observables/energy/value"][1, 0] - energy) < 1e-11
    os.remove(f"{folder}/analyze.h5")
    before = sorted(os.listdir(folder))
    words = options(analyze_file=path, analyze_distance="first", analyze_transport="sinkhorn")
    process = subprocess.Popen(["mpirun", "-n", "2", CHORALE, "analyze"] + words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) != 0
    assert sorted(os.listdir(folder)) == before


def damaged(path, source, change):
    shutil.copy(source, path)
    with h5py.File(path, "r+") as file:
        change(file, file["particles/all/position"])


def bad_inputs(top):
    folder = f"{top}/seven"
    good = "simulate/realization_00000.h5md"
    simulate(folder, **CASES["seven"][0], output_file="longer.h5", layers_horizon=2)
    simulate(folder, **{**CASES["seven"][0], "tokens_count": 41}, output_file="more.h5")
    simulate(folder, **CASES["seven"][0], output_file="none.h5", output_trajectories=0)
    with open(f"{folder}/text.h5", "w") as file:
        file.write("no HDF5\n")
    with open(f"{folder}/{good}", "rb") as file:
        whole = file.read()
    with open(f"{folder}/cut.h5md", "wb") as file:
        file.write(whole[:len(whole) // 2])

    def spoil(name, change):
        damaged(f"{folder}/{name}.h5md", f"{folder}/{good}", change)

    def put(file, name, value):
        del file[name]
        file[name] = value

    def row(position, value):
        position["value"][3, 17] = value

    spoil("nan", lambda file, position: row(position, np.nan))
    spoil("zero", lambda file, position: row(position, 0))
    spoil("empty", lambda file, position: position.attrs.__setitem__("frames_valid", np.int32(0)))
    spoil("flat", lambda file, position: put(position, "value", np.zeros((6, 40))))
    spoil("words", lambda file, position: put(position, "value", np.zeros((6, 40, 7), dtype="i4")))
    spoil("clock", lambda file, position: put(position, "step", 5))
    spoil("mass", lambda file, position: file.__setitem__("particles/all/mass", np.full(40, -1.0)))
    spoil("nowhere", lambda file, position: file.__delitem__("particles/all/position/value"))
    with h5py.File(f"{folder}/mixed.h5", "w") as file:
        for i, name in enumerate((good, "nan.h5md", "more/realization_00000.h5md")):
            file[f"particles/{i}"] = h5py.ExternalLink(name, "/particles/all")
    with h5py.File(f"{folder}/second.h5", "w") as file:
        for i, name in enumerate((good, "nan.h5md")):
            file[f"particles/{i}"] = h5py.ExternalLink(name, "/particles/all")
    with h5py.File(f"{folder}/lost.h5", "w") as file:
        file["particles/0"] = h5py.ExternalLink("gone.h5md", "/particles/all")
    other = dict(analyze_distance="other")
    cases = [
        (dict(analyze_file="missing.h5"), "analyze_file = missing.h5: no such file"), (dict(analyze_file="."), "analyze_file = .: "),
        (dict(analyze_file="text.h5"), "not an HDF5 file"), (dict(analyze_file="cut.h5md"), "truncated or damaged"),
        (dict(analyze_file="none.h5"), "holds no trajectory"), (dict(analyze_file="lost.h5"), "no complete frame"),
        (dict(analyze_file="nan.h5md"), r"nan.h5md: frame 3: token 17 is not finite"),
        (dict(analyze_file="second.h5"), r"nan.h5md: frame 3: token 17 is not finite"),
        (dict(analyze_file="zero.h5md"), r"frame 3: token 17 is not on the unit sphere"),
        (dict(analyze_file="empty.h5md"), "no complete frame"), (dict(analyze_file="flat.h5md"), "floating-point numbers"),
        (dict(analyze_file="words.h5md"), "floating-point numbers"), (dict(analyze_file="clock.h5md"), "step and the time"),
        (dict(analyze_file="mass.h5md"), "weight >= 0"), (dict(analyze_file="nowhere.h5md"), "has no dataset"),
        (dict(analyze_file="mixed.h5"), "41 tokens in R.7, others 40"),
        (dict(analyze_first=6), "analyze_first = 6: the file has the frames 0 to 5"), (dict(analyze_last=6), "analyze_last = 6: "),
        (dict(analyze_first=3, analyze_last=2), "analyze_last = 2: must be at least"), (dict(analyze_every=0), "analyze_every = 0"),
        (dict(analyze_every="1,2"), "analyze_every = 1,2"), (dict(attention_beta="1,2"), "attention_beta = 1,2"),
        (dict(analyze_distance="last"), "analyze_distance = last"), (other, "analyze_other is not set"),
        (dict(analyze_other="other.h5"), "analyze_other = other.h5: is for analyze_distance other"),
        (dict(other, analyze_other="missing.h5"), "analyze_other = missing.h5"), (dict(other, analyze_other="more.h5"), "41 tokens"),
        (dict(other, analyze_other=good), "1 realizations"), (dict(other, analyze_other="longer.h5"), "at time 0.4, in analyze_file"),
        (dict(analyze_distance="first", attention_beta=900), "attention_beta = 900"), (dict(ensemble_groups=2), "ensemble_groups = 2"),
        (dict(analyze_file=good, output_file=good), "is also the analyze_file"), (dict(output_file="gone/x.h5"), "no directory"),
        (dict(tokens_count=5), "not a key of study analyze"), (dict(analyze_bins=0), "analyze_bins = 0"),
    ]
    before = sorted(os.listdir(folder))
    several = {"nan.h5md": 3, "second.h5": 2, "mixed.h5": 3, "cut.h5md": 3, "mass.h5md": 2, "lost.h5": 2}  # what ranks might find alone

    def refused(case):
        change, message = case
        words = options(**{"analyze_file": "simulate.h5", "output_file": "refused.h5", "output_overwrite": True, **change})
        ranks = several.get(change.get("analyze_file"), 1)
        command = ["mpirun", "-n", str(ranks), CHORALE] if ranks > 1 else [CHORALE]
        done = subprocess.run(command + ["analyze"] + words, cwd=folder, capture_output=True, text=True, timeout=60)
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
        assert done.returncode == 2 and len(lines) == 1 and re.search(message, lines[0]), (change, done.returncode, done.stderr)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(refused, cases))
    assert sorted(os.listdir(folder)) == before, os.listdir(folder)
    done = chorale(["analyze"], check=False, cwd=folder)
    assert done.returncode == 2 and "analyze_file is not set" in done.stderr
    dry = analyze(folder, ranks=2, dry_run=True, output_file="dry.h5", analyze_distance="first")
    assert re.search("attention_type|l2", dry.stdout) and "w2sq" in dry.stdout and sorted(os.listdir(folder)) == before


def main():
    with tempfile.TemporaryDirectory() as top:
        for test in (same_as_recorded, deck_runs_as_it_stands, single_files, partial_results, killed_run, bad_inputs):
            start = time.time()
            test(top)
            print(f"{test.__name__}: ok, {time.time() - start:.1f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
