/* Keys of the density. */
#include "density/impl.h"

const OptionKey DensityKeys[] = {
    INT_KEY(DensityOptions, degree, "spde_degree", "-1", -1, 4096, "-",
            .help = "Highest degree of the density's harmonics, above the noise's; -1 takes 512 on the circle (most "
                    "4096) and 64 on the sphere (most 256)."),
    REAL_KEY(DensityOptions, tol, "spde_tol", "1e-4", 0, 1, "-", .above = PETSC_TRUE,
             .help = "Share of the density's norm in the upper third of its degrees at which it has outgrown them: the "
                     "comparison of that realization stops."),
    REAL_KEY(DensityOptions, hyperviscosity, "spde_hyperviscosity", "0", 0, 1e9, "1/time",
             .help = "Extra decay of the highest degree, falling like the eighth power of the degree; 0 for none."),
    {.name = NULL}};

PetscErrorCode DensityOptionsRead(DensityOptions *options) {
  PetscFunctionBeginUser;
  PetscCall(DeckRead(DensityKeys, options));
  options->scheme = "flow";
  options->independent = 0;
  PetscCall(StartOptionsRead(&options->start));
  PetscFunctionReturn(0);
}
