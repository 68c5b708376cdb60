"""tools/plot --show opens a window on a screen, which is a virtual one here, and ends when the window is closed."""
import os
import shutil
import subprocess
import sys
import tempfile

from run import CHORALE, options

import tools

# The window is looked at and closed half a second after it was opened.
CLOSING = """
import runpy, sys
sys.argv = ["plot"] + sys.argv[2:]
import matplotlib.backends.backend_tkagg as tk
shown = tk.FigureManagerTk.show
def show(self):
    shown(self)
    self.window.after(500, lambda: (print("window", self.window.winfo_width() > 300, self.window.winfo_viewable()), self.window.destroy()))
tk.FigureManagerTk.show = show
runpy.run_path(sys.argv.pop(1), run_name="__main__")
"""


def missing():
    try:
        import tkinter  # pylint: disable=unused-import
    except ImportError:
        return "python3-tk"
    return None if shutil.which("Xvfb") else "xvfb"


def main():
    if missing():
        print(f"skipped: {missing()} is not installed (tools/install-deps all installs it)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([CHORALE, "simulate", *options(tokens_count=8, mlp_width=8, layers_depth=10, output_file="x.h5", progress="off")], cwd=folder,
                       capture_output=True, check=True)
        reader, writer = os.pipe()
        with subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"], pass_fds=[writer],
                              stderr=subprocess.DEVNULL) as screen:
            try:
                os.close(writer)
                with os.fdopen(reader) as told:
                    number = told.readline().strip()
                assert number, "Xvfb does not start"
                words = ["/usr/bin/python3", "-c", CLOSING, "-", os.path.join(tools.FOLDER, "plot"), "x.h5", "--show"]
                done = subprocess.run(words, cwd=folder, env={**os.environ, "DISPLAY": f":{number}"}, capture_output=True, text=True, timeout=100, check=False)
            finally:
                screen.terminate()
        assert done.returncode == 0 and "window True 1" in done.stdout, (done.returncode, done.stdout, done.stderr)
        assert not os.path.exists(os.path.join(folder, "x.png"))  # a picture is written for -o only
    return 0


if __name__ == "__main__":
    sys.exit(main())
