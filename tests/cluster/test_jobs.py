"""What job scripts do that needs no Slurm. A signal is never lost; and jobs/scaling.sbatch prints
a table whatever the times are: a launcher in the place of srun and a clock in the place of `date`
give each run the time that the test prescribes."""

import os
import stat
import subprocess
from pathlib import Path

import pytest
from run import TIMEOUT

JOBS = Path(os.environ["CHORALE_SOURCE"]) / "jobs"
# start ... -n RANKS ... -layers_depth STEPS ...: takes $START ms and $STEP ms, shared by the ranks,
# for each step; $LATE ms more for the runs that are named by their number. Those of $CRASH end by a
# signal.
LAUNCHER = """#!/bin/bash
while [ $# -gt 0 ]; do
  case $1 in -n) ranks=$2 ;; -layers_depth) steps=$2 ;; esac
  shift
done
echo "$ranks $steps" >>runs
took=$((START + STEP * steps / ranks))
for late in $LATE; do [ "$late" -ne "$(wc -l <runs)" ] || took=$((took + 100000)); done
echo $(($(cat clock) + took)) >clock
for crash in $CRASH; do [ "$crash" -ne "$(wc -l <runs)" ] || kill -SEGV $$; done
"""
CLOCK = """#!/bin/bash
echo "$(cat clock)000000"
"""


def run(words, **how):
    return subprocess.run(
        words, capture_output=True, text=True, check=False, timeout=TIMEOUT, **how
    )


@pytest.mark.parametrize(
    "script",
    (
        # when one run is just ending and the next has not begun
        """launch bash -c 'sleep infinity & trap "kill $!; exit 0" USR1; kill -USR1 $PPID; wait'
        echo $?; launch echo begun || echo $?""",
        # between two runs
        "launch true; echo $?; kill -USR1 $$; launch echo begun || echo $?",
    ),
    ids=("at an end", "between"),
)
def test_nothing_more_begins_after_a_signal(script):
    """Nor does the signal end the script."""
    done = run(["bash", "-c", f"source jobs/common.sh; {script}"], cwd=JOBS.parent)
    assert (done.returncode, done.stdout, done.stderr) == (0, "0\n85\n", ""), done


# A job of run_to_the_end, as it is run again and again; Slurm only says what it was asked for.
JOB = """source jobs/common.sh
scontrol() { echo "scontrol $1"; }
sleep() { exit 0; } # until Slurm ends the script
run_to_the_end simulate"""


def jobs_of(folder, program, times, script=JOB):
    """What a program in the place of chorale makes of its job: how each ends, whether it is put
    back into the queue, and what it says."""
    (folder / "program").write_text(f"#!/bin/bash\n{program}\n", encoding="ascii")
    (folder / "program").chmod(stat.S_IRWXU)
    os.symlink(JOBS, "jobs")
    variables = dict(CHORALE=f"{folder}/program", CHORALE_LAUNCH="env", SLURM_JOB_ID="7")
    words = ["bash", "-euo", "pipefail", "-c", script]
    ends = [run(words, env={**os.environ, **variables}) for _ in range(times)]
    assert not [name for name in os.listdir() if name.startswith(".chorale-begun")]
    return [(end.returncode, "scontrol requeue" in end.stdout, end.stderr) for end in ends]


def test_a_job_whose_ranks_are_lost_goes_back_five_times_in_a_row(folder):
    ends = jobs_of(folder, "touch $CHORALE_BEGUN; exit 75", 7)
    again = (0, True, "")
    assert ends[:5] == 5 * [again] and ends[6] == again, ends
    assert ends[5] == (75, False, "ranks were lost for the 6th time in a row: not requeued\n")


def test_a_stop_in_between_ends_the_row(folder):
    program = "touch $CHORALE_BEGUN; echo >>runs; [ $(wc -l <runs) = 4 ] && exit 85; exit 75"
    assert all(end[1] for end in jobs_of(folder, program, 9))


def test_a_launch_that_does_not_come_to_chorale_is_repeated(folder):
    """Whatever its exit code is: twice at once, and then by another job."""
    program = "echo >>runs; [ $(wc -l <runs) -lt 6 ] || touch $CHORALE_BEGUN; exit $(wc -l <more)"
    (folder / "more").write_text("", encoding="ascii")
    ends = jobs_of(folder, program, 2)
    assert [end[:2] for end in ends] == [(0, True), (0, False)], ends
    assert [end[2].count("did not come to run") for end in ends] == [3, 2], ends
    assert (folder / "runs").read_text(encoding="ascii").count("\n") == 6


