"""tools/view --follow and tools/info --follow: a line, and a page, for every checkpoint of a run to
its end. A hook holds the run between two checkpoints."""

import subprocess
from pathlib import Path

import pytest
import tools
from run import TIMEOUT, options, running
from view_page import View, unpacked

KEYS = {
    "tokens_count": 30,
    "layers_depth": 60,
    "mlp_width": 8,
    "ensemble_realizations": 2,
    "ensemble_groups": 1,
    "output_every": 10,
    "output_trajectories": 1,
    "checkpoint_every": 20,
}
HOOK = "0 50 -1 wait=go"  # ten steps after the second checkpoint
D3 = "d3.js"


@pytest.fixture(name="held")
def run_that_is_held(folder):
    """A run of the first realization that has come to step 50, of 60."""
    (folder / D3).write_text("geoOrthographic\n", encoding="utf-8")
    words = ["simulate", *options(**KEYS, output_file="run.h5", progress="off")]
    with running(words, cwd=folder, hook=HOOK) as run:
        run.wait_until_held("go")
        yield run


class Follower:
    """A tool that goes on; its lines, one after the other."""

    def __init__(self, *words):
        command = [f"{tools.FOLDER}/{words[0]}", *words[1:]]
        keys = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        self.process = subprocess.Popen(command, **keys)

    def line(self):
        return self.process.stdout.readline()

    def end(self):
        """(exit code, the other lines, stderr)"""
        out, err = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, out.splitlines(), err


VIEW = ("view", "--follow", "run.h5", "-o", "page.html", "--js", D3)


def test_a_page_is_written_at_every_checkpoint_to_the_end(held):
    """While the run goes on the browser reads it anew."""
    follower = Follower(*VIEW)
    assert follower.line() == "page.html, running, 0 of 2, t = 3.33 of 5\n"
    early = View(Path("page.html"))
    time = unpacked(early.figures[0]["strips"][0]["lines"][0]["x"])
    assert early.data["every"] > 0 and len(time) == 5 and "INCOMPLETE" in early.page.text
    held.release("go")
    assert held.end().returncode == 0
    code, lines, err = follower.end()
    assert (code, lines[-1], err) == (0, "page.html, complete, 2 of 2, t = 5 of 5", "")
    late = View(Path("page.html"))
    assert late.data["every"] is None and "INCOMPLETE" not in late.page.text
    assert len(unpacked(late.figures[0]["points"]["time"])) == 7


def test_info_says_a_line_for_every_checkpoint_to_the_end(held):
    follower = Follower("info", "--follow", "run.h5")
    words = follower.line().split("  ")
    assert words[:3] == ["running", "0 of 2", "t = 3.33 of 5"]
    assert [word.split()[0] for word in words[3:]] == ["energy", "order", "clusters"]
    held.release("go")
    assert held.end().returncode == 0
    code, lines, err = follower.end()
    assert (code, err) == (0, "") and lines[-1].startswith("complete  2 of 2  t = 5 of 5  energy ")


@pytest.mark.full
def test_a_run_that_is_killed_ends_what_follows_it(held):
    followers = [Follower(*VIEW), Follower("info", "--follow", "run.h5")]
    for follower in followers:
        assert "running" in follower.line()
    held.kill()
    for follower, name in zip(followers, ("view", "info")):
        code, lines, err = follower.end()
        assert code == 1 and "killed" in lines[-1] and err.startswith(f"{name}: run.h5: killed: ")
        assert err.count("\n") == 1
    assert View(Path("page.html")).data["every"] is None


@pytest.mark.parametrize(
    "words, said",
    [
        ("missing.h5", "missing.h5: no such run: neither results nor a lock of one that goes on"),
        ("a.h5 b.h5", "--follow takes one FILE, without --brief and --deck"),
        ("a.h5 --brief", "--follow takes one FILE, without --brief and --deck"),
    ],
)
def test_what_cannot_be_followed_is_refused(folder, words, said):
    code, out, err = tools.run("info", "--follow", *words.split())
    assert (code, out, err) == (2, "", f"info: {said}\n")
