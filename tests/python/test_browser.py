"""A report of tools/report in a browser: neither wider than a phone nor than a screen, and sorted by a click."""
import html
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from run import CHORALE, options

import tools

PROBE = """<script>(function () {
  var found = {width: innerWidth, page: document.documentElement.scrollWidth, columns: []};
  var table = document.querySelector("table"), head = Array.from(table.tHead.rows[0].cells).findIndex(function (c) { return c.textContent === "energy"; });
  for (var i = 0; i < 2; i++) {
    table.tHead.rows[0].cells[head].click();
    found.columns.push(Array.from(table.tBodies[0].rows).map(function (r) { return Number(r.cells[head].dataset.v); }));
  }
  parent.postMessage(found, "*");
})();</script></body>"""
# A browser's window is at least 500 wide, a frame in it is not.
FRAMES = """<!DOCTYPE html><body><script>var all = []; onmessage = function (event) { all.push(event.data); document.body.dataset.found = JSON.stringify(all); };</script>
<iframe src="probe.html" width="390" height="800" style="border:0"></iframe><iframe src="probe.html" width="1280" height="800" style="border:0"></iframe></body>"""


def check_browser(browser, folder):
    """Nothing is wider than a phone or a screen; a click sorts upwards, the next downwards."""
    with open(os.path.join(folder, "sweep.html"), encoding="utf-8") as file, open(os.path.join(folder, "probe.html"), "w", encoding="utf-8") as out:
        out.write(file.read().replace("</body>", PROBE))
    with open(os.path.join(folder, "frames.html"), "w", encoding="utf-8") as out:
        out.write(FRAMES)
    done = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser", "--window-size=1400,1800",
                           "--virtual-time-budget=10000", "--dump-dom", f"file://{folder}/frames.html"], capture_output=True, text=True, check=False, timeout=60)
    found = re.search('data-found="([^"]*)"', done.stdout)
    assert found, f"the browser ended with {done.returncode}: {done.stderr[-300:]}"
    found = json.loads(html.unescape(found[1]))
    assert sorted(one["width"] for one in found) == [390, 1280], found
    for one in found:
        up, down = one["columns"]
        assert one["page"] <= one["width"] and up == sorted(up) and down == up[::-1] and up != down, one


def main():
    browser = shutil.which("chromium")
    if not browser:
        print("skipped: there is no chromium (tools/install-deps all installs it)")
        return 77
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        tools.load("report").content.DPI = 25  # small pictures are written faster
        for seed in (1, 2):
            words = options(tokens_count=24, mlp_width=16, layers_depth=12, ensemble_seed=seed, ensemble_realizations=2, output_file=f"{seed}.h5", progress="off")
            subprocess.run([CHORALE, "simulate", *words], cwd=folder, capture_output=True, check=True)
        code, _, err = tools.run("report", ".", "-o", "sweep.html", cwd=folder)
        assert code == 0, err
        check_browser(browser, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
