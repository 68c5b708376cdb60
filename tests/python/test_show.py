"""tools/plot --show opens a window on a screen, which is a virtual one here, and ends when the
window is closed."""

import os
import shutil
import subprocess

import pytest
import tools
from run import TIMEOUT

pytestmark = pytest.mark.full

# The window is looked at as soon as it is seen, and closed.
CLOSING = """
import runpy, sys
sys.argv = ["plot"] + sys.argv[2:]
import matplotlib.backends.backend_tkagg as tk
shown = tk.FigureManagerTk.show
def show(self):
    shown(self)
    self.window.wait_visibility()
    def look():
        print("window", self.window.winfo_width() > 300, self.window.winfo_viewable())
        self.window.destroy()
    self.window.after_idle(look)
tk.FigureManagerTk.show = show
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


@pytest.fixture
def screen():
    """The number of a virtual screen."""
    pytest.importorskip("tkinter", reason="python3-tk is not installed (tools/install-deps run)")
    if not shutil.which("Xvfb"):
        pytest.skip("Xvfb is not installed (tools/install-deps all installs xvfb)")
    reader, writer = os.pipe()
    words = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1200x24"]
    keys = {"pass_fds": [writer], "stderr": subprocess.DEVNULL}
    with subprocess.Popen([*words, "-nolisten", "tcp"], **keys) as process:
        try:
            os.close(writer)
            with os.fdopen(reader) as told:
                number = told.readline().strip()
            assert number, "Xvfb does not start"
            yield number
        finally:
            process.terminate()


def test_a_window_is_opened_and_no_picture_is_written(have, folder, screen):
    have("alone")
    plot = os.path.join(tools.FOLDER, "plot")
    words = ["/usr/bin/python3", "-c", CLOSING, "-", plot, "alone.h5", "--show"]
    environment = {**os.environ, "DISPLAY": f":{screen}"}
    keys = {"env": environment, "capture_output": True, "text": True, "check": False}
    done = subprocess.run(words, timeout=TIMEOUT, **keys)
    assert done.returncode == 0 and "window True 1" in done.stdout, done
    assert not (folder / "alone.png").exists()  # which is written for -o only
