"""What claims of synchronization share: a run, and what its word on the theorem decides."""

from chorale.paper.claim import CONSISTENT, DOES_NOT_APPLY, Study

APPLIES = {"applies": CONSISTENT, "does not apply": DOES_NOT_APPLY}

RUN = Study(
    "sync",
    "input/sync.yaml",
    small="-ensemble_realizations 400 -layers_depth 400 -output_every 10",
    full="-ensemble_realizations 8000",
    home="sync",
)
