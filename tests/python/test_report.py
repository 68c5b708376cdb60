"""tools/report: pages of files of every study, of runs that are not complete and of a sweep: well-formed, of one piece, with the numbers of the
files. tools/plot --together; refusals. In a browser: test_browser.py."""
import html.parser
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
from run import CHORALE, options

TOOLS = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
os.environ["MPLCONFIGDIR"] = os.environ.get("MPLCONFIGDIR", os.path.join(tempfile.gettempdir(), f"chorale-matplotlib-{os.getuid()}"))
sys.dont_write_bytecode = True
sys.path.insert(0, TOOLS)
import chorale_io
import matplotlib

matplotlib.use("Agg")
from chorale.plot import together  # pylint: disable=wrong-import-position
from chorale.report import content, page  # pylint: disable=wrong-import-position

content.DPI = 25  # small pictures are written faster
SMALL = {"mlp_width": 16, "layers_depth": 12, "progress": "off"}
RUNS = {
    "near": ("simulate", {**SMALL, "tokens_count": 24, "tokens_init": "vmf", "ensemble_realizations": 4, "layers_depth": 24, "layers_horizon": 12}),
    "far": ("simulate", {**SMALL, "tokens_count": 24, "ensemble_realizations": 4, "layers_depth": 24, "layers_horizon": 12, "output_trajectories": 1}),
    "limits": ("limits", {"tokens_count": "8", "layers_depth": "2,4", "mlp_width": "16,inf", "noise_degree": 4, "ensemble_realizations": 2}),
    "chaos": ("chaos", {"tokens_count": "16,32", "tokens_dim": 2, "layers_depth": 6, "ensemble_realizations": 2, "noise_type": "spectral",
                        "noise_degree": 4, "scheme_type": "heun"}),
    "sync": ("sync", {"tokens_count": 8, "tokens_dim": 5, "layers_depth": 20, "layers_horizon": 1, "attention_type": "none", "noise_type": "spectral",
                      "noise_degree": 3, "scheme_type": "flow", "mlp_activation": "sigmoid", "ensemble_realizations": 4, "output_every": 2}),
    "map": ("sync", {"sync_map": True, "tokens_dim": "4,5", "mlp_activation": "relu", "kernel_bias": "0,0.2,0.4"}),
    "density": ("spde", {"tokens_count": 64, "tokens_dim": 2, "layers_depth": 10, "layers_horizon": 0.1, "noise_degree": 3, "noise_type": "spectral",
                         "scheme_type": "flow", "spde_degree": 32, "spde_snapshots": 5, "ensemble_realizations": 4}),
    "analyze": ("analyze", {"analyze_file": "far.h5", "progress": "off"}),
}
VOID = {"meta", "img", "source", "br"}


