"""The job scripts on a real Slurm: to the end through signals, time limits and requeues, arrays, a chain of sweep, merge and
picture, and scaling; results are those of a run that was never interrupted, bit for bit. Skipped where Slurm is not installed."""
import os
import shutil
import signal
import subprocess
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


def wait_for_file(cluster, job, path, folder):
    end = time.monotonic() + 120
    while not os.path.exists(path):
        assert time.monotonic() < end and cluster.states(job)[0] in ("PENDING", "CONFIGURING", "RUNNING"), log_of(folder)
        time.sleep(0.02)


def killed_rank(cluster, top, reference):
    """One rank of two is killed: the job fails, soon, instead of waiting for it; submitted again it goes on to the same bits."""
    folder = f"{top}/killed"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    words = ("--ntasks", 2, "jobs/simulate.sbatch", *options(**RUN, output_file="run.h5", checkpoint_every=50))
    cluster.environment["CHORALE_LAUNCH"] = "srun --mpi=pmix --wait=2"  # jobs/common.sh says a minute
    job = cluster.submit(*words, cwd=folder)
    wait_for_file(cluster, job, f"{folder}/run/checkpoint.h5", folder)
    ranks = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/cwd") == os.path.realpath(folder) and os.path.samefile(f"/proc/{pid}/exe", CHORALE):
                ranks.append(int(pid))
        except OSError:
            pass
    assert len(ranks) == 2, ranks
    os.kill(max(ranks), signal.SIGKILL)
    assert cluster.wait_for(job, seconds=60) == ["FAILED"], log_of(folder)
    job = cluster.submit(*words, cwd=folder)
    expect_complete(cluster.wait_for(job), folder)
    expect_same(f"{folder}/run.h5", reference, folder)
    assert "goes on from" in log_of(folder), log_of(folder)
    del cluster.environment["CHORALE_LAUNCH"]


def without_checkpoints(cluster, top):
    """Studies that have none run like any other."""
    folder = f"{top}/plain"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    chorale(["simulate"] + options(tokens_count=20, layers_depth=4, mlp_width=8, output_trajectories=1, output_file="run.h5"), cwd=folder)
    for words in (("kernel", "-tokens_dim", "3,5"), ("analyze", "-analyze_file", "run.h5")):
        table = f"{words[0]}.csv"
        job = cluster.submit("--ntasks", 2, "jobs/study.sbatch", *words, "-output_table", table, cwd=folder)
        expect_complete(cluster.wait_for(job), folder)
        assert os.path.exists(f"{folder}/{table}"), log_of(folder)


def signal_and_requeue(cluster, top, reference):
    """A signal in the middle: checkpoint, requeue, on to the same bits; and submitting again says that it is complete."""
    folder = f"{top}/signal"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    words = ("--ntasks", 2, "jobs/simulate.sbatch", *options(**RUN, output_file="run.h5", checkpoint_every=50))
    job = cluster.submit(*words, cwd=folder)
    wait_for_file(cluster, job, f"{folder}/run/checkpoint.h5", folder)
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


def signal_at_an_end():
    """A signal that comes when one run is just ending and the next has not begun is not lost: nothing more begins. Nor does it end the script."""
    ending = "source jobs/common.sh; launch bash -c 'trap \"exit 0\" USR1; kill -USR1 $PPID; sleep 5 & wait'; echo $?; launch echo begun || echo $?"
    between = "source jobs/common.sh; launch true; echo $?; kill -USR1 $$; launch echo begun || echo $?"
    for script in (ending, between):
        done = subprocess.run(["bash", "-c", script], cwd=SOURCE, timeout=60, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "0\n85\n", ""), done


