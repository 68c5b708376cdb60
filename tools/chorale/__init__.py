"""Tools in Python for the files that chorale writes.

chorale.io reads them as arrays with names and units (its documentation has recipes); chorale.plot
draws them, chorale.report writes pages of them; chorale.info, compare and project are what
the programs of these names do. Each program is a few lines in tools/, which need no installation.
"""

__version__ = "0.5.0"
