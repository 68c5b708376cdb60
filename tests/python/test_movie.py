"""tools/plot --movie through ffmpeg: an mp4 that plays, with as many frames as were asked for. GIFs: test_plot.py."""
import os
import shutil
import subprocess
import sys
import tempfile

from run import CHORALE, options

import tools


def main():
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        print("skipped: there is no ffmpeg (tools/install-deps all installs it)")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        words = options(tokens_count=20, tokens_dim=6, mlp_width=8, layers_depth=12, output_trajectories=1, output_file="x.h5", progress="off")
        subprocess.run([CHORALE, "simulate", *words], cwd=folder, capture_output=True, check=True)
        code, out, err = tools.run("plot", "--movie", "--frames", 5, "x.h5", cwd=folder)
        assert code == 0 and out == "x.mp4\n", err
        probe = subprocess.run(["ffprobe", "-v", "error", "-count_frames", "-select_streams", "v", "-show_entries", "stream=nb_read_frames,codec_name", "-of", "csv=p=0",
                                "x.mp4"], cwd=folder, capture_output=True, text=True, check=True).stdout
        assert probe.strip() == "h264,5", probe
        os.mkdir(os.path.join(folder, "y.mp4"))
        code, out, err = tools.run("plot", "--movie", "x.h5", "-o", "y.mp4", cwd=folder)
        assert code == 2 and err == "plot: y.mp4: is a folder\n", err
    return 0


if __name__ == "__main__":
    sys.exit(main())