@pytest.mark.parametrize("code", (1, 2, 137))
def test_a_run_that_fails_fails_its_job_at_once(folder, code):
    ((end, requeued, _),) = jobs_of(folder, f"touch $CHORALE_BEGUN; exit {code}", 1)
    assert (end, requeued) == (code, False)


@pytest.mark.parametrize("code", (0, 1, 137, 14))
def test_ranks_that_were_lost_are_no_failure_whatever_the_launcher_makes_of_them(folder, code):
    """A rank says so, or mpirun; Open MPI 5 only ends a run with its own exit code, 14."""
    waited = "chorale: error: rank 1 on h1 has waited 900 s ...; ends, see checkpoint_patience"
    said = {0: "PRTE has lost communication with a remote daemon.", 14: ""}.get(code, waited)
    program = f"touch $CHORALE_BEGUN; echo '{said}' >&2; exit {code}"
    script = JOB.replace("run_to", "exec 2>>log; run_to")
    assert jobs_of(folder, program, 1, script) == [(0, True, "")]
    assert (folder / "log").read_text(encoding="ascii").count("code 14") == (code == 14)


@pytest.mark.parametrize("code", (0, 1, 137))
def test_what_was_said_before_a_launch_does_not_count(folder, code):
    said = "echo 'has waited 900 s, see checkpoint_patience' >>log"
    script = JOB.replace("run_to", f"{said}; exec 2>>log; run_to")
    ends = jobs_of(folder, f"touch $CHORALE_BEGUN; exit {code}", 1, script)
    assert ends == [(code, False, "")]


@pytest.fixture
def scaling(folder):
    """scaling(...): what two tables say for 1, 2 and 4 ranks, and [(ranks, steps)] of the runs that
    were made for them."""
    (folder / "bin").mkdir()
    for name, script in (("bin/date", CLOCK), ("start", LAUNCHER)):
        (folder / name).write_text(script, encoding="ascii")
        (folder / name).chmod(stat.S_IRWXU)
    (folder / "clock").write_text("1000\n", encoding="ascii")

    def tables(start, step, late="", **more):
        environment = dict(
            os.environ,
            PATH=f"{folder}/bin:{os.environ['PATH']}",
            CHORALE_JOBS=str(JOBS),
            CHORALE_LAUNCH=f"{folder}/start",
            SLURM_NTASKS="4",
            SCALING_TOKENS="1000",
            START=str(start),
            STEP=str(step),
            LATE=late,
            **more,
        )
        (folder / "runs").write_text("", encoding="ascii")
        done = run([JOBS / "scaling.sbatch"], env=environment)
        assert done.returncode == 0, done
        assert done.stderr.count("ended by a signal") == len(more.get("CRASH", "").split()), done
        lines = done.stdout.splitlines()
        assert [lines[0], lines[5]] == ["strong scaling", "weak scaling"] and len(
            lines
        ) == 10, lines
        for rows, tokens in ((lines[2:5], (1000, 1000, 1000)), (lines[7:10], (1000, 2000, 4000))):
            found = [tuple(map(int, row.split()[:2])) for row in rows]
            assert found == list(zip((1, 2, 4), tokens)), rows
        runs = (folder / "runs").read_text(encoding="ascii").splitlines()
        values = [row.split(maxsplit=2)[2] for row in lines[2:5] + lines[7:10]]
        return values, [tuple(map(int, run.split())) for run in runs]

    return tables


def test_times_are_differences_of_runs(scaling):
    values, runs = scaling(start=100, step=40)
    strong = ["40.000         100%", "20.000         100%", "10.000         100%"]
    assert values == strong + ["40.000         100%", "20.000         200%", "10.000         400%"]
    assert runs == 2 * [(ranks, steps) for ranks in (1, 2, 4) for steps in (20, 40)]


def test_runs_get_longer_until_steps_take_most_of_the_time(scaling):
    values, runs = scaling(start=1000, step=8)
    assert values[:3] == ["8.000         100%", "4.000         100%", "2.000         100%"]
    assert [steps for ranks, steps in runs[:5]] == [20, 40, 80, 160, 320]
    assert max(steps for ranks, steps in runs) == 1280


def test_a_short_run_that_was_late_is_made_up_for(scaling):
    """A negative difference, and one of nothing, are no times."""
    values, runs = scaling(start=100, step=40, late="1")
    assert values[:3] == ["40.000         100%", "20.000         100%", "10.000         100%"]
    assert runs[:3] == [(1, 20), (1, 40), (1, 80)]


