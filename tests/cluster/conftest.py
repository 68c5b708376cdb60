"""What the tests on a cluster share: one Slurm for all of them."""

import os
import shutil
import tempfile

import pytest
import slurm
from run import CHORALE


@pytest.fixture(scope="session")
def cluster():
    """A running Slurm; skipped where it is not installed."""
    absent = slurm.missing()
    if absent:
        pytest.skip(
            f"{', '.join(absent)} not installed (slurm-wlm and munge: tools/install-deps all)"
        )
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)  # munge wants a path that all may walk
        with slurm.Slurm(top) as running:
            running.environment["CHORALE"] = CHORALE
            yield running


@pytest.fixture
def jobs(folder):
    """The test's folder with the job scripts in it, as in the sources."""
    shutil.copytree(f"{os.environ['CHORALE_SOURCE']}/jobs", folder / "jobs")
    return folder
