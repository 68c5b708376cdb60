"""The files of `simulate`: the results file, H5MD trajectories and XMF sidecars, as other programs
see them."""

import csv
import os
import shutil
import subprocess
import xml.etree.ElementTree as xml

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


<<<<<<< HEAD
SMALL = dict(
    tokens_count=16, layers_depth=4, mlp_width=8, ensemble_realizations=1, output_trajectories=0
)
RESUME = dict(SMALL, checkpoint_resume=True)
READ = dict(
    SMALL, tokens_init="file", tokens_file="tokens.npy", output_file="new.h5", output_overwrite=True
)


def make_others(folder):
    """Results of another run and files that are not chorale's."""
    simulate(folder, ranks=1, **SMALL, output_file="run.h5", output_table="run.csv")
    with h5py.File(f"{folder}/tokens.h5", "w") as file:
        file["tokens"] = np.eye(3)
    np.save(f"{folder}/tokens.npy", np.random.default_rng(1).normal(size=(16, 3)))
    with open(f"{folder}/mine.csv", "w", encoding="ascii") as file:
        file.write("x,y\n1,2\n")
    with open(f"{folder}/run.h5.tmp", "w", encoding="ascii") as file:
        file.write("of a job that runs")
    os.mkfifo(f"{folder}/fifo")
    os.makedirs(f"{folder}/new")


def snapshot(folder):
    found = {}
    for name in os.listdir(folder):
        status = os.stat(f"{folder}/{name}")
        found[name] = (status.st_mode, status.st_ino, status.st_mtime_ns)
    return found


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    folder = tmp_path_factory.mktemp("others")
    make_others(folder)
    return folder


@pytest.mark.parametrize(
    "what, words, keys",
    (
        ("output_file = tokens.h5", ["simulate"], dict(RESUME, output_file="tokens.h5")),
        ("output_file = tokens.npy", ["simulate"], dict(RESUME, output_file="tokens.npy")),
        (
            "mlp_width = 9: run.h5 was made with 8",
            ["simulate"],
            dict(RESUME, output_file="run.h5", mlp_width=9),
        ),
        (
            "run.h5 was made with",
            ["sync", "-sync_map"],
            dict(checkpoint_resume=True, output_file="run.h5"),
        ),
        ("is also the tokens_file", ["simulate"], dict(READ, output_table="./tokens.npy")),
        ("no earlier table", ["simulate"], dict(READ, output_table="mine.csv")),
        ("no earlier table", ["simulate"], dict(READ, output_table="run.h5")),
        ("new is for trajectories", ["simulate"], dict(READ, output_table="new/t.csv")),
        ("not a regular file", ["simulate"], dict(READ, output_table="fifo")),
        ("not a regular file", ["kernel"], dict(output_table="/dev/null")),
        ("no earlier table", ["kernel"], dict(output_table="run.csv")),
        (
            None,
            ["simulate", "-dry_run"],
            dict(SMALL, output_file="run.h5", output_overwrite=True, output_table="run.csv"),
        ),
    ),
)
def test_files_of_others_stay(others, what, words, keys):
    """Neither results nor tables take their place, also where a job script always resumes."""
    before = snapshot(others)
    base = RUN if words[0] == "simulate" else {}
    done = chorale(words + options(**{**base, **keys}), cwd=others, check=False)
    if what is None:
        assert (done.returncode, done.stderr) == (0, "")
    else:
        assert done.returncode == 2 and what in done.stderr, done
    assert snapshot(others) == before


def test_results_and_tables_take_the_place_of_their_own_kind(folder):
    make_others(folder)
    before = snapshot(folder)
    done = simulate(folder, ranks=2, **dict(RESUME, output_file="run.h5"))
    assert "complete: nothing is left" in done.stdout and snapshot(folder) == before, done.stdout
    (folder / "empty.csv").touch()
    keys = dict(output_overwrite=True, output_table="empty.csv")
    simulate(folder, ranks=2, **dict(SMALL, **keys, output_file="run.h5", output_every=2))
    simulate(folder, ranks=2, **dict(RESUME, **keys, output_file="tokens.h5"))
    with open("empty.csv", newline="", encoding="ascii") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3, rows
    # one realization has no error
    assert all(row["energy_mean"] and row["energy_sem"] == "" for row in rows), rows
    with h5py.File("tokens.h5", "r") as file:
        assert np.isnan(file["ensemble/energy/sem"][()]).all()
        assert np.isnan(file["study/simulate/energy_sem"][()]).all()
    made, mine = (os.stat(name).st_mode & 0o777 for name in ("empty.csv", "mine.csv"))
    assert made == mine  # what umask says


@pytest.mark.parametrize(
    "study, keys",
    (
        ("simulate", dict(tokens_count=64, output_every=20, output_trajectories=0)),
        ("chaos", dict(tokens_count="16,32")),
    ),
)
def test_a_table_that_cannot_be_written_loses_no_results(folder, study, keys):
    """They are complete on disk before it is written."""
    os.makedirs("tables")
    keys = dict(
        keys,
        layers_depth=20,
        mlp_width=64,
        ensemble_realizations=1,
        output_file="run.h5",
        output_table="tables/t.csv",
        checkpoint_every=1,
        checkpoint_resume=True,
        progress="off",
    )
    with running([study] + options(**keys), hook="0 3 0 wait=go") as run:
        run.wait_until_held("go")
        os.rmdir("tables")
        run.release("go")
        done = run.end()
    assert done.returncode == 1 and "output_table = tables/t.csv" in done.stderr, done
    with h5py.File("run.h5", "r") as file:
        assert file["provenance"].attrs["complete"] == b"true"
    os.makedirs("tables")
    done = chorale([study] + options(**keys))
    assert "run.h5 is complete" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def taken(tmp_path_factory):
    """A folder in which names are taken."""
    folder = tmp_path_factory.mktemp("taken")
    (folder / "simulate.h5").mkdir()
    (folder / "taken").touch()
    return folder


@pytest.mark.parametrize(
    "change",
    (
        dict(output_file="missing/x.h5"),
        dict(output_file="/proc/x.h5"),
        dict(output_file="x"),
        dict(output_file=".h5"),
        dict(),
        dict(output_file="taken.h5", output_trajectories=1),
        dict(output_file="x.h5", output_trajectories=R + 1),
        dict(output_file="x.h5", output_table="missing/x.csv"),
        dict(output_file="x.h5/"),
    ),
    ids=str,
)
def test_a_refusal_leaves_nothing(taken, change):
    done = simulate(taken, check=False, **change)
    lines = [line for line in spoken(done) if line.startswith("chorale: ")]
    assert done.returncode == 2 and len(lines) == 1, done.stderr
    assert lines[0].startswith("chorale: output_"), lines
    assert sorted(os.listdir(taken)) == ["simulate.h5", "taken"]
    assert os.listdir(taken / "simulate.h5") == []


=======
>>>>>>> testcli
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
