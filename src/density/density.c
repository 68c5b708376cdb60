#include <math.h>
#include <string.h>

#include <chorale/sphere.h>

#include "density/impl.h"
#include "law/sphere/zonal.h"

enum { CIRCLE_MOST = 4096, SPHERE_MOST = 256, CIRCLE_DEGREE = 512, SPHERE_DEGREE = 64 };

static PetscInt64 Degree(const DensityOptions *options, PetscInt dim) {
  return options->degree >= 0 ? options->degree : dim == 2 ? CIRCLE_DEGREE : SPHERE_DEGREE;
}

PetscInt DensityShards(const DensityOptions *options, PetscInt dim) {
  return dim == 2 ? 0 : (PetscInt)Degree(options, dim) + 1; /* orders */
}

/* spde_degree, which must hold a field of degree `noise` projected onto the tangents. */
static PetscErrorCode SetDegree(Density density, PetscInt noise) {
  const PetscInt most = density->dim == 2 ? CIRCLE_MOST : SPHERE_MOST;
  const PetscInt64 degree = Degree(&density->options, density->dim);

  PetscFunctionBeginUser;
  PetscCheck(degree <= most, density->comm, PETSC_ERR_USER_INPUT,
             "spde_degree = %" PetscInt64_FMT ": must be at most %" PetscInt_FMT " for tokens_dim %" PetscInt_FMT,
             degree, most, density->dim);
  PetscCheck(degree > noise, density->comm, PETSC_ERR_USER_INPUT,
             "spde_degree = %" PetscInt64_FMT ": must be above the noise's degree %" PetscInt_FMT
             "; or lower noise_degree",
             degree, noise);
  density->degree = (PetscInt)degree;
  PetscFunctionReturn(0);
}

static PetscErrorCode SetScheme(Density density) {
  const char *name = density->options.scheme;

  PetscFunctionBeginUser;
  density->ito = !strcmp(name, "euler") ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(density->ito || !strcmp(name, "flow"), density->comm, PETSC_ERR_USER_INPUT,
             "scheme_type = %s: must be flow or euler for a density", name);
  PetscFunctionReturn(0);
}

/* e_n of e^{beta (u - 1)} by degrees within attention_tol. */
static PetscErrorCode SetKernel(Density density, PetscReal beta, DensityKernel *kernel) {
  PetscReal tail;

  PetscFunctionBeginUser;
  kernel->beta = beta;
  PetscCall(ZonalExponentialDegree(density->dim, beta, density->attention.tol, &kernel->degree, &tail));
  kernel->degree = PetscMin(kernel->degree, density->degree);
  PetscCall(PetscMalloc1(kernel->degree + 1, &kernel->e));
  PetscCall(ZonalExponential(density->dim, beta, kernel->degree, kernel->e));
  PetscFunctionReturn(0);
}

/* Z by degrees within attention_tol, and how many degrees its velocity needs. The velocity of softmax is analytic where
 * Z has no zero: on complex angles |Im| < asinh(pi / (2 exponent)), where all terms of Z, positive for real ones, turn
 * by less than a right angle. So its coefficients fall like e^{-n asinh(...)}. */
static PetscErrorCode SetBandwidth(Density density, PetscInt noise) {
  const AttentionPotential *a = &density->attention;
  DensityPotential *z = &density->potential;
  const PetscReal tol = a->tol;
  PetscReal tail;

  PetscFunctionBeginUser;
  density->bandwidth = noise + 1;
  PetscCall(SetKernel(density, a->energy_beta, &density->energy));
  PetscCall(SetKernel(density, a->beta, &density->mmd));
  if (a->zero) PetscFunctionReturn(0);
  /* Z itself to rounding: its small values are divided by, and a few degrees more cost nothing. */
  PetscCall(ZonalExponentialDegree(density->dim, a->exponent, PetscMin(tol, 1e-15), &z->degree, &tail));
  z->degree = PetscMin(z->degree, density->degree);
  const PetscReal width = asinh(0.5 * PETSC_PI / a->exponent);
  const PetscInt quotient = (PetscInt)ceil(PetscMin(-log(tol) / width, 1e6));
  density->needed = PetscMax(z->degree, a->normalized ? quotient : 0);
  density->bandwidth = PetscMax(density->bandwidth, PetscMin(density->needed, density->degree));
  PetscCall(PetscMalloc1(z->degree + 1, &z->zonal));
  PetscCall(ZonalExponential(density->dim, a->exponent, z->degree, z->zonal));
  for (PetscInt n = 0; n <= z->degree; n++) z->zonal[n] *= density->area / SphereHarmonicCount(density->dim, n);
  PetscFunctionReturn(0);
}

