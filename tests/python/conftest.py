"""What the tests of the tools share: small runs of every study."""

import pytest
import tools  # noqa: F401  before matplotlib, which it tells where to draw and to keep its fonts
from studies import Runs


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Small runs of every study: runs.path("sync") is a results file."""
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture
def have(runs, folder):
    """have("sync", ...) copies runs into the test's folder, in which it runs."""

    def copy(*names):
        for name in names:
            runs.copy(name, folder)

    return copy
