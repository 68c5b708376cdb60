"""The recipe of chorale_io for pandas and xarray, as it stands in its documentation."""
import os
import re
import subprocess
import sys
import tempfile

import numpy as np

from run import CHORALE, options

import tools  # pylint: disable=unused-import

import chorale_io


def main():
    try:
        import pandas
        import xarray
    except ImportError as error:
        print(f"skipped: {error} (tools/install-deps all installs python3-pandas and python3-xarray)")
        return 77
    recipe = re.sub("^    ", "", re.search(r"For pandas and xarray:\n\n((?:    .*\n)+)", chorale_io.__doc__)[1], flags=re.M)
    with tempfile.TemporaryDirectory() as folder:
        words = options(tokens_count=8, mlp_width=8, layers_depth=10, ensemble_realizations=3, output_file="simulate.h5", progress="off")
        subprocess.run([CHORALE, "simulate", *words], cwd=folder, capture_output=True, check=True)
        os.chdir(folder)
        scope = {"chorale_io": chorale_io, "pandas": pandas, "xarray": xarray}
        exec(recipe, scope)  # pylint: disable=exec-used
        frame, array = scope["frame"], scope["array"]
        assert list(frame.columns) == list(chorale_io.COLUMNS["simulate"]) and len(frame) == 11
        assert array.sizes == {"time": 11, "realization": 3} and array.attrs["units"] == "1"
        np.testing.assert_allclose(array.mean("realization").values, frame["energy_mean"], rtol=1e-12)
        os.chdir("/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
