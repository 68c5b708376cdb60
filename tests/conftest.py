"""What all tests in Python share. Functions that run chorale and compare files: support/run.py."""
import os
import signal

import pytest

# Who starts the tests in the background may have them ignore these, and with them all runs.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
# Readline, which pytest imports with Python 3.13, tells all programs that they write to a terminal.
for name in {"COLUMNS", "LINES"} - set(os.environ):
    os.unsetenv(name)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty directory of the test's own, in which it runs."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def pytest_report_teststatus(report):
    """The reasons of skips stand in ctest's log, one a line, where tools/test finds them."""
    if report.skipped and report.when in ("setup", "call") and isinstance(report.longrepr, tuple):
        reason = report.longrepr[2].removeprefix("Skipped: ")
        print(f"\nskipped: {os.path.basename(report.nodeid)}: {reason}")


def pytest_sessionfinish(session, exitstatus):
    """A file of which every test was skipped is a skipped test of ctest, not a passed one."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter.stats.get("skipped") and not reporter.stats.get("passed"):
        session.exitstatus = 77
