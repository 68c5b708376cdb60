"""The run that claims of synchronization share."""

from chorale.paper.claim import Study

RUN = Study(
    "sync",
    "input/sync.yaml",
    small="-ensemble_realizations 400 -layers_depth 400 -output_every 10",
    full="-ensemble_realizations 8000",
    home="sync",
)
