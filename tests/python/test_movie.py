"""tools/plot --movie through ffmpeg: an mp4 that plays, with as many frames as were asked for.
GIFs: test_plot.py."""

import shutil
import subprocess

import pytest
import tools

pytestmark = pytest.mark.full


@pytest.fixture(autouse=True)
def with_ffmpeg():
    for program in ("ffmpeg", "ffprobe"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed (tools/install-deps all installs ffmpeg)")


def test_an_mp4_has_the_frames_that_were_asked_for(have):
    have("beyond")
    code, out, err = tools.run("plot", "--movie", "--frames", 5, "beyond.h5")
    assert code == 0 and out == "beyond.mp4\n", err
    words = "ffprobe -v error -count_frames -select_streams v -of csv=p=0 beyond.mp4 -show_entries"
    words = [*words.split(), "stream=nb_read_frames,codec_name"]
    probe = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert probe.strip() == "h264,5", probe


def test_a_folder_is_not_replaced(have, folder):
    have("beyond")
    (folder / "y.mp4").mkdir()
    code, _, err = tools.run("plot", "--movie", "beyond.h5", "-o", "y.mp4")
    assert code == 2 and err == "plot: y.mp4: is a folder\n", err
