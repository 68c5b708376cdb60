"""chorale from Python: runs, and the tools for the files that they write.

    import chorale
    run = chorale.run("simulate", tokens_count=512, attention_beta=2, ranks=2)
    run.to_pandas()                          its table; to_xarray(), plot(), and all of chorale.io
    chorale.submit("chaos", "input/chaos-circle.yaml", ranks=64).wait()    as a job of Slurm
    chorale.open("runs/simulate-0001")       a run again, by its folder

help(chorale.runs) says more. chorale.io reads files as arrays with names and units (its
documentation has recipes); chorale.plot draws them, chorale.report writes pages of them, and
chorale.view pages on which tokens move; chorale.info, compare and project are what the programs of
these names do. Each program is a few lines in tools/, which need no installation.
"""

__version__ = "0.5.0"
__all__ = ["InputError", "RunError", "open", "run", "submit"]


def __getattr__(name):
    """What needs h5py and numpy is imported when it is asked for: every Python from 3.6 on reads
    this file."""
    if name not in __all__:
        raise AttributeError(f"module 'chorale' has no attribute '{name}'")
    import chorale.runs

    return getattr(chorale.runs, name)


def __dir__():
    return sorted([*globals(), *__all__])
