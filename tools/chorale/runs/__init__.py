"""Runs of chorale from Python.

    import chorale                           with tools/ on PYTHONPATH, or after pip install tools/
    run = chorale.run("simulate", tokens_count=512, attention_beta=2, ranks=2)
    run = chorale.run("sync", "input/sync.yaml", mlp={"activation": "tanh"}, folder="tanh")

Decks come first, in their order; keywords are keys of the deck, whole (tokens_count=512) or nested
(tokens={"count": 512}), and win; a list stays a list. `ranks` is the number of processes, `folder`
where all of the run goes: results, trajectories, checkpoints, its log and its record (default: the
next of runs/STUDY-0001, ...). Bad input is InputError, with the line that chorale printed, and
leaves no folder; a run that fails is RunError. A run that stops at a checkpoint is no error: its
state is "stopped", and run.resume() goes on.

    run.status()                             state, realizations, time reached, last message
    run.to_pandas(), run.to_xarray()         its table; its observables with units
    run.plot().savefig("run.png")            its picture; run.plot("energy") one panel
    run.table(), run.observables["energy"]   and all else that chorale.io says of its results
    run.log                                  the text that chorale printed

With wait=False chorale.run returns at once, and run.wait() waits; so does chorale.submit, which
takes the same words and makes a job of Slurm of them:

    run = chorale.submit("chaos", "input/chaos-circle.yaml", ranks=64, time="4:00:00")
    run = chorale.open("runs/chaos-0001")    in another session: its folder is the record
    run.wait().to_pandas()
"""

from chorale.errors import InputError, RunError
from chorale.runs.handle import Run, open, run, submit

__all__ = ["InputError", "Run", "RunError", "open", "run", "submit"]
