"""The files of `simulate`: the results file, H5MD trajectories and XMF sidecars, as other programs see them."""
import csv
import os
import subprocess
import sys
import tempfile
import time
import warnings
import xml.etree.ElementTree as xml

import h5py
import numpy as np

from run import CHORALE, chorale, datasets, options, same_bits

warnings.filterwarnings("ignore")
import MDAnalysis  # noqa: E402

N, L, T, R = 300, 20, 2.0, 5
RUN = dict(tokens_count=N, tokens_dim=3, layers_depth=L, layers_horizon=T, mlp_width=64, ensemble_realizations=R, ensemble_seed=7,
           attention_beta=2, output_every=3, output_trajectories=2)
STEPS = [0, 3, 6, 9, 12, 15, 18, 20]
SIZES = dict(energy=(), order=(), cosine_mean=(), cosine_hist=(64,), nematic=(), clusters=())


def simulate(folder, ranks=2, check=True, **more):
    os.makedirs(folder, exist_ok=True)
    return chorale(["simulate"] + options(**{**RUN, **more}), ranks=ranks, cwd=folder, check=check)


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def check_h5md(path, frames, count, dim):
    """The rules of H5MD 1.1 for what a trajectory file holds."""
    with h5py.File(path, "r") as file:
        assert list(file["h5md"].attrs["version"]) == [1, 1] and file["h5md"].attrs["version"].dtype.kind == "i"
        for group, names in (("author", ["name"]), ("creator", ["name", "version"])):
            for name in names:
                attribute = file[f"h5md/{group}"].attrs.get_id(name)
                assert attribute.shape == () and attribute.dtype.kind == "S", (group, name)
                assert text(file[f"h5md/{group}"].attrs[name])
        groups = [name for name in file if name not in ("h5md", "particles", "observables", "connectivity", "parameters")]
        assert not groups, groups
        for particles in file["particles"].values():
            box = particles["box"]
            assert box.attrs["dimension"] == dim and np.ndim(box.attrs["dimension"]) == 0
            boundary = [text(b) for b in box.attrs["boundary"]]
            assert boundary == ["none"] * dim, boundary
            position = particles["position"]
            assert set(position) == {"step", "time", "value"}
            assert position["step"].shape == position["time"].shape == (frames,) and position["step"].dtype.kind == "i"
            assert position["value"].shape == (frames, count, dim) and position["value"].dtype.kind == "f"
            steps, times = position["step"][()], position["time"][()]
            assert (np.diff(steps) > 0).all() and (np.diff(times) > 0).all()
            assert position.attrs["frames_valid"] == frames
            assert position["value"].chunks == (1, min(count, 256), dim)
            assert np.abs(np.linalg.norm(position["value"][()], axis=2) - 1).max() < 1e-6


def check_xmf(path, h5md):
    """Walks the sidecar as a reader would: every hyperslab, read from the file it names, gives the frame's points."""
    collection = xml.parse(path).getroot().find("Domain/Grid")
    assert collection.get("GridType") == "Collection" and collection.get("CollectionType") == "Temporal"
    with h5py.File(h5md, "r") as file:
        times, value = file["particles/all/position/time"][()], file["particles/all/position/value"][()]
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
        first, stride, count, extent = (np.array(part.split(), dtype=int) for part in slab.split(":"))
        assert not os.path.isabs(name)
        with h5py.File(os.path.join(os.path.dirname(path), name), "r") as file:
            stored = file[dataset]
            assert list(stored.shape) == list(extent)
            assert stored.dtype.itemsize == int(data.get("Precision"))
            part = stored[tuple(slice(a, a + b * c, b) for a, b, c in zip(first, stride, count))]
        shape = [int(n) for n in data.get("Dimensions").split()]
        assert np.array_equal(part.reshape(shape), positions)


def check_mdanalysis(path):
    with h5py.File(path, "r") as file:
        position = file["particles/all/position"]
        value, times, steps = position["value"][()], position["time"][()], position["step"][()]
    universe = MDAnalysis.Universe(path, n_atoms=value.shape[1], convert_units=False)
    assert len(universe.trajectory) == len(value)
    for frame, expected, time_, step in zip(universe.trajectory, value, times, steps):
        assert np.array_equal(frame.positions, expected.astype(np.float32))
        assert frame.time == time_ and frame.data["step"] == step


