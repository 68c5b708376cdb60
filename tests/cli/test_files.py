"""The files of `simulate`: the results file, H5MD trajectories and XMF sidecars, as other programs
see them."""

import csv
import os
import shutil
import subprocess
import xml.etree.ElementTree as xml
import zlib

import h5py
import numpy as np
import pytest
from run import chorale, datasets, options, same_bits

N, L, T, R = 300, 20, 2.0, 5
RUN = dict(
    tokens_count=N,
    tokens_dim=3,
    layers_depth=L,
    layers_horizon=T,
    mlp_width=64,
    ensemble_realizations=R,
    ensemble_seed=7,
    attention_beta=2,
    output_every=3,
    output_trajectories=2,
)
STEPS = [0, 3, 6, 9, 12, 15, 18, 20]
SIZES = dict(energy=(), order=(), cosine_mean=(), cosine_hist=(64,), nematic=(), clusters=())
VARIANTS = {
    "single": dict(output_precision="single"),
    "packed": dict(output_compress=4),
    "both": dict(output_precision="single", output_compress=9),
}


def simulate(folder, ranks=2, check=True, **more):
    return chorale(["simulate"] + options(**{**RUN, **more}), ranks=ranks, cwd=folder, check=check)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def everything(folder, name="simulate"):
    """All numbers of a run: results and trajectories."""
    found = datasets(f"{folder}/{name}.h5")
    for r in range(2):
        path = f"{folder}/{name}/realization_{r:05d}.h5md"
        found |= {f"{r}/{key}": value for key, value in datasets(path, skip=()).items()}
    return found


def trajectory(folder, r):
    """Its path, without the extension."""
    return f"{folder}/simulate/realization_{r:05d}"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The run of most tests; not to be changed."""
    folder = tmp_path_factory.mktemp("plain")
    done = simulate(folder, output_table="rows.csv")
    assert "energy_mean" in done.stdout
    return folder


@pytest.fixture(scope="module", params=VARIANTS)
def variant(request, tmp_path_factory):
    """The same run with other files: its name and folder."""
    folder = tmp_path_factory.mktemp(request.param)
    simulate(folder, ranks=4, ensemble_groups=2, **VARIANTS[request.param])
    return request.param, folder


def check_h5md(path, frames, count, dim):
    """The rules of H5MD 1.1 for what a trajectory file holds."""
    with h5py.File(path, "r") as file:
        assert (
            list(file["h5md"].attrs["version"]) == [1, 1]
            and file["h5md"].attrs["version"].dtype.kind == "i"
        )
        for group, names in (("author", ["name"]), ("creator", ["name", "version"])):
            for name in names:
                attribute = file[f"h5md/{group}"].attrs.get_id(name)
                assert attribute.shape == () and attribute.dtype.kind == "S", (group, name)
                assert text(file[f"h5md/{group}"].attrs[name])
        groups = [
            name
            for name in file
            if name not in ("h5md", "particles", "observables", "connectivity", "parameters")
        ]
        assert not groups, groups
        for particles in file["particles"].values():
            box = particles["box"]
            assert box.attrs["dimension"] == dim and np.ndim(box.attrs["dimension"]) == 0
            boundary = [text(b) for b in box.attrs["boundary"]]
            assert boundary == ["none"] * dim, boundary
            position = particles["position"]
            assert set(position) == {"step", "time", "value"}
            assert (
                position["step"].shape == position["time"].shape == (frames,)
                and position["step"].dtype.kind == "i"
            )
            assert (
                position["value"].shape == (frames, count, dim)
                and position["value"].dtype.kind == "f"
            )
            steps, times = position["step"][()], position["time"][()]
            assert (np.diff(steps) > 0).all() and (np.diff(times) > 0).all()
            assert position.attrs["frames_valid"] == frames
            assert position["value"].chunks == (1, min(count, 256), dim)
            assert np.abs(np.linalg.norm(position["value"][()], axis=2) - 1).max() < 1e-6


def check_xmf(path, h5md):
    """Walks the sidecar as a reader would: every hyperslab, read from the file it names, gives the
    frame's points."""
    collection = xml.parse(path).getroot().find("Domain/Grid")
    assert (
        collection.get("GridType") == "Collection"
        and collection.get("CollectionType") == "Temporal"
    )
    with h5py.File(h5md, "r") as file:
        times, value = (
            file["particles/all/position/time"][()],
            file["particles/all/position/value"][()],
        )
    grids = collection.findall("Grid")
    assert len(grids) == len(times)
    for grid, time_, positions in zip(grids, times, value):
        assert float(grid.find("Time").get("Value")) == time_
        assert grid.find("Topology").get("TopologyType") == "Polyvertex"
        assert int(grid.find("Topology").get("NumberOfElements")) == positions.shape[0]
        data = grid.find("Geometry/DataItem")
        assert grid.find("Geometry").get("GeometryType") == "XYZ" and data.get("Format") == "HDF"
        name, rest = data.text.strip().split(":", 1)
        dataset, slab = rest.split("|")
        first, stride, count, extent = (
            np.array(part.split(), dtype=int) for part in slab.split(":")
        )
        assert not os.path.isabs(name)
        with h5py.File(os.path.join(os.path.dirname(path), name), "r") as file:
            stored = file[dataset]
            assert list(stored.shape) == list(extent)
            assert stored.dtype.itemsize == int(data.get("Precision"))
            part = stored[tuple(slice(a, a + b * c, b) for a, b, c in zip(first, stride, count))]
        shape = [int(n) for n in data.get("Dimensions").split()]
        assert np.array_equal(part.reshape(shape), positions)