PetscErrorCode DensityCreate(Attention attention, Noise noise, const DensityOptions *options, Density *handle) {
  TokensLayout layout;
  const char *type;
  PetscInt degree;
  Density density;

  PetscFunctionBeginUser;
  PetscCall(AttentionGetLayout(attention, &layout));
  PetscCheck(layout.dim == 2 || layout.dim == 3, layout.comm, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": a density is solved for on the circle (2) and the sphere (3)",
             layout.dim);
  PetscCall(NoiseGetDegree(noise, &degree));
  PetscCall(NoiseGetType(noise, &type));
  PetscCheck(degree < NOISE_DEGREE_NONE, layout.comm, PETSC_ERR_USER_INPUT,
             "noise_type = %s: must be spectral or none for a density, which moves in the limit of infinite width",
             type);
  PetscCall(PetscNew(&density));
  density->comm = layout.comm;
  density->dim = layout.dim;
  density->area = SphereArea(density->dim);
  density->kind = density->dim == 2 ? &DensityCircle : &DensitySphere;
  density->options = *options;
  PetscCall(SetDegree(density, degree));
  PetscCall(SetScheme(density));
  PetscCall(AttentionGetPotential(attention, &density->attention));
  PetscCall(SetBandwidth(density, degree));
  PetscCall(HarmonicsCreate(density->dim, density->degree, &density->harmonics));
  PetscCall(HarmonicsGetSize(density->harmonics, &density->count, &density->degrees));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, density->count, &density->state));
  for (int i = 0; i < 3; i++) PetscCall(PetscMalloc1(density->count, &density->work[i]));
  PetscCall(density->kind->create(density));
  *handle = density;
  PetscFunctionReturn(0);
}

PetscErrorCode DensityDestroy(Density *handle) {
  Density density = *handle;

  PetscFunctionBeginUser;
  if (!density) PetscFunctionReturn(0);
  PetscCall(density->kind->destroy(density));
  for (int i = 0; i < 3; i++) PetscCall(PetscFree(density->work[i]));
  PetscCall(PetscFree(density->potential.zonal));
  PetscCall(PetscFree(density->energy.e));
  PetscCall(PetscFree(density->mmd.e));
  PetscCall(VecDestroy(&density->state));
  PetscCall(HarmonicsDestroy(&density->harmonics));
  PetscCall(PetscFree(*handle));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityBrief(Density density, size_t room, char accuracy[]) {
  char needed[64] = "";

  PetscFunctionBeginUser;
  if (!density->attention.zero && density->needed > density->degree)
    PetscCall(PetscSNPrintf(needed, sizeof(needed), ", attention may need %" PetscInt_FMT, density->needed));
  PetscCall(PetscSNPrintf(accuracy, room, "density to degree %" PetscInt_FMT "%s", density->degree, needed));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityView(Density density) {
  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(
      density->comm, "density    on the %s, degree %" PetscInt_FMT ", %" PetscInt_FMT " coefficients, scheme %s\n",
      density->kind->name, density->degree, density->count, density->ito ? "euler (Ito)" : "flow (Stratonovich)"));
  PetscCall(density->kind->view(density));
  PetscCall(PetscPrintf(density->comm,
                        "           velocity up to degree %" PetscInt_FMT
                        "; a density is too sharp for its degrees when the upper third has %g of the norm\n",
                        density->bandwidth, (double)density->options.tol));
  if (!density->attention.zero && density->needed > density->degree)
    PetscCall(PetscPrintf(density->comm,
                          "           attention of a narrow density may need a velocity up to degree %" PetscInt_FMT
                          ", more than spde_degree: if it does, the upper third shows it\n",
                          density->needed));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityGetSize(Density density, PetscInt *degree, PetscInt *count, const PetscInt **degrees) {
  PetscFunctionBeginUser;
  if (degree) *degree = density->degree;
  if (count) *count = density->count;
  if (degrees) *degrees = density->degrees;
  PetscFunctionReturn(0);
}

PetscErrorCode DensityGetVec(Density density, Vec *coefficients) {
  PetscFunctionBeginUser;
  *coefficients = density->state;
  PetscFunctionReturn(0);
}

/* The initial law of realization r, and what the upper third of its degrees has. */
static PetscErrorCode SetInitial(Density density, PetscInt r, const char **key, PetscReal *tail, PetscBool *outgrown) {
  double *rho;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(density->state, &rho));
  PetscCall(DensityInitial(density, r, rho, key));
  PetscCall(VecRestoreArrayWrite(density->state, &rho));
  PetscCall(DensityTail(density, tail, outgrown));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityStart(Density density, PetscInt r) {
  const char *key;
  PetscBool outgrown;
  PetscReal tail;

  PetscFunctionBeginUser;
  PetscCall(SetInitial(density, r, &key, &tail, &outgrown));
  PetscCheck(!outgrown, density->comm, PETSC_ERR_USER_INPUT,
             "spde_degree = %" PetscInt_FMT ": too low for the initial law (of realization %" PetscInt_FMT
             "), whose upper third of degrees has %.2g of the norm, more than spde_tol; lower %s",
             density->degree, r, (double)tail, key);
  PetscFunctionReturn(0);
}

PetscErrorCode DensityCheckStarts(Density density, MPI_Comm comm, PetscInt R) {
  PetscInt first = PETSC_MAX_INT;
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(DensityStart(density, 0)); /* refuses on all ranks what is wrong with every realization */
  if (strcmp(density->options.start.init, "clusters")) PetscFunctionReturn(0);
  for (PetscInt r = rank; r < R && first == PETSC_MAX_INT; r += size) {
    const char *key;
    PetscBool outgrown;
    PetscCall(SetInitial(density, r, &key, NULL, &outgrown));
    if (outgrown) first = r;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPIU_INT, MPI_MIN, comm));
  if (first < R) PetscCall(DensityStart(density, first));
  PetscFunctionReturn(0);
}