def check_results(path):
    """Shapes, statistics, and the observables against the recorded positions."""
    with h5py.File(path, "r") as file:
        for name, size in SIZES.items():
            group = file[f"observables/{name}"]
            assert list(group["step"]) == STEPS and np.allclose(group["time"], np.array(STEPS) * T / L, rtol=1e-15)
            value = group["value"][()]
            assert value.shape == (len(STEPS), R) + size and text(group["value"].attrs["unit"]) and text(group["value"].attrs["description"])
            mean, sem = file[f"ensemble/{name}/mean"][()], file[f"ensemble/{name}/sem"][()]
            assert np.allclose(mean, value.mean(axis=1), rtol=1e-13, atol=1e-15)
            assert np.allclose(sem, value.std(axis=1, ddof=1) / np.sqrt(R), rtol=1e-9, atol=1e-15)
        for name, column in dict(energy="energy", order="order", cosine_mean="cosine").items():
            for what in ("mean", "sem"):
                assert np.array_equal(file[f"study/simulate/{column}_{what}"], file[f"ensemble/{name}/{what}"])
        assert list(file["study/simulate/step"]) == STEPS
        for r in range(2):
            assert isinstance(file["particles"].get(f"realization_{r:05d}", getlink=True), h5py.ExternalLink)
            x = file[f"particles/realization_{r:05d}/position/value"][()]
            gram = np.einsum("tic,tjc->tij", x, x)
            energy = 0.5 * (np.exp(2) - np.exp(2 * gram)).mean(axis=(1, 2))
            # attention_tol = 1e-12 bounds the kernel's error at maximum 1, so e^beta / 2 times that the energy's
            assert np.abs(file["observables/energy/value"][:, r] - energy).max() < 0.5 * np.exp(2) * 1e-12 + 1e-14
            assert np.abs(file["observables/order/value"][:, r] - np.linalg.norm(x.mean(axis=1), axis=1)).max() < 1e-13
            nematic = np.linalg.eigvalsh(np.einsum("tic,tid->tcd", x, x) / N)[:, -1]
            assert np.abs(file["observables/nematic/value"][:, r] - nematic).max() < 1e-13
        assert float(file["parameters"].attrs["attention_beta"]) == 2 and int(file["parameters"].attrs["tokens_count"]) == N
        for name in ("version", "revision", "compiler", "flags", "ranks", "host", "date", "command_line"):
            assert text(file["provenance"].attrs[name]), name
        assert int(file["provenance"].attrs["ranks"]) == 2


def check_csv(path, results):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    with h5py.File(results, "r") as file:
        for name, column in file["study/simulate"].items():
            assert np.array_equal([float(row[name]) for row in rows], column[()]), name
    assert list(rows[0]) == "step,time,energy_mean,energy_sem,order_mean,order_sem,cosine_mean,cosine_sem".split(",")


def everything(folder, name="simulate"):
    """All numbers of a run: results and trajectories."""
    found = datasets(f"{folder}/{name}.h5")
    for r in range(2):
        found |= {f"{r}/{key}": value for key, value in datasets(f"{folder}/{name}/realization_{r:05d}.h5md", skip=()).items()}
    return found