def check_mdanalysis(path):
    package = pytest.importorskip("MDAnalysis", reason="MDAnalysis is not installed")
    with h5py.File(path, "r") as file:
        position = file["particles/all/position"]
        value, times, steps = (position[name][()] for name in ("value", "time", "step"))
    universe = package.Universe(path, n_atoms=value.shape[1], convert_units=False)
    assert len(universe.trajectory) == len(value)
    for frame, expected, time, step in zip(universe.trajectory, value, times, steps):
        assert np.array_equal(frame.positions, expected.astype(np.float32))
        assert frame.time == time and frame.data["step"] == step


def test_a_run_writes_these_files_and_they_open(plain):
    assert sorted(os.listdir(plain)) == ["rows.csv", "simulate", "simulate.h5"]
    names = [f"realization_0000{r}.{e}" for r in range(2) for e in ("h5md", "xmf")]
    assert sorted(os.listdir(plain / "simulate")) == names
    for path in ("simulate.h5", *(trajectory(".", r) + ".h5md" for r in range(2))):
        subprocess.run(["h5dump", path], cwd=plain, check=True, stdout=subprocess.DEVNULL)


@pytest.fixture
def results(plain):
    with h5py.File(plain / "simulate.h5", "r") as file:
        yield file


@pytest.mark.parametrize("name, size", SIZES.items())
def test_observables_have_their_shapes_and_statistics(results, name, size):
    group = results[f"observables/{name}"]
    times = np.array(STEPS) * T / L
    assert list(group["step"]) == STEPS and np.allclose(group["time"], times, rtol=1e-15)
    value = group["value"][()]
    assert value.shape == (len(STEPS), R) + size
    assert text(group["value"].attrs["unit"]) and text(group["value"].attrs["description"])
    mean, sem = (results[f"ensemble/{name}/{what}"][()] for what in ("mean", "sem"))
    assert np.allclose(mean, value.mean(axis=1), rtol=1e-13, atol=1e-15)
    error = value.std(axis=1, ddof=1) / np.sqrt(R)
    assert np.allclose(sem, error, rtol=1e-9, atol=1e-15)


def test_the_study_has_the_statistics_as_columns(results):
    for name, column in dict(energy="energy", order="order", cosine_mean="cosine").items():
        for what in ("mean", "sem"):
            found = results[f"study/simulate/{column}_{what}"]
            assert np.array_equal(found, results[f"ensemble/{name}/{what}"])
    assert list(results["study/simulate/step"]) == STEPS


