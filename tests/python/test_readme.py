"""The commands of the pages, page by page in their order, each page in a directory that has the tools and decks of the source tree, and
its programs in Python. What is run stands in blocks of the languages sh and python.

Only sizes are changed: build/chorale is a wrapper that adds the options of SMALL, and jobs get two ranks. Left to others are the
commands of ELSEWHERE."""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import slurm
import tools

import chorale_io

PAGES = "README.md", "input/README.md", "tools/README.md", "jobs/README.md"
SOURCE, CHORALE = Path(os.environ["CHORALE_SOURCE"]), os.environ["CHORALE"]
# Installs, builds, or takes a minute; what runs it.
ELSEWHERE = {"tools/quickstart": ".ci/run", "tools/test": ".ci/run", "tools/install-deps": ".ci/run", "cmake": "test_packaging.py"}
# Options after the user's own, for any deck of a study.
SMALL = {
    "simulate": "-ensemble_realizations 2",
    "limits": "-tokens_count 16 -layers_depth 2,4,8 -mlp_width 8,16,inf -ensemble_realizations 4 -limits_reference 16",
    "sync": "-tokens_count 16 -layers_depth 40 -ensemble_realizations 4",
    "chaos": "-tokens_count 16,32 -layers_depth 4 -ensemble_realizations 4 -chaos_nodes 256 -output_every 1",
    "analyze": "-analyze_every 25",
    "spde": "-tokens_count 128 -layers_depth 4 -ensemble_realizations 1",
}
WRAPPER = """#!/bin/bash
case "$1" in
{cases}esac
exec {chorale} "$@"
"""


def commands(text):
    """The blocks that are to be run: a program in Python as a whole, of a shell's block every line."""
    for language, block in re.findall(r"^```(sh|python)\n(.*?)^```", text, re.M | re.S):
        if language == "python":
            yield language, block
        else:
            for line in block.replace("\\\n", " ").splitlines():
                yield language, re.sub(r"\s+# .*", "", line.strip())


def prepare(folder):
    for name in ("tools", "input", "jobs"):
        (folder / name).symlink_to(SOURCE / name)
    (folder / "build").mkdir()
    cases = "".join(f'  {study}) set -- "$@" {options} ;;\n' for study, options in SMALL.items())
    wrapper = folder / "build/chorale"
    wrapper.write_text(WRAPPER.format(cases=cases, chorale=shlex.quote(CHORALE)), encoding="ascii")
    wrapper.chmod(0o755)


def run(kind, text, folder, environment):
    words = ["/usr/bin/python3", "-c", text] if kind == "python" else ["bash", "-c", "source tools/mpi-env\n" + text]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, f"{text}\nends with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def submit(text, folder, cluster):
    said = cluster.run("bash", "-c", re.sub(r"--ntasks \d+", "--ntasks 2", text), cwd=folder)
    for job in re.findall(r"\b\d+\b(?! tasks)", said):
        states = cluster.wait_for(job)
        logs = "".join(log.read_text(errors="replace") for log in folder.glob("*.log"))
        assert states and all(state == "COMPLETED" for state in states), f"{text}\n{said}\n{states}\n{logs}"


def grid(folder, environment):
    """tools/grid on a directory where three of its 81 runs are missing: those are run, the figure is drawn of all."""
    tool, out = tools.load("grid"), folder / "build/grid"
    out.mkdir()
    subprocess.run([CHORALE, "simulate", "-layers_depth", "10", "-mlp_width", "16", "-progress", "off", "-output_file", "grid.h5"], cwd=folder, check=True, capture_output=True)
    runs = list(tool.runs())
    assert len(runs) == len(set(runs)) == 81
    for one in runs[3:]:
        (out / f"{tool.name(one)}.h5").symlink_to(folder / "grid.h5")
    said = run("bash", "tools/grid build/grid --jobs 2 --chorale build/chorale --options '-layers_depth 10 -ensemble_realizations 2'", folder, environment)
    assert said.startswith("3 runs, 2 at a time: ") and said.endswith("build/grid/grid.png\n") and (out / "grid.png").stat().st_size > 50000, said
    with chorale_io.open(out / f"{tool.name(runs[0])}.h5") as made:
        assert made.parameters["tokens_dim"] == "128" and made.realizations_done is None and made.observables["energy"].value.shape == (11, 2)


def named(folder, environment):
    """What the text names without a command of its own (--show: test_show.py; dry runs of all decks: test_decks.py)."""
    small = "-tokens_dim 4,5 -mlp_activation relu,tanh -kernel_bias 0,0.2"
    run("bash", f"{shlex.quote(CHORALE)} sync input/sync-map.yaml {small} -output_file sync-map.h5 && tools/plot sync-map.h5", folder, environment)
    run("bash", "build/chorale limits input/limits-d64.yaml -dry_run", folder, environment)
    for words in ("--help", "--version", "sync -help"):
        assert run("bash", f"build/chorale {words}", folder, environment)


def read(page, folder, environment):
    """Runs what the page has, but for jobs, which it returns."""
    jobs = []
    for kind, text in commands((SOURCE / page).read_text(encoding="utf-8")):
        program = text.split()[0]
        if kind == "sh" and program in ELSEWHERE:
            continue
        if program in ("sbatch", "jobs/chain.sh"):
            jobs.append(text)
        elif program == "tools/grid":
            grid(folder, environment)
        else:
            run(kind, text, folder, environment)
    return jobs


def main():
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)  # munge wants a path that all may walk
        for number, page in enumerate(PAGES):
            folder = Path(name) / str(number)
            folder.mkdir()
            prepare(folder)
            environment = dict(os.environ, PYTHONPATH=f"{folder}/tools", CHORALE=f"{folder}/build/chorale")
            jobs = read(page, folder, environment)
            if page == "README.md":
                named(folder, environment)
            if not jobs:
                continue
            if slurm.missing():
                print(f"not run, for {', '.join(slurm.missing())} is not installed: {jobs}")
                continue
            (Path(name) / "slurm").mkdir()
            with slurm.Slurm(f"{name}/slurm") as cluster:
                cluster.environment.update(CHORALE=f"{folder}/build/chorale", SBATCH_OPTIONS="--ntasks 1")
                for text in jobs:
                    submit(text, folder, cluster)
    return 0


if __name__ == "__main__":
    sys.exit(main())
