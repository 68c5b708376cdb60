"""The job scripts on a real Slurm: to the end through signals, time limits and requeues, arrays, a
chain of sweep, merge and picture, and scaling; results are those of a run that was never
interrupted, bit for bit. What happens in the middle of a job is tied to a step of its run. Skipped
where Slurm is not installed."""

import os
import shlex
import stat

import pytest
from run import chorale, datasets, options, same_bits, wait_until

pytestmark = pytest.mark.full

SOURCE = os.environ["CHORALE_SOURCE"]
HOOKED = os.environ["CHORALE_HOOKED"]
RUN = dict(
    tokens_count=300,
    tokens_dim=3,
    layers_depth=24,
    layers_horizon=2.0,
    mlp_width=64,
    ensemble_realizations=3,
    output_every=6,
    progress="off",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    chorale(["simulate"] + options(**RUN, output_file="run.h5"), ranks=2, cwd=folder)
    return datasets(folder / "run.h5")


def log():
    """What the jobs of this folder said."""
    found = ""
    for name in sorted(os.listdir()):
        if name.endswith(".log"):
            with open(name, encoding="utf-8", errors="replace") as file:
                found += file.read()
    return found


def expect_complete(cluster, job):
    found = cluster.wait_for(job)
    assert found and all(state == "COMPLETED" for state in found), f"{found}\n{log()}"


def expect_same(path, reference):
    differing = same_bits(reference, datasets(path))
    assert not differing, f"{differing}\n{log()}"


def wait_for_file(cluster, job, path):
    """Until a run of the job has come so far."""
    running = ("PENDING", "CONFIGURING", "RUNNING")
    wait_until(lambda: os.path.exists(path) or cluster.states(job)[0] not in running, path)
    assert os.path.exists(path), log()


def numbers(said):
    """The jobs that jobs/chain.sh has submitted."""
    return [word.strip(",") for word in said.split() if word.strip(",").isdigit()]


def test_a_signal_puts_a_job_back_into_the_queue(cluster, jobs, whole):
    """In the middle: checkpoint, requeue, on to the same bits; submitted again it is complete."""
    keys = dict(RUN, output_file="run.h5", checkpoint_every=5)
    words = ("--ntasks", 2, "jobs/simulate.sbatch", *options(**keys))
    job = cluster.submit(*words, CHORALE=HOOKED, CHORALE_HOOK="0 6 0 await=held")
    wait_for_file(cluster, job, "held.0")
    cluster.run("scancel", "--signal=USR1", "--batch", job)
    expect_complete(cluster, job)
    assert int(cluster.job(job)["Restarts"]) == 1 and "back into the queue" in log(), log()
    expect_same("run.h5", whole)
    again = cluster.submit(*words)
    expect_complete(cluster, again)
    assert "complete: nothing is left" in log(), log()


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT", "XCPU", "USR1", "USR2"])
def test_a_signal_of_any_kind_under_srun_leaves_a_checkpoint(cluster, folder, whole, name):
    """Every rank gets it; the run ends with 85, and goes on from there to the same bits."""
    keys = dict(RUN, output_file="run.h5", checkpoint_interval=0)
    words = shlex.join([HOOKED, "simulate", *map(str, options(**keys))])
    script = folder / "job.sh"
    script.write_text(f"#!/bin/bash\nsrun --mpi=pmix {words}\necho $? > code\n", encoding="utf-8")
    submit = ("--ntasks", 2, "--output", "job.log", script)
    job = cluster.submit(*submit, CHORALE_HOOK="0 6 -1 await=held")
    for rank in range(2):
        wait_for_file(cluster, job, f"held.{rank}")
    cluster.run("scancel", f"--signal={name}", job)
    cluster.wait_for(job)
    assert (folder / "code").read_text() == "85\n" and os.path.exists("run/checkpoint.h5"), log()
    chorale(["simulate"] + options(**keys, checkpoint_resume=True), ranks=3)
    expect_same("run.h5", whole)


def test_a_killed_rank_fails_the_job(cluster, jobs, whole):
    """The other one does not wait for it; submitted again the job goes on to the same bits."""
    keys = dict(RUN, output_file="run.h5", checkpoint_every=5)
    words = ("--ntasks", 2, "jobs/simulate.sbatch", *options(**keys))
    launch = "srun --mpi=pmix --wait=2"  # jobs/common.sh says a minute
    hook = "checkpoint 2 1 kill"
    job = cluster.submit(*words, CHORALE=HOOKED, CHORALE_HOOK=hook, CHORALE_LAUNCH=launch)
    assert cluster.wait_for(job) == ["FAILED"], log()
    job = cluster.submit(*words)
    expect_complete(cluster, job)
    expect_same("run.h5", whole)
    assert "goes on from" in log(), log()


def test_a_job_whose_time_is_over_stops_by_itself_until_it_is_done(cluster, jobs, whole):
    """Again and again: every step takes 150 s of an hour by the clock of these runs."""
    words = ("--ntasks", 1, "--time", 60, "jobs/study.sbatch", "simulate")
    run = options(**RUN, output_file="run.h5")
    job = cluster.submit(*words, *run, CHORALE=HOOKED, CHORALE_HOOK="-1 -1 0 clock=150")
    expect_complete(cluster, job)
    assert "wall time" in log() and int(cluster.job(job)["Restarts"]) >= 2, log()
    expect_same("run.h5", whole)


def test_studies_without_checkpoints_run_like_any_other(cluster, jobs):
    keys = dict(tokens_count=20, layers_depth=4, mlp_width=8, output_trajectories=1)
    chorale(["simulate"] + options(**keys, output_file="run.h5"))
    for words in (("kernel", "-tokens_dim", "3,5"), ("analyze", "-analyze_file", "run.h5")):
        table = f"{words[0]}.csv"
        script = ("--ntasks", 2, "jobs/study.sbatch")
        expect_complete(cluster, cluster.submit(*script, *words, "-output_table", table))
        assert os.path.exists(table), log()


SWEEP = {**RUN, "layers_depth": 12, "output_every": 4, "ensemble_realizations": 2}


def chain(cluster, directory, *words):
    """The jobs of an array, of merging and of drawing."""
    script = (f"{SOURCE}/jobs/chain.sh", "sweep.txt", directory, "simulate")
    return numbers(cluster.run(*script, *map(str, words), SBATCH_OPTIONS="--ntasks 1"))


def test_a_sweep_is_merged_and_drawn(cluster, folder):
    """Three seeds as an array, merged and drawn through dependencies: with blank lines, a name that
    a shell must not read, and what an older sweep left."""
    directory = "one's sweep"
    (folder / directory).mkdir()
    (folder / directory / "task_0009.h5").write_text("of an older sweep\n", encoding="ascii")
    lines = "-ensemble_seed 1\n\n-ensemble_seed 2\n-ensemble_seed 3\n \n"
    (folder / "sweep.txt").write_text(lines, encoding="ascii")
    for job in chain(cluster, directory, *options(**SWEEP)):
        expect_complete(cluster, job)
    merged = datasets(f"{directory}/simulate.h5")["observables/energy/value"]
    assert merged.shape[1] == 6
    for seed in (1, 2, 3):
        chorale(["simulate"] + options(**SWEEP, ensemble_seed=seed, output_file=f"{seed}.h5"))
        alone = datasets(f"{seed}.h5")["observables/energy/value"]
        assert (merged[:, 2 * seed - 2 : 2 * seed] == alone).all()
    assert os.path.getsize(f"{directory}/simulate.png") > 20000


def test_nothing_waits_for_a_task_that_fails(cluster, folder):
    (folder / "sweep.txt").write_text("-ensemble_seed 1\n-ensemble_seed 2\n", encoding="ascii")
    array, merge, plot = chain(cluster, "sweep", "-tokens_count", "0")
    assert set(cluster.wait_for(array)) == {"FAILED"}
    assert cluster.wait_for(merge) == ["CANCELLED"] and cluster.wait_for(plot) == ["CANCELLED"]


# In the place of chorale: the first run after a row was measured is held until it gets a signal.
HELD_AFTER_A_ROW = f"""#!/bin/bash
if compgen -G 'scaling/*.txt' >/dev/null && [ ! -e held.0 ]; then
  export CHORALE_HOOK="0 2 0 await=held"
fi
exec {HOOKED} "$@"
"""


def test_what_is_measured_of_scaling_stays(cluster, jobs):
    """A job that runs out of time measures the rest when it comes back, and the same job again
    measures nothing."""
    (jobs / "held").write_text(HELD_AFTER_A_ROW, encoding="ascii")
    (jobs / "held").chmod(stat.S_IRWXU)
    keys = dict(noise_type="spectral", scheme_type="euler", noise_degree=8)
    words = ("--ntasks", 2, "jobs/scaling.sbatch", *options(**keys))
    variables = dict(SCALING_TOKENS="2048", SCALING_STEPS="10", SCALING_DOUBLINGS="2")
    job = cluster.submit(*words, **variables, CHORALE=f"{jobs}/held")
    wait_for_file(cluster, job, "held.0")
    cluster.run("scancel", "--signal=USR1", "--batch", job)
    expect_complete(cluster, job)
    assert int(cluster.job(job)["Restarts"]) == 1 and "back into the queue" in log(), log()
    again = cluster.submit(*words, **variables, CHORALE="/bin/false")
    expect_complete(cluster, again)
    (name,) = os.listdir("scaling")  # no scratch is left
    with open(f"scaling/{name}", encoding="ascii") as file:
        rows = [line.split()[:2] for line in file]
    assert rows == [["strong", "1"], ["strong", "2"], ["weak", "1"], ["weak", "2"]]
    with open(f"scaling-{again}.log", encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert [lines[0], lines[4]] == ["strong scaling", "weak scaling"] and len(lines) == 8, lines
    for line in lines[2:4] + lines[6:8]:
        assert line.endswith(("%", "-", "too short to measure")), lines
