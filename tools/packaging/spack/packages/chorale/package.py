"""Spack recipe, for a clone of chorale:

    spack repo add tools/packaging/spack
    spack dev-build chorale@0.5.0
"""
import os

from spack.package import *


class Chorale(CMakePackage):
    """Token dynamics of deep stochastic transformers, on MPI, PETSc and parallel HDF5."""

    # the clone that this recipe lies in, as committed
    git = os.path.abspath(os.path.join(os.path.dirname(__file__), *[os.pardir] * 5))

    license("BSD-2-Clause")
    version("0.5.0")

    depends_on("c", type="build")
    depends_on("cmake@3.20:", type="build")
    depends_on("ninja", type="build")
    depends_on("pkgconfig", type="build")
    depends_on("mpi")
    depends_on("petsc@3.18:+mpi~complex+double")
    depends_on("hdf5+hl+mpi")
    depends_on("fftw-api@3")
    depends_on("blas")
    depends_on("lapack")
    depends_on("libyaml")
    depends_on("zlib-api")
    depends_on("random123")
    depends_on("cmocka")
    depends_on("python@3.9:", type="run")
    depends_on("py-h5py", type="run")
    depends_on("py-matplotlib", type="run")

    generator("ninja")

    def cmake_args(self):
        # Spack's compiler wrapper adds the flags of the target.
        return [self.define("CHORALE_ARCH", "")]
