"""Files that are larger than the memory: info, plot, report and analyze on a trajectory of 10 GB within 1 GB, project where a frame is larger
than what it may have. The files are sparse: chunks that were never written read as the fill value, a point of the sphere."""
import os
import resource
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from run import CHORALE, options

TOOLS = os.path.join(os.environ["CHORALE_SOURCE"], "tools")
MOST = 1 << 30  # bytes that a process may have
FRAMES, TOKENS = 100, 4200000  # 100 MB a frame


def trajectory(path, frames, tokens):
    """In R^3; some tokens of the first and of the last frame are somewhere else than all others."""
    with h5py.File(path, "w") as file:
        file.create_group("h5md").attrs["version"] = [1, 1]
        group = file.create_group("particles/all/position")
        value = group.create_dataset("value", (frames, tokens, 3), chunks=(1, 1 << 18, 3), dtype=float, fillvalue=3**-0.5)
        group["step"], group["time"] = np.arange(frames), np.arange(frames) / 10
        for frame in (0, frames - 1):
            x = np.random.default_rng(frame).normal(size=(4096, 3))
            value[frame, :4096] = x / np.linalg.norm(x, axis=1, keepdims=True)


def run(folder, words, most, limited=True):
    """Within so much address space; what is measured is the largest resident size of all so far."""
    limit = (lambda: resource.setrlimit(resource.RLIMIT_AS, (2 * most, 2 * most))) if limited else None
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, preexec_fn=limit, timeout=200)
    assert done.returncode == 0, (words, done.returncode, done.stderr)
    size = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss << 10
    assert size < most, f"{words}: {size / 1e9:.2f} GB"
    return done.stdout


def unfinished_results(path):
    """0.8 GB of energies of which a job has written the first 1000 frames of one realization."""
    frames, realizations = 100000, 1000
    with h5py.File(path, "w") as file:
        group = file.create_group("observables/energy")
        value = group.create_dataset("value", (frames, realizations), chunks=(10000, 1), dtype=float, fillvalue=np.nan)
        value[:1000, 3] = 0.5
        group["step"], group["time"] = np.arange(frames), np.arange(frames) / 100
        file.create_group("study/simulate")
        file.create_group("parameters").attrs.update(layers_horizon="1000")
        file.create_group("provenance").attrs.update(complete="false")


def main():
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    with tempfile.TemporaryDirectory() as folder:
        unfinished_results(f"{folder}/unfinished.h5")
        text = run(folder, [f"{TOOLS}/info", "unfinished.h5"], MOST // 2)
        assert "1000 frames, step 0 to 999" in text and "of 100000 frames" in text, text
        trajectory(f"{folder}/wide.h5md", 1, 40000000)  # 0.96 GB a frame
        text = run(folder, [f"{TOOLS}/info", "wide.h5md"], MOST // 2)
        assert "40000000 tokens in R^3, double, 960 MB a frame" in text, text
        trajectory(f"{folder}/long.h5md", FRAMES, TOKENS)
        assert FRAMES * TOKENS * 24 > 1e10
        assert "100 frames, step 0 to 99" in run(folder, [f"{TOOLS}/info", "long.h5md"], MOST // 2)
        run(folder, [f"{TOOLS}/plot", "long.h5md"], MOST // 2)
        run(folder, [f"{TOOLS}/report", "long.h5md"], MOST // 2)
        trajectory(f"{folder}/project.h5md", 1, 12000000)  # 0.29 GB a frame
        run(folder, [f"{TOOLS}/project", "project.h5md"], MOST // 2)
        words = options(analyze_file="long.h5md", analyze_every=99, attention_beta=1, output_file="analyze.h5", progress="off")
        run(folder, [CHORALE, "analyze", *words], MOST, limited=False)
        with h5py.File(f"{folder}/analyze.h5") as file:
            order = file["observables/order/value"][:, 0]
        assert len(order) == 2 and (np.abs(order - (1 - 4096 / TOKENS)) < 1e-4).all(), order
    return 0


if __name__ == "__main__":
    sys.exit(main())