@pytest.mark.parametrize("r", range(2))
def test_observables_are_those_of_the_recorded_positions(results, r):
    link = results["particles"].get(f"realization_{r:05d}", getlink=True)
    assert isinstance(link, h5py.ExternalLink)
    x = results[f"particles/realization_{r:05d}/position/value"][()]
    gram = np.einsum("tic,tjc->tij", x, x)
    exact = dict(
        energy=0.5 * (np.exp(2) - np.exp(2 * gram)).mean(axis=(1, 2)),
        order=np.linalg.norm(x.mean(axis=1), axis=1),
        nematic=np.linalg.eigvalsh(np.einsum("tic,tid->tcd", x, x) / N)[:, -1],
    )
    # attention_tol = 1e-12 bounds the kernel's error at maximum 1, so the energy's at e^beta / 2
    bound = dict(energy=0.5 * np.exp(2) * 1e-12 + 1e-14, order=1e-13, nematic=1e-13)
    for name, values in exact.items():
        found = results[f"observables/{name}/value"][:, r]
        assert np.abs(found - values).max() < bound[name], name


def test_results_tell_their_parameters_and_origin(results):
    parameters, provenance = results["parameters"].attrs, results["provenance"].attrs
    assert float(parameters["attention_beta"]) == 2 and int(parameters["tokens_count"]) == N
    origin = ("version", "revision", "compiler", "flags", "ranks", "host", "date", "command_line")
    for name in origin:
        assert text(provenance[name]), name
    assert int(provenance["ranks"]) == 2


