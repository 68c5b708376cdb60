"""Jobs on several nodes of a Slurm, of which one is lost in the middle: the job ends soon, goes
back into the queue, and goes on to the bits of a run that was never interrupted. Needs root and
Slurm; skipped elsewhere."""

import os
import time

import pytest
from hosts import lacking_clock
from run import chorale, datasets, options, same_bits, spoken, wait_until

pytestmark = pytest.mark.full

HOOKED = os.environ["CHORALE_HOOKED"]
RUN = dict(
    tokens_count=300,
    layers_depth=24,
    mlp_width=64,
    ensemble_groups=1,
    output_every=6,
    checkpoint_every=5,
    progress="off",
    output_file="run.h5",
)
# Both ranks are held after eight steps; afterwards the first waits for no more than two seconds.
HELD = "0 8 -1 wait=go; 0 8 0 patience=2"
LOST = "has waited 2 s for other ranks in MPI_"
# Open MPI 5 sees at once that what was at the other end of a connection has ended.
BROKEN = "Open MPI ended the run with code 14: a connection broke"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The numbers of a run that was never interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    chorale(["simulate", *options(**RUN)], cwd=folder)
    return datasets(folder / "run.h5")


def log():
    with open(
        next(name for name in os.listdir() if name.endswith(".log")), encoding="utf-8"
    ) as file:
        return file.read()


def submit(nodes, **variables):
    """A job with a rank on two nodes; all that its ranks share is the folder."""
    launch = "srun --mpi=pmix --wait=2"  # jobs/common.sh says a minute
    words = ("--nodes", 2, "--ntasks", 2, "jobs/study.sbatch", "simulate", *options(**RUN))
    return nodes.submit(*words, CHORALE_LAUNCH=launch, **variables)


def wait_until_held(nodes, job):
    held = ("go.0", "go.1")
    wait_until(lambda: all(map(os.path.exists, held)) or nodes.states(job)[0] == "FAILED", held)
    assert all(map(os.path.exists, held)), log()


def release():
    with open("go", "w", encoding="ascii"):
        pass


def give_up(nodes):
    """As Slurm does with a node that does not answer. Drained first: an answer from before the loss
    that comes later would bring the node back into service."""
    for state in ("DRAIN", "DOWN"):
        nodes.run("scontrol", "update", "NodeName=h2", f"State={state}", "Reason=lost")


def wait_until_left(nodes):
    """Until a job that goes back into the queue has left h1. Slurm starts it anew as soon as h2 is
    given up, and h1 refuses a job with a credential of the second in which it ended there."""
    wait_until(
        lambda: nodes.run("sinfo", "-h", "-n", "h1", "-o", "%T").strip() == "idle", "h1 to be idle"
    )
    left = int(time.time())
    wait_until(lambda: int(time.time()) > left, "the next second")


def expect_complete(nodes, job, whole, restarts):
    assert nodes.wait_for(job) == ["COMPLETED"], f"{nodes.job(job)}\n{nodes.logs()}\n{log()}"
    assert int(nodes.job(job)["Restarts"]) == restarts, log()
    differing = same_bits(whole, datasets("run.h5"))
    assert not differing, f"{differing}\n{log()}"
    left = [name for name in os.listdir() if name.startswith(".chorale")]
    assert not left


def test_a_job_on_two_nodes(nodes, whole):
    expect_complete(nodes, submit(nodes), whole, restarts=0)


def test_a_node_that_loses_its_processes_and_is_back_at_once(nodes, whole):
    """Slurm does not see it. What PMIx left on the node keeps the next run from starting once."""
    job = submit(nodes, CHORALE=HOOKED, CHORALE_HOOK=HELD)
    wait_until_held(nodes, job)
    nodes.lose(1)
    nodes.start_node(1)
    release()
    expect_complete(nodes, job, whole, restarts=1)
    assert LOST in log() or BROKEN in log(), log()
    assert "ranks were lost" in log() and "goes on from" in log(), log()


def test_a_node_that_is_gone_for_good(nodes, whole):
    """Slurm takes the job back when it has given the node up, to run on what is left."""
    job = submit(nodes, CHORALE=HOOKED, CHORALE_HOOK="0 8 -1 wait=go")
    wait_until_held(nodes, job)
    nodes.lose(1)
    give_up(nodes)
    release()
    expect_complete(nodes, job, whole, restarts=1)
    assert "goes on from" in log(), log()


def test_a_link_that_goes_down_in_a_job(nodes, hosts, whole):
    job = submit(nodes, CHORALE=HOOKED, CHORALE_HOOK=HELD)
    wait_until_held(nodes, job)
    hosts.cut(hosts.all[1])
    release()
    wait_until(lambda: "ranks were lost" in log(), "the end of the run")
    wait_until_left(nodes)
    give_up(nodes)
    expect_complete(nodes, job, whole, restarts=1)
    assert LOST in log() and "goes on from" in log(), log()


@pytest.mark.parametrize("loss", ("link", "link with another clock", "processes"))
def test_a_loss_ends_a_run_of_mpirun(hosts, folder, whole, loss):
    if "clock" in loss:
        if reason := lacking_clock("CLOCK_MONOTONIC"):
            pytest.skip(reason)
        hosts.all[0].set_clock("CLOCK_MONOTONIC", 864000)
    words = ["simulate", *options(**RUN)]
    with hosts.running(*words, hosts=2, hook=HELD) as run:
        for rank in (0, 1):
            run.wait_until_held("go", rank)
        if loss != "processes":
            hosts.cut(hosts.all[1])
        else:
            hosts.all[1].lose()
        run.release("go")
        wait_until(lambda: run.process.poll() is not None, "the end of mpirun")
        hosts.all[1].lose()  # the rank there would be ended by the other's daemon, much later
        done = run.end()
    # mpirun of Open MPI 5 may end with 0, but says then what jobs/common.sh takes for a loss, too.
    told = "PRTE has lost communication with a remote daemon" in done.stderr
    assert done.returncode != 85 and (done.returncode != 0 or told), done
    said = spoken(done)
    assert loss == "processes" or (len(said) == 1 and LOST in said[0]), done
    hosts.all.pop(1)
    hosts.chorale(*words, "-checkpoint_resume", hosts=2)
    assert not same_bits(whole, datasets("run.h5"))
