"""The name by which scripts of chorale 0.4 and 0.5 know chorale.io: all that is there is here, too.

    import chorale_io                        # with tools/ on PYTHONPATH
    with chorale_io.open("simulate.h5") as run:
        energy = run.observables["energy"]

What a run has and recipes: help(chorale.io).
"""

from chorale.io import *  # noqa: F401,F403
