"""The job scripts on a real Slurm: to the end through signals, time limits and requeues, arrays, a chain of sweep, merge and
picture, and scaling; results are those of a run that was never interrupted, bit for bit. Skipped where Slurm is not installed."""
import os
import shutil
import sys
import tempfile
import time

import slurm
from run import CHORALE, chorale, datasets, options, same_bits

SOURCE = os.environ["CHORALE_SOURCE"]
RUN = dict(tokens_count=300, tokens_dim=3, layers_depth=1500, layers_horizon=2.0, mlp_width=256, ensemble_realizations=3,
           output_every=100, progress="off")
SKIPPED = 77  # ctest's SKIP_RETURN_CODE


def log_of(folder):
    return "".join(open(f"{folder}/{name}", encoding="utf-8", errors="replace").read() for name in sorted(os.listdir(folder)) if name.endswith(".log"))


def expect_complete(found, folder):
    assert found and all(state == "COMPLETED" for state in found), f"{found}\n{log_of(folder)}"


def expect_same(path, reference, folder):
    differing = same_bits(reference, datasets(path))
    assert not differing, f"{path}: {differing}\n{log_of(folder)}"


def signal_and_requeue(cluster, top, reference):
    """A signal in the middle: checkpoint, requeue, on to the same bits; and submitting again says that it is complete."""
    folder = f"{top}/signal"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    words = ("--ntasks", 2, "jobs/simulate.sbatch", *options(**RUN, output_file="run.h5", checkpoint_every=50))
    job = cluster.submit(*words, cwd=folder)
    end = time.monotonic() + 120
    while not os.path.exists(f"{folder}/run/checkpoint.h5"):
        assert time.monotonic() < end and cluster.states(job)[0] in ("PENDING", "CONFIGURING", "RUNNING"), log_of(folder)
        time.sleep(0.02)
    cluster.run("scancel", "--signal=USR1", "--batch", job)
    expect_complete(cluster.wait_for(job), folder)
    assert int(cluster.job(job)["Restarts"]) == 1 and "back into the queue" in log_of(folder), log_of(folder)
    expect_same(f"{folder}/run.h5", reference, folder)
    again = cluster.submit(*words, cwd=folder)
    expect_complete(cluster.wait_for(again), folder)
    assert "complete: nothing is left" in log_of(folder), log_of(folder)


def out_of_time(cluster, top, reference):
    """A run that stops by itself because its time is nearly over, again and again, until it is done."""
    folder = f"{top}/time"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    job = cluster.submit("--ntasks", 1, "--time", "2", "jobs/study.sbatch", "simulate", *options(**RUN, output_file="run.h5", checkpoint_walltime=1), cwd=folder)
    expect_complete(cluster.wait_for(job), folder)
    assert "wall time" in log_of(folder) and int(cluster.job(job)["Restarts"]) >= 1, log_of(folder)
    expect_same(f"{folder}/run.h5", reference, folder)


def sweep_merge_plot(cluster, top):
    """Three seeds as an array, merged and drawn through dependencies."""
    folder = f"{top}/chain"
    os.makedirs(folder)
    with open(f"{folder}/sweep.txt", "w", encoding="ascii") as file:
        file.writelines(f"-ensemble_seed {seed}\n" for seed in (1, 2, 3))
    keys = {**RUN, "layers_depth": 60, "output_every": 20, "ensemble_realizations": 2}
    cluster.environment["SBATCH_OPTIONS"] = "--ntasks 1"
    said = cluster.run(f"{SOURCE}/jobs/chain.sh", "sweep.txt", "sweep", "simulate", *map(str, options(**keys)), cwd=folder)
    numbers = [word.strip(",") for word in said.split() if word.strip(",").isdigit()]
    for job in numbers:
        expect_complete(cluster.wait_for(job), folder)
    merged = datasets(f"{folder}/sweep/simulate.h5")
    assert merged["observables/energy/value"].shape[1] == 6
    for seed in (1, 2, 3):
        chorale(["simulate"] + options(**keys, ensemble_seed=seed, output_file=f"{seed}.h5"), cwd=folder)
        alone = datasets(f"{folder}/{seed}.h5")["observables/energy/value"]
        assert (merged["observables/energy/value"][:, 2 * seed - 2:2 * seed] == alone).all()
    assert os.path.getsize(f"{folder}/sweep/simulate.png") > 20000


def scaling_tables(cluster, top):
    folder = f"{top}/scaling"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    cluster.environment.update(SCALING_TOKENS="2048", SCALING_STEPS="5")
    job = cluster.submit("--ntasks", 2, "jobs/scaling.sbatch", *options(noise_type="spectral", scheme_type="euler", noise_degree=8), cwd=folder)
    expect_complete(cluster.wait_for(job), folder)
    rows = [line for line in log_of(folder).splitlines() if line.endswith("%")]
    assert len(rows) == 4 and "strong scaling" in log_of(folder) and "weak scaling" in log_of(folder), log_of(folder)


def main():
    absent = slurm.missing()
    if absent:
        print(f"skipped: {', '.join(absent)} not installed (tools/install-deps all installs slurm-wlm and munge)")
        return SKIPPED
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)  # munge wants a path that all may walk
        chorale(["simulate"] + options(**RUN, output_file=f"{top}/reference.h5"), ranks=2)
        reference = datasets(f"{top}/reference.h5")
        os.mkdir(f"{top}/slurm")
        with slurm.Slurm(f"{top}/slurm") as cluster:
            cluster.environment["CHORALE"] = CHORALE
            signal_and_requeue(cluster, top, reference)
            out_of_time(cluster, top, reference)
            sweep_merge_plot(cluster, top)
            scaling_tables(cluster, top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