@pytest.mark.full
def test_a_row_that_is_too_short_to_measure_says_so_and_is_kept(scaling):
    values, runs = scaling(start=100, step=0, SCALING_DOUBLINGS="3")
    assert values == 6 * ["too short to measure"]
    assert runs == 2 * [(ranks, 20 * 2**i) for ranks in (1, 2, 4) for i in range(5)]


@pytest.mark.full
def test_a_crash_at_the_end_of_a_run_costs_no_row(scaling):
    values, runs = scaling(start=100, step=40, CRASH="2 5")
    assert values[:3] == ["40.000         100%", "20.000         100%", "10.000         100%"]
    assert runs[:6] == [(1, 20), (1, 40), (1, 40), (2, 20), (2, 40), (2, 40)]


@pytest.mark.full
def test_what_is_measured_stays(scaling):
    first, _ = scaling(start=100, step=40)
    again, runs = scaling(start=100, step=80)
    assert again == first and runs == []
    values, runs = scaling(start=100, step=0, SCALING_STEPS="10", SCALING_DOUBLINGS="1")
    assert values == 6 * ["too short to measure"] and len(runs) == 18
    _, runs = scaling(start=100, step=0, SCALING_STEPS="10", SCALING_DOUBLINGS="1")
    assert runs == []


def test_a_failed_run_fails_the_job(folder):
    environment = dict(
        os.environ, CHORALE_JOBS=str(JOBS), CHORALE_LAUNCH="ls --no-such-option", SLURM_NTASKS="1"
    )
    done = run([JOBS / "scaling.sbatch"], env=environment)
    assert done.returncode == 1 and "no-such-option" in done.stderr, done
    assert "again" not in done.stderr
    assert os.listdir("scaling") == []  # no scratch is left


SYSTEMS = {
    "Unix": lambda text: text,
    "Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "with a mark": lambda text: b"\xef\xbb\xbf" + text,
    "Windows with a mark": lambda text: b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"),
    "without a last end": lambda text: text.rstrip(b"\n"),
}
SWEEP = b"-ensemble_seed 1\n\n-tokens_count 3 -ensemble_seed 2\n"


def task(folder, number, sweep):
    """A task of an array whose chorale prints its words."""
    (folder / "sweep.txt").write_bytes(sweep)
    program = folder / "program"
    program.write_text('#!/bin/bash\ntouch "$CHORALE_BEGUN"; printf "$@"\n', encoding="ascii")
    program.chmod(stat.S_IRWXU)
    variables = dict(
        CHORALE=str(program),
        CHORALE_LAUNCH="env",
        CHORALE_JOBS=str(JOBS),
        SLURM_SUBMIT_DIR=str(folder),
        SLURM_ARRAY_TASK_ID=str(number),
        SLURM_JOB_ID="7",
    )
    words = [JOBS / "array.sbatch", "sweep.txt", "sweep", "[%s]\\n"]
    return run(["bash", *words], env={**os.environ, **variables})


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_task_has_the_options_of_its_line_from_any_system(folder, system):
    sweep = SYSTEMS[system](SWEEP)
    words = [task(folder, number, sweep) for number in (1, 2, 3)]
    assert [done.returncode for done in words] == [0, 0, 0], words
    assert "[-ensemble_seed]\n[1]\n[-output_file]\n[sweep/task_0001.h5]\n" in words[0].stdout
    assert words[1].stdout == "sweep.txt: line 2 is blank: nothing to do\n"
    assert "[-tokens_count]\n[3]\n[-ensemble_seed]\n[2]\n[-output_file]" in words[2].stdout


@pytest.mark.parametrize("number, said", [(0, "tasks count from 1"), (4, "has no line 4")])
def test_a_task_without_a_line_is_refused(folder, number, said):
    done = task(folder, number, SWEEP)
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done


def test_the_help_of_a_chain_is_whole():
    done = run([JOBS / "chain.sh", "--help"])
    assert done.returncode == 0, done
    assert " ".join(done.stdout.split()).endswith("have nothing left to do."), done


@pytest.mark.parametrize(
    "name, lines", [("none.txt", None), ("empty.txt", ""), ("blank.txt", "\r\n\r\n")]
)
def test_a_chain_without_tasks_is_refused(folder, name, lines):
    if lines is not None:
        (folder / name).write_text("\ufeff" + lines if lines else "", encoding="utf-8", newline="")
    done = run([JOBS / "chain.sh", name, "sweep", "simulate"])
    assert done.returncode == 2 and done.stderr.startswith(f"chain: {name}: "), done
