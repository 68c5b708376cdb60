"""Pictures of files of chorale: a module for every study, whose figure(run) draws it.

    from chorale import io
    from chorale.plot import simulate
    with io.open("simulate.h5") as run:
        simulate.figure(run).figure.savefig("simulate.png")
"""
