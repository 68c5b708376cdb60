"""A report of tools/report in a browser: neither wider than a phone nor than a screen, and sorted
by a click."""

import html
import json
import re
import shutil
import subprocess

import pytest
import tools
from run import TIMEOUT, chorale, options

from chorale.report import content

pytestmark = pytest.mark.full

PROBE = """<script>addEventListener("load", function () {
  var found = {width: innerWidth, page: document.documentElement.scrollWidth, columns: []};
  var table = document.querySelector("table"), cells = Array.from(table.tHead.rows[0].cells);
  var head = cells.findIndex(function (c) { return c.textContent === "energy"; });
  for (var i = 0; i < 2; i++) {
    table.tHead.rows[0].cells[head].click();
    found.columns.push(Array.from(table.tBodies[0].rows).map(function (r) {
      return Number(r.cells[head].dataset.v);
    }));
  }
  var boxes = Array.from(document.querySelectorAll(".wide, .figure"));
  found.wider = boxes.filter(function (b) { return b.scrollWidth > b.clientWidth + 1; }).length;
  found.told = document.querySelectorAll(".more").length;
  parent.postMessage(found, "*");
});</script></body>"""
FRAME = '<iframe src="probe.html" width="{width}" height="800" style="border:0"></iframe>'
# A browser's window is at least 500 wide, a frame in it is not.
FRAMES = """<!DOCTYPE html><body><script>var all = []; onmessage = function (event) {
  all.push(event.data);
  document.body.dataset.found = JSON.stringify(all);
};</script>
""" + "".join(
    FRAME.format(width=width) for width in (390, 1280)
)


@pytest.fixture(name="browser")
def installed_browser():
    found = shutil.which("chromium")
    if not found:
        pytest.skip("chromium is not installed (tools/install-deps all installs it)")
    return found


@pytest.fixture(name="sweep")
def page_of_two_runs(folder, monkeypatch):
    """The text of a report of two seeds."""
    monkeypatch.setattr(content, "DPI", 25)  # small pictures are written faster
    keys = {"tokens_count": 24, "mlp_width": 16, "layers_depth": 12, "ensemble_realizations": 2}
    for seed in (1, 2):
        more = {"ensemble_seed": seed, "output_file": f"{seed}.h5", "progress": "off"}
        chorale(["simulate", *options(**keys, **more)])
    code, _, err = tools.run("report", ".", "-o", "sweep.html")
    assert code == 0, err
    return (folder / "sweep.html").read_text(encoding="utf-8")


def looked_at(browser, folder):
    """What the page's frames told, in the browser's words."""
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/browser"]
    words += ["--window-size=1400,1800", "--virtual-time-budget=10000", "--dump-dom"]
    words += [f"file://{folder}/frames.html"]
    keys = {"capture_output": True, "text": True, "check": False, "timeout": TIMEOUT}
    done = subprocess.run([browser, *words], **keys)
    found = re.search('data-found="([^"]*)"', done.stdout)
    assert found, f"the browser ended with {done.returncode}: {done.stderr[-300:]}"
    return json.loads(html.unescape(found[1]))


def test_a_report_fits_a_phone_and_a_screen_and_sorts_by_a_click(browser, sweep, folder):
    """A click sorts upwards, the next downwards."""
    (folder / "probe.html").write_text(sweep.replace("</body>", PROBE), encoding="utf-8")
    (folder / "frames.html").write_text(FRAMES, encoding="utf-8")
    found = looked_at(browser, folder)
    assert sorted(one["width"] for one in found) == [390, 1280], found
    for one in found:
        up, down = one["columns"]
        assert one["page"] <= one["width"], one
        assert one["told"] == one["wider"] and (one["told"] > 2 or one["width"] > 390), one
        assert up == sorted(up) and down == up[::-1] and up != down, one