def sweep_merge_plot(cluster, top):
    """Three seeds as an array, merged and drawn through dependencies: with blank lines, a name that a shell must not read, and what an older
    sweep left. Where a task fails nothing waits for it."""
    folder, directory = f"{top}/chain", "one's sweep"
    os.makedirs(f"{folder}/{directory}")
    with open(f"{folder}/{directory}/task_0009.h5", "w", encoding="ascii") as file:
        file.write("of an older sweep\n")
    with open(f"{folder}/sweep.txt", "w", encoding="ascii") as file:
        file.write("-ensemble_seed 1\n\n-ensemble_seed 2\n-ensemble_seed 3\n \n")
    keys = {**RUN, "layers_depth": 60, "output_every": 20, "ensemble_realizations": 2}
    cluster.environment["SBATCH_OPTIONS"] = "--ntasks 1"
    chain = (f"{SOURCE}/jobs/chain.sh", "sweep.txt", directory, "simulate")
    said = cluster.run(*chain, *map(str, options(**keys)), cwd=folder)
    numbers = [word.strip(",") for word in said.split() if word.strip(",").isdigit()]
    for job in numbers:
        expect_complete(cluster.wait_for(job), folder)
    merged = datasets(f"{folder}/{directory}/simulate.h5")
    assert merged["observables/energy/value"].shape[1] == 6
    for seed in (1, 2, 3):
        chorale(["simulate"] + options(**keys, ensemble_seed=seed, output_file=f"{seed}.h5"), cwd=folder)
        alone = datasets(f"{folder}/{seed}.h5")["observables/energy/value"]
        assert (merged["observables/energy/value"][:, 2 * seed - 2:2 * seed] == alone).all()
    assert os.path.getsize(f"{folder}/{directory}/simulate.png") > 20000
    said = cluster.run(*chain, "-tokens_count", "0", cwd=folder)
    array, merge, plot = [word.strip(",") for word in said.split() if word.strip(",").isdigit()]
    assert set(cluster.wait_for(array)) == {"FAILED"} and cluster.wait_for(merge) == ["CANCELLED"] and cluster.wait_for(plot) == ["CANCELLED"]


def scaling_tables(cluster, top):
    """What is measured stays: a job that runs out of time measures the rest when it comes back, and the same job again measures nothing."""
    folder = f"{top}/scaling"
    shutil.copytree(f"{SOURCE}/jobs", f"{folder}/jobs")
    cluster.environment.update(SCALING_TOKENS="2048", SCALING_STEPS="400")
    words = ("--ntasks", 2, "jobs/scaling.sbatch", *options(noise_type="spectral", scheme_type="euler", noise_degree=8))
    job = cluster.submit(*words, cwd=folder)
    end = time.monotonic() + 120
    while not os.path.isdir(f"{folder}/scaling") or not any(name.endswith(".txt") for name in os.listdir(f"{folder}/scaling")):
        assert time.monotonic() < end, log_of(folder)
        time.sleep(0.02)
    cluster.run("scancel", "--signal=USR1", "--batch", job)
    expect_complete(cluster.wait_for(job), folder)
    assert int(cluster.job(job)["Restarts"]) == 1 and "back into the queue" in log_of(folder), log_of(folder)
    again = cluster.submit(*words, cwd=folder)
    expect_complete(cluster.wait_for(again), folder)
    (name,) = os.listdir(f"{folder}/scaling")  # no scratch is left
    with open(f"{folder}/scaling/{name}", encoding="ascii") as file:
        assert [line.split()[:2] for line in file] == [["strong", "1"], ["strong", "2"], ["weak", "1"], ["weak", "2"]]
    with open(f"{folder}/scaling-{again}.log", encoding="utf-8") as file:
        text = file.read()
    rows = [line for line in text.splitlines() if line.endswith("%")]
    assert len(rows) == 4 and "strong scaling" in text and "weak scaling" in text, text


def main():
    signal_at_an_end()  # needs no Slurm
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
            killed_rank(cluster, top, reference)
            out_of_time(cluster, top, reference)
            without_checkpoints(cluster, top)
            sweep_merge_plot(cluster, top)
            scaling_tables(cluster, top)
    return 0


if __name__ == "__main__":
    sys.exit(main())