class Page(html.parser.HTMLParser):
    """Refuses tags that do not match; collects tables as lists of (text, number or None), and all addresses."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tables, self.addresses, self.ids, self.text, self.images = [], [], [], [], "", 0
        with open(path, encoding="utf-8") as file:
            self.source = file.read()
        self.feed(self.source)
        self.close()
        assert self.open == [], f"{path}: not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[key] for key in ("href", "src", "srcset") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self.images += tag == "img"
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append(["", float(found["data-v"]) if "data-v" in found else None])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> does not match"

    def handle_data(self, data):
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1][0] += data

    def columns(self, *heads):
        """{head: numbers or texts} of the first table that begins with these columns."""
        for table in self.tables:
            names = [cell[0] for cell in table[0]]
            if names[: len(heads)] == list(heads):
                return {name: [row[c][0] if row[c][1] is None else row[c][1] for row in table[1:]] for c, name in enumerate(names)}
        raise AssertionError(f"no table of {heads}")


def tool(name, *arguments, cwd=None):
    return subprocess.run([os.path.join(TOOLS, name), *map(str, arguments)], cwd=cwd, capture_output=True, text=True, check=False, timeout=120)


def write(folder, name, *files):
    """A page of these files, by the functions of the tool."""
    out = os.path.join(folder, name)
    before = os.getcwd()
    try:
        os.chdir(folder)
        body = (content.sweeps(files) if len(files) > 1 else "") + "".join(content.section(file, len(files) == 1) for file in files)
    finally:
        os.chdir(before)
    with open(out, "w", encoding="utf-8") as file:
        file.write(page.document(name, body))
    return Page(out)


def make(folder):
    for name, (study, keys) in RUNS.items():
        done = subprocess.run([CHORALE, study, *options(**{**keys, "output_file": f"{name}.h5"})], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    subprocess.run([CHORALE, "kernel", *options(tokens_dim="3,5", mlp_activation="relu,tanh", output_table="kernel.csv")], cwd=folder, capture_output=True, check=True)
    shutil.copy(os.path.join(folder, "far.h5"), os.path.join(folder, "partial.h5"))
    with h5py.File(os.path.join(folder, "partial.h5"), "r+") as file:
        file["provenance"].attrs["complete"] = "false"
        for group in file["observables"].values():
            group["value"][9:] = np.nan


def same(found, expected):
    return len(found) == len(expected) and all(a == b or math.isnan(a) and math.isnan(b) for a, b in zip(found, map(float, expected)))


def check_studies(folder):
    """Every number of the printed tables is there, to the last bit; each page is of one piece and has its picture."""
    content.THEMES = ("light",)  # one is drawn faster
    for name in RUNS:
        found = write(folder, f"{name}.html", f"{name}.h5")
        assert found.images == 1 and "No picture" not in found.text, name
        outside = [a for a in found.addresses if not a.startswith(("data:image/png;base64,", "#"))]
        assert outside == [page.PAPER] and len(re.findall("https?://", found.source)) == 1, (name, outside)
        with chorale_io.open(os.path.join(folder, f"{name}.h5")) as run:
            table = {head: values for head, values in run.table().items() if np.ndim(values) == 1}
            shown = found.columns(*table)
            for head, values in table.items():
                assert shown[head] == [str(v) for v in values] if head == "activation" else same(shown[head], values), (name, head)
            assert dict(zip(*found.columns("key", "value").values())) == run.parameters
            assert run.provenance["command_line"] in found.text and run.deck.strip() in found.text
            numbers = {key: value for key, value in run.study_values.items() if isinstance(value, float) and not key.endswith(("_low", "_high"))}
            if numbers:
                shown = dict(zip(*list(found.columns("quantity", "value").values())[:2]))
                assert all(same([shown[key]], [value]) for key, value in numbers.items()), name
    for name, quantity in (("far", "energy at t = 0"), ("density", "|mass − 1|, at most"), ("sync", "λ1 of twin tokens")):
        shown = Page(os.path.join(folder, f"{name}.html")).columns("quantity", "measured", "± s.e.", "theory", "its value", "s.e. apart", "verdict")
        assert "✓ agrees" in shown["verdict"][shown["quantity"].index(quantity)], (name, shown)
    text = Page(os.path.join(folder, "analyze.html")).text
    assert "N = 24, d = 3, L = 24" in text and "1 realization, seed 1" in text, "what was analyzed is not said"
    assert "not decided" in text  # by the one realization that was recorded
    assert "✓" in Page(os.path.join(folder, "limits.html")).text + Page(os.path.join(folder, "density.html")).text
    found = write(folder, "kernel.html", "kernel.csv")
    assert found.columns("activation", "dim")["dim"] == [3.0, 5.0, 3.0, 5.0]


def check_sweep(folder):
    """A row for each file with the key that differs and the last mean; tokens that start near gather first."""
    found = write(folder, "sweep.html", "far.h5", "near.h5")
    content.THEMES = ("light", "dark")
    assert "prefers-color-scheme: dark" in content.draw(lambda: together.figure_of([os.path.join(folder, f"{name}.h5") for name in ("far", "near")]), "")[0]
    rows = found.columns("file", "state", "tokens_init", "until t", "energy")
    assert rows["tokens_init"] == ["uniform", "vmf"] and rows["state"] == ["complete"] * 2
    for name, energy, order in zip(("far", "near"), rows["energy"], rows["order"]):
        with h5py.File(os.path.join(folder, f"{name}.h5")) as file:
            assert energy == file["ensemble/energy/mean"][-1] and order == file["ensemble/order/mean"][-1]
    late, early = rows["t at a tenth of the energy"]
    assert found.images == 1 and early < late, (early, late)
    done = tool("plot", "--together", "far.h5", "near.h5", cwd=folder)
    assert done.returncode == 0 and done.stdout == "together.png\n" and os.path.getsize(os.path.join(folder, "together.png")) > 20000, done.stderr


def check_decay(_):
    """Of c e^{-rt} a tenth is reached at log 10 / r."""
    time = np.linspace(0, 9, 91)
    np.testing.assert_allclose(together.decay(time, 0.7 * np.exp(-1.3 * time)), (math.log(10) / 1.3, 1.3), rtol=1e-12)
    assert np.isnan(together.decay(time, 1 / (1 + 0.1 * time))).all()


def check_formulas(_):
    assert page.formulas("$W_2^2$ < MMD$^2$ ✓") == 'W<sub>2</sub><sup>2</sup> &lt; MMD<sup>2</sup> <span class="good">✓</span>'
    assert page.plain("$-\\bar\\lambda'(\\beta)$ is $4\\cdot10^{-5}$") == "−λ\u0304’(β) is 4·10−5"


def check_tool(folder):
    """A folder: what is not complete is said, what cannot be read is skipped; files must be readable."""
    inside = os.path.join(folder, "some")
    os.makedirs(inside)
    shutil.copy(os.path.join(folder, "partial.h5"), inside)
    with open(os.path.join(inside, "text.h5"), "w", encoding="utf-8") as file:
        file.write("not HDF5")
    done = tool("report", inside)
    assert done.returncode == 0 and done.stdout == os.path.join(inside, "report.html") + "\n", done.stderr
    assert done.stderr == f"report: skipped {inside}/text.h5: not an HDF5 file\n"
    text = Page(os.path.join(inside, "report.html")).text
    assert "NOT COMPLETE: up to t = 4 of 12" in text and "Skipped: " in text and "-checkpoint_resume" in text
    before = sorted(os.listdir(folder))
    for arguments in (["missing.h5"], [os.path.join(inside, "text.h5")], ["kernel.csv", "-o", "no/where.html"]):
        done = tool("report", *arguments, cwd=folder)
        assert done.returncode == 2 and done.stdout == "" and done.stderr.startswith("report: ") and done.stderr.count("\n") == 1, (arguments, done.stderr)
    for arguments in (["limits.h5", "far.h5"], ["far.h5"]):
        done = tool("plot", "--together", *arguments, cwd=folder)
        assert done.returncode == 2 and done.stderr.startswith("plot: ") and done.stderr.count("\n") == 1, (arguments, done.stderr)
    assert sorted(os.listdir(folder)) == before
    assert "exit codes" in tool("report", "--help").stdout


def main():
    failed = 0
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        make(folder)
        for check in (check_studies, check_sweep, check_decay, check_formulas, check_tool):
            try:
                check(folder)
                print(f"{check.__name__}: ok")
            except AssertionError as error:
                print(f"{check.__name__}: failed: {error}")
                failed += 1
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