def reads_as_usual(top):
    folder = f"{top}/plain"
    done = simulate(folder, output_table="rows.csv")
    assert "energy_mean" in done.stdout
    assert sorted(os.listdir(folder)) == ["rows.csv", "simulate", "simulate.h5"]
    assert sorted(os.listdir(f"{folder}/simulate")) == [f"realization_0000{r}.{e}" for r in range(2) for e in ("h5md", "xmf")]
    for file in ["simulate.h5"] + [f"simulate/realization_0000{r}.h5md" for r in range(2)]:
        subprocess.run(["h5dump", file], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    check_results(f"{folder}/simulate.h5")
    check_csv(f"{folder}/rows.csv", f"{folder}/simulate.h5")
    for r in range(2):
        path = f"{folder}/simulate/realization_{r:05d}"
        check_h5md(path + ".h5md", len(STEPS), N, 3)
        check_xmf(path + ".xmf", path + ".h5md")
        check_mdanalysis(path + ".h5md")


def deck_runs_as_it_stands(top):
    with h5py.File(f"{top}/plain/simulate.h5", "r") as file:
        deck = text(file["parameters/deck"][()])
    os.makedirs(f"{top}/again")
    with open(f"{top}/again/deck.yaml", "w") as file:
        file.write(deck)
    chorale(["simulate", "deck.yaml"], cwd=f"{top}/again")
    assert not same_bits(everything(f"{top}/plain"), everything(f"{top}/again"))


def variants(top):
    plain = everything(f"{top}/plain")
    for name, change in dict(single=dict(output_precision="single"), packed=dict(output_compress=4),
                             both=dict(output_precision="single", output_compress=9)).items():
        simulate(f"{top}/{name}", ranks=4, ensemble_groups=2, **change)
        for r in range(2):
            path = f"{top}/{name}/simulate/realization_{r:05d}"
            check_h5md(path + ".h5md", len(STEPS), N, 3)
            check_xmf(path + ".xmf", path + ".h5md")
            check_mdanalysis(path + ".h5md")
        key = "1/particles/all/position/value"
        value = everything(f"{top}/{name}")[key]
        exact = plain[key] if name == "packed" else plain[key].astype(np.float32)
        assert value.dtype == exact.dtype and np.array_equal(value, exact), name
    with h5py.File(f"{top}/packed/simulate/realization_00000.h5md", "r") as file:
        assert file["particles/all/position/value"].compression == "gzip" and file["particles/all/position/value"].shuffle
    simulate(f"{top}/d5", tokens_dim=5, tokens_count=20)
    check_h5md(f"{top}/d5/simulate/realization_00000.h5md", len(STEPS), 20, 5)
    assert not os.path.exists(f"{top}/d5/simulate/realization_00000.xmf")
    simulate(f"{top}/named", output_file="out/my.run.h5", check=False)
    os.makedirs(f"{top}/named/out")
    simulate(f"{top}/named", output_file="out/my.run.h5")
    assert not same_bits(plain, everything(f"{top}/named/out", "my.run"))
    with h5py.File(f"{top}/named/out/my.run.h5", "r") as file:
        assert file["particles/realization_00001/position/value"].shape == (len(STEPS), N, 3)


def weights_are_recorded(top):
    simulate(f"{top}/weights", tokens_count=800, tokens_init="quadrature", ensemble_realizations=2)
    path = f"{top}/weights/simulate/realization_00000.h5md"
    check_mdanalysis(path)
    with h5py.File(path, "r") as file:
        mass, x = file["particles/all/mass"][()], file["particles/all/position/value"][0]
    assert mass.shape == (800,) and abs(mass.sum() - 1) < 1e-13 and mass.min() > 0 and mass.max() > 1.01 * mass.min()
    assert np.abs(mass @ x).max() < 1e-13 and np.abs((mass * x.T) @ x - np.eye(3) / 3).max() < 1e-13


def overwriting(top):
    folder = f"{top}/plain"
    before = everything(folder)
    for options_, file in ((dict(), "simulate.h5"), (dict(output_trajectories=0), "simulate.h5")):
        done = simulate(folder, check=False, ensemble_seed=8, **options_)
        assert done.returncode == 2 and "output_file = simulate.h5" in done.stderr and "output_overwrite" in done.stderr, done.stderr
        assert not same_bits(before, everything(folder))
    os.rename(f"{folder}/simulate.h5", f"{folder}/kept.h5")
    done = simulate(folder, check=False)
    assert done.returncode == 2 and "realization_00000.h5md exists already" in done.stderr, done.stderr
    assert not os.path.exists(f"{folder}/simulate.h5")
    os.rename(f"{folder}/kept.h5", f"{folder}/simulate.h5")
    simulate(folder, output_overwrite=True)
    assert not same_bits(before, everything(folder))
    simulate(folder, output_overwrite=True, ensemble_seed=8)
    assert same_bits(before, everything(folder))
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


def others_files_stay(top):
    """Neither results nor tables take the place of what is not their own, also where a job script always resumes."""
    folder = f"{top}/others"
    os.makedirs(folder)
    small = dict(tokens_count=16, layers_depth=4, mlp_width=8, ensemble_realizations=1, output_trajectories=0)
    simulate(folder, ranks=1, **small, output_file="run.h5", output_table="run.csv")
    with h5py.File(f"{folder}/tokens.h5", "w") as file:
        file["tokens"] = np.eye(3)
    np.save(f"{folder}/tokens.npy", np.random.default_rng(1).normal(size=(16, 3)))
    with open(f"{folder}/mine.csv", "w") as file:
        file.write("x,y\n1,2\n")
    with open(f"{folder}/run.h5.tmp", "w") as file:
        file.write("of a job that runs")
    os.mkfifo(f"{folder}/fifo")
    os.makedirs(f"{folder}/new")

    def snapshot():
        found = {}
        for name in os.listdir(folder):
            status = os.stat(f"{folder}/{name}")
            found[name] = (status.st_mode, status.st_ino, status.st_mtime_ns)
        return found

    before = snapshot()
    resume = dict(small, checkpoint_resume=True)
    read = dict(small, tokens_init="file", tokens_file="tokens.npy", output_file="new.h5", output_overwrite=True)
    for what, words, keys in (("output_file = tokens.h5", ["simulate"], dict(resume, output_file="tokens.h5")),
                              ("output_file = tokens.npy", ["simulate"], dict(resume, output_file="tokens.npy")),
                              ("mlp_width = 9: run.h5 was made with 8", ["simulate"], dict(resume, output_file="run.h5", mlp_width=9)),
                              ("run.h5 was made with", ["sync", "-sync_map"], dict(checkpoint_resume=True, output_file="run.h5")),
                              ("is also the tokens_file", ["simulate"], dict(read, output_table="./tokens.npy")),
                              ("no earlier table", ["simulate"], dict(read, output_table="mine.csv")),
                              ("no earlier table", ["simulate"], dict(read, output_table="run.h5")),
                              ("new is for trajectories", ["simulate"], dict(read, output_table="new/t.csv")),
                              ("not a regular file", ["simulate"], dict(read, output_table="fifo")),
                              ("not a regular file", ["kernel"], dict(output_table="/dev/null")),
                              ("no earlier table", ["kernel"], dict(output_table="run.csv")),
                              (None, ["simulate", "-dry_run"], dict(small, output_file="run.h5", output_overwrite=True, output_table="run.csv"))):
        done = subprocess.run([CHORALE] + words + options(**{**(RUN if words[0] == "simulate" else {}), **keys}), cwd=folder, capture_output=True, text=True,
                              timeout=60)
        assert (done.returncode, done.stderr) == (0, "") if what is None else done.returncode == 2 and what in done.stderr, (what, done.stderr)
        assert snapshot() == before, what
    done = simulate(folder, ranks=2, **dict(resume, output_file="run.h5"))
    assert "complete: nothing is left" in done.stdout and snapshot() == before, done.stdout
    open(f"{folder}/empty.csv", "w").close()
    simulate(folder, ranks=2, **dict(small, output_file="run.h5", output_overwrite=True, output_table="empty.csv", output_every=2))
    simulate(folder, ranks=2, **dict(resume, output_file="tokens.h5", output_overwrite=True, output_table="empty.csv"))
    with open(f"{folder}/empty.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 and all(row["energy_mean"] and row["energy_sem"] == "" for row in rows), rows  # one realization has no error
    with h5py.File(f"{folder}/tokens.h5", "r") as file:
        assert np.isnan(file["ensemble/energy/sem"][()]).all() and np.isnan(file["study/simulate/energy_sem"][()]).all()
    assert os.stat(f"{folder}/empty.csv").st_mode & 0o777 == os.stat(f"{folder}/mine.csv").st_mode & 0o777  # what umask says


def table_comes_before_complete(top):
    """A table that cannot be written leaves results that are not complete: resuming writes it."""
    for study, keys in (("simulate", dict(tokens_count=64, layers_depth=60, output_every=20, mlp_width=64, ensemble_realizations=1, output_trajectories=0)),
                        ("chaos", dict(tokens_count="16,32", layers_depth=60, mlp_width=64, ensemble_realizations=1))):
        folder = f"{top}/table-{study}"
        os.makedirs(f"{folder}/tables")
        keys = dict(keys, output_file="run.h5", output_table="tables/t.csv", checkpoint_every=1, checkpoint_resume=True, progress="off")
        process = subprocess.Popen([CHORALE, study] + options(**keys), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while not os.path.exists(f"{folder}/run/checkpoint.h5"):
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.002)
        os.rmdir(f"{folder}/tables")
        _, error = process.communicate(timeout=100)
        assert process.returncode == 1 and "output_table = tables/t.csv" in error, (process.returncode, error)
        os.makedirs(f"{folder}/tables")
        done = chorale([study] + options(**keys), cwd=folder)
        assert "goes on from" in done.stdout and os.path.exists(f"{folder}/tables/t.csv"), done.stdout


def refusals_leave_nothing(top):
    os.makedirs(f"{top}/bad/simulate.h5")
    open(f"{top}/bad/taken", "w").close()
    for change in (dict(output_file="missing/x.h5"), dict(output_file="/proc/x.h5"), dict(output_file="x"), dict(output_file=".h5"),
                   dict(), dict(output_file="taken.h5", output_trajectories=1), dict(output_file="x.h5", output_trajectories=R + 1),
                   dict(output_file="x.h5", output_table="missing/x.csv"), dict(output_file="x.h5/")):
        done = simulate(f"{top}/bad", check=False, **change)
        lines = [line for line in done.stderr.splitlines() if line.startswith("chorale: ")]
        assert done.returncode == 2 and len(lines) == 1 and lines[0].startswith("chorale: output_"), (change, done.stderr)
        assert sorted(os.listdir(f"{top}/bad")) == ["simulate.h5", "taken"], change
    assert os.listdir(f"{top}/bad/simulate.h5") == []


def killed_trajectory_opens(top):
    """kill -9 in the middle: the trajectory opens, and the frames that it calls valid are there."""
    folder = f"{top}/killed"
    os.makedirs(folder)
    path = f"{folder}/simulate/realization_00000.h5md"
    words = options(**{**RUN, "layers_depth": 10**5, "output_every": 1, "output_trajectories": 1,
                       "ensemble_realizations": 1})
    process = subprocess.Popen([CHORALE, "simulate"] + words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.time() + 60
    while time.time() < end and process.poll() is None and not os.path.exists(path):
        time.sleep(0.1)
    time.sleep(2.5)
    assert process.poll() is None, process.returncode
    process.kill()
    process.wait()
    check_mdanalysis(path)  # no frame but those that were written
    collection = xml.parse(path.replace(".h5md", ".xmf")).getroot().find("Domain/Grid")
    with h5py.File(path, "r") as file:
        position = file["particles/all/position"]
        valid = position.attrs["frames_valid"]
        assert valid >= 2 and all(position[name].shape[0] == valid for name in ("step", "time", "value"))
        assert valid / 2 <= len(collection.findall("Grid")) <= valid
        assert np.array_equal(position["step"][:valid], np.arange(valid))
        assert np.abs(np.linalg.norm(position["value"][:valid], axis=2) - 1).max() < 1e-12
    assert not os.path.exists(f"{folder}/simulate.h5")


def main():
    with tempfile.TemporaryDirectory() as top:
        for test in (reads_as_usual, deck_runs_as_it_stands, variants, weights_are_recorded, overwriting, others_files_stay,
                     table_comes_before_complete, refusals_leave_nothing, killed_trajectory_opens):
            start = time.time()
            test(top)
            print(f"{test.__name__}: ok ({time.time() - start:.1f} s)", flush=True)


sys.exit(main())
