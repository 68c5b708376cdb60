"""tools/merge: results of seeds joined into one file whose statistics are those of chorale; other physics is refused."""
import os
import subprocess
import sys
import tempfile

import h5py
import numpy as np

from run import chorale, datasets, options

MERGE = os.path.join(os.environ["CHORALE_SOURCE"], "tools/merge")
RUN = dict(tokens_count=40, layers_depth=12, layers_horizon=1.0, mlp_width=32, output_every=5, progress="off")


def simulate(folder, name, **more):
    chorale(["simulate"] + options(**{**RUN, **more, "output_file": name}), cwd=folder)


def merge(folder, *words):
    return subprocess.run([MERGE, *words], cwd=folder, capture_output=True, text=True, check=False)


def statistics_are_those_of_chorale(folder):
    """Joining one file with itself cut in two is not possible, so: the joined mean and error of three seeds against numpy over all
    realizations, and those of a single file, joined alone, against what chorale wrote."""
    for seed, count in ((1, 3), (2, 4), (9, 2)):
        simulate(folder, f"{seed}.h5", ensemble_seed=seed, ensemble_realizations=count)
    done = merge(folder, "all.h5", "1.h5", "2.h5", "9.h5")
    assert done.returncode == 0, done.stderr
    joined, parts = datasets(f"{folder}/all.h5"), [datasets(f"{folder}/{seed}.h5") for seed in (1, 2, 9)]
    for name in ("energy", "order", "cosine_mean", "cosine_hist", "nematic", "clusters"):
        values = np.concatenate([part[f"observables/{name}/value"] for part in parts], axis=1)
        assert values.shape[1] == 9 and (joined[f"observables/{name}/value"] == values).all()
        np.testing.assert_allclose(joined[f"ensemble/{name}/mean"], values.mean(axis=1), rtol=1e-13, atol=1e-15)
        np.testing.assert_allclose(joined[f"ensemble/{name}/sem"], values.std(axis=1, ddof=1) / 3, rtol=1e-10, atol=1e-15)
    assert (joined["study/simulate/energy_sem"] == joined["ensemble/energy/sem"]).all()
    assert merge(folder, "one.h5", "2.h5").returncode == 0
    alone, original = datasets(f"{folder}/one.h5"), datasets(f"{folder}/2.h5")
    assert alone.keys() == original.keys()
    for name, value in original.items():
        if name.endswith("sem"):  # the compiler joins a product and a sum, numpy does not
            np.testing.assert_allclose(alone[name], value, rtol=1e-14, atol=1e-300)
        else:
            assert value.tobytes() == alone[name].tobytes(), name
    with h5py.File(f"{folder}/all.h5", "r") as file:
        assert file["parameters"].attrs["ensemble_realizations"] in ("9", b"9")


def what_does_not_fit_is_refused(folder):
    simulate(folder, "tanh.h5", ensemble_seed=3, mlp_activation="tanh")
    simulate(folder, "frames.h5", ensemble_seed=3, output_every=4)
    with open(f"{folder}/text.h5", "w", encoding="ascii") as file:
        file.write("no results")
    cases = ((("x.h5", "1.h5", "tanh.h5"), "mlp_activation = tanh"), (("x.h5", "1.h5", "frames.h5"), "output_every = 4"),
             (("x.h5", "1.h5", "1.h5"), "the same realizations twice"), (("x.h5", "1.h5", "none.h5"), "no such file"),
             (("x.h5", "text.h5"), "not an HDF5 file"), (("all.h5", "1.h5", "2.h5"), "exists already"),
             (("1.h5", "1.h5", "2.h5", "--overwrite"), "one of the files"))
    for words, reason in cases:
        done = merge(folder, *words)
        assert done.returncode == 2 and reason in done.stderr and done.stderr.count("\n") == 1, f"{words}: {done.stderr}"
        assert not os.path.exists(f"{folder}/x.h5")
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]


def main():
    with tempfile.TemporaryDirectory() as folder:
        statistics_are_those_of_chorale(folder)
        what_does_not_fit_is_refused(folder)


if __name__ == "__main__":
    sys.exit(main())