def test_the_table_holds_the_results(plain):
    with open(plain / "rows.csv", newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    with h5py.File(plain / "simulate.h5", "r") as file:
        for name, column in file["study/simulate"].items():
            assert np.array_equal([float(row[name]) for row in rows], column[()]), name
    columns = "step,time,energy_mean,energy_sem,order_mean,order_sem,cosine_mean,cosine_sem"
    assert list(rows[0]) == columns.split(",")


@pytest.mark.parametrize("r", range(2))
def test_a_trajectory_is_h5md_with_a_sidecar(plain, r):
    path = trajectory(plain, r)
    check_h5md(path + ".h5md", len(STEPS), N, 3)
    check_xmf(path + ".xmf", path + ".h5md")


@pytest.mark.full
@pytest.mark.parametrize("r", range(2))
def test_mdanalysis_reads_a_trajectory(plain, r):
    check_mdanalysis(trajectory(plain, r) + ".h5md")


def test_the_deck_in_the_results_runs_as_it_stands(folder, plain):
    with h5py.File(plain / "simulate.h5", "r") as file:
        deck = text(file["parameters/deck"][()])
    with open("deck.yaml", "w", encoding="utf-8") as file:
        file.write(deck)
    chorale(["simulate", "deck.yaml"])
    assert not same_bits(everything(plain), everything("."))


def test_other_precision_and_packing_hold_the_same_trajectory(plain, variant):
    name, folder = variant
    for r in range(2):
        path = trajectory(folder, r)
        check_h5md(path + ".h5md", len(STEPS), N, 3)
        check_xmf(path + ".xmf", path + ".h5md")
    key = "1/particles/all/position/value"
    value, whole = everything(folder)[key], everything(plain)[key]
    exact = whole if name == "packed" else whole.astype(np.float32)
    assert value.dtype == exact.dtype and np.array_equal(value, exact), name
    if name == "packed":
        with h5py.File(trajectory(folder, 0) + ".h5md", "r") as file:
            stored = file["particles/all/position/value"]
            assert stored.compression == "gzip" and stored.shuffle


@pytest.mark.full
def test_mdanalysis_reads_other_precision_and_packing(variant):
    for r in range(2):
        check_mdanalysis(trajectory(variant[1], r) + ".h5md")


def test_other_dimensions_have_no_sidecar(folder):
    simulate(folder, tokens_dim=5, tokens_count=20)
    check_h5md(trajectory(folder, 0) + ".h5md", len(STEPS), 20, 5)
    assert not os.path.exists(trajectory(folder, 0) + ".xmf")


def test_results_may_have_any_name_in_any_folder(folder, plain):
    simulate(folder, output_file="out/my.run.h5", check=False)
    os.makedirs("out")
    simulate(folder, output_file="out/my.run.h5")
    assert not same_bits(everything(plain), everything("out", "my.run"))
    with h5py.File("out/my.run.h5", "r") as file:
        assert file["particles/realization_00001/position/value"].shape == (len(STEPS), N, 3)


@pytest.fixture(scope="module")
def weighted(tmp_path_factory):
    """The trajectory of tokens with weights."""
    folder = tmp_path_factory.mktemp("weighted")
    simulate(folder, tokens_count=800, tokens_init="quadrature", ensemble_realizations=2)
    return trajectory(folder, 0) + ".h5md"


def test_weights_are_recorded_as_mass(weighted):
    with h5py.File(weighted, "r") as file:
        mass, x = file["particles/all/mass"][()], file["particles/all/position/value"][0]
    assert mass.shape == (800,) and abs(mass.sum() - 1) < 1e-13
    assert mass.min() > 0 and mass.max() > 1.01 * mass.min()
    assert np.abs(mass @ x).max() < 1e-13
    assert np.abs((mass * x.T) @ x - np.eye(3) / 3).max() < 1e-13


@pytest.mark.full
def test_mdanalysis_reads_weighted_tokens(weighted):
    check_mdanalysis(weighted)


def test_results_are_replaced_only_when_asked(folder, plain):
    shutil.copytree(plain, folder, dirs_exist_ok=True)
    before = everything(folder)
    for keys in ({}, dict(output_trajectories=0)):
        done = simulate(folder, check=False, ensemble_seed=8, **keys)
        assert done.returncode == 2 and "output_file = simulate.h5" in done.stderr, done.stderr
        assert "output_overwrite" in done.stderr, done.stderr
        assert not same_bits(before, everything(folder))
    os.rename("simulate.h5", "kept.h5")
    done = simulate(folder, check=False)
    assert done.returncode == 2, done.stderr
    assert "realization_00000.h5md exists already" in done.stderr, done.stderr
    assert not os.path.exists("simulate.h5")
    os.rename("kept.h5", "simulate.h5")
    simulate(folder, output_overwrite=True)
    assert not same_bits(before, everything(folder))
    simulate(folder, output_overwrite=True, ensemble_seed=8)
    assert same_bits(before, everything(folder))
    assert not [name for name in os.listdir() if name.endswith(".tmp")]


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A run that was killed after 18 steps, of a quarter of a second each. Trajectories are flushed
    every second: after steps 5, 11 and 16."""
    folder = tmp_path_factory.mktemp("killed")
    keys = dict(RUN, output_every=1, output_trajectories=1, ensemble_realizations=1)
    hook = "-1 -1 0 clock=0.25; 0 18 0 kill"
    done = chorale(["simulate"] + options(**keys), cwd=folder, hook=hook, check=False)
    assert done.returncode == -9, done
    assert not os.path.exists(folder / "simulate.h5")
    return trajectory(folder, 0)


def test_the_trajectory_of_a_killed_run_opens(killed):
    """And the frames that it calls valid are there."""
    collection = xml.parse(killed + ".xmf").getroot().find("Domain/Grid")
    with h5py.File(killed + ".h5md", "r") as file:
        position = file["particles/all/position"]
        valid = position.attrs["frames_valid"]
        assert valid == 17 and all(
            len(position[name]) == valid for name in ("step", "time", "value")
        )
        assert valid / 2 <= len(collection.findall("Grid")) <= valid
        assert np.array_equal(position["step"][:valid], np.arange(valid))
        assert np.abs(np.linalg.norm(position["value"][:valid], axis=2) - 1).max() < 1e-12


@pytest.mark.full
def test_mdanalysis_reads_the_trajectory_of_a_killed_run(killed):
    """No frame but those that were written."""
    check_mdanalysis(killed + ".h5md")


@pytest.mark.parametrize("ranks", [1, 3])
def test_the_origin_has_the_checksum_of_the_tokens(folder, ranks):
    """Of a file of several MiB, of which each rank reads a part."""
    np.save("tokens.npy", np.random.default_rng(5).normal(size=(150001, 3)))
    keys = {"tokens_init": "file", "tokens_file": "tokens.npy", "tokens_dim": 3, "layers_depth": 1}
    noise = {"attention_type": "none", "noise_type": "spectral", "noise_degree": 2}
    chorale(["simulate"] + options(**keys, **noise, output_file="some.h5"), ranks)
    with open("tokens.npy", "rb") as file, h5py.File("some.h5", "r") as results:
        found = results["provenance"].attrs["tokens_file_crc32"]
        assert found.decode() == f"{zlib.crc32(file.read()):08x}"
