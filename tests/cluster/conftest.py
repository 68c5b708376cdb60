"""What the tests on a cluster share: one Slurm with one node for all of them, and several hosts for
a test, with a Slurm on them."""

import os
import shutil
import tempfile

import pytest
import slurm
from hosts import Hosts, lacking
from run import CHORALE


def need_slurm():
    absent = slurm.missing()
    if absent:
        pytest.skip(
            f"{', '.join(absent)} not installed (slurm-wlm and munge: tools/install-deps all)"
        )


@pytest.fixture(scope="session")
def cluster():
    """A running Slurm; skipped where it is not installed."""
    need_slurm()
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


@pytest.fixture
def hosts(folder):
    """Three hosts; skipped where there can be none."""
    reason = lacking()
    if reason:
        pytest.skip(reason)
    # outside /tmp, of which every host has its own
    with tempfile.TemporaryDirectory(prefix="chorale-", dir="/var/tmp") as top:
        os.chmod(top, 0o755)  # munge wants a path that all may walk
        with Hosts(top, 3) as running:
            yield running


@pytest.fixture
def nodes(hosts, jobs):
    """A Slurm with the three hosts as nodes, and the job scripts."""
    need_slurm()
    top = f"{hosts.folder}/slurm"
    os.mkdir(top)
    with slurm.Slurm(top, hosts) as running:
        running.environment["CHORALE"] = CHORALE
        running.environment["OMPI_MCA_btl"] = "tcp,self"
        yield running
