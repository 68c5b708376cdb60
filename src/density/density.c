#include <math.h>
#include <string.h>

#include <chorale/deck.h>
#include <chorale/sphere.h>
#include <chorale/zonal.h>

#include "density/impl.h"

enum { CIRCLE_MOST = 4096, SPHERE_MOST = 256, CIRCLE_DEGREE = 512, SPHERE_DEGREE = 64 };

PetscInt DensityFastSize(PetscInt least) {
  PetscInt unit = 8;

  while (unit < least / 8) unit *= 2; /* few odd factors: FFTW has no fast code for them in long real transforms */
  for (PetscInt n = (least + unit - 1) / unit * unit;; n += unit) {
    PetscInt rest = n;
    for (PetscInt p = 2; p <= 7; p += p == 2 ? 1 : 2)
      while (rest % p == 0) rest /= p;
    if (rest == 1) return n;
  }
}

/* spde_degree, which must hold a field of degree `noise` projected onto the tangents. */
static PetscErrorCode ReadDegree(Density density, PetscInt noise) {
  const PetscInt most = density->dim == 2 ? CIRCLE_MOST : SPHERE_MOST;
  PetscInt64 degree;

  PetscFunctionBeginUser;
  PetscCall(DeckGetInt("spde_degree", &degree));
  if (degree < 0) degree = density->dim == 2 ? CIRCLE_DEGREE : SPHERE_DEGREE;
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

static PetscErrorCode ReadScheme(Density density) {
  char name[PETSC_MAX_PATH_LEN];

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("scheme_type", name));
  density->ito = (PetscBool)!strcmp(name, "euler");
  PetscCheck(density->ito || !strcmp(name, "flow"), density->comm, PETSC_ERR_USER_INPUT,
             "scheme_type = %s: must be flow or euler for a density", name);
  PetscFunctionReturn(0);
}

/* exponent, strength and bound of the attention type. */
static PetscErrorCode ReadAttention(Density density) {
  DensityAttention *a = &density->attention;
  char name[PETSC_MAX_PATH_LEN], weights[PETSC_MAX_PATH_LEN];
  PetscReal value;

  PetscFunctionBeginUser;
  PetscCall(DeckGetString("attention_type", name));
  PetscCall(DeckGetString("attention_weights", weights));
  PetscCall(DeckGetReal("attention_beta", &density->beta));
  PetscCall(DeckGetReal("attention_value", &value));
  PetscCheck(!weights[0], density->comm, PETSC_ERR_USER_INPUT,
             "attention_weights = %s: a density takes the default weights only", weights);
  PetscCheck(strcmp(name, "sinkhorn"), density->comm, PETSC_ERR_USER_INPUT,
             "attention_type = sinkhorn: must be softmax, usa, l2 or none for a density");
  a->zero = (PetscBool)(!strcmp(name, "none") || value == 0);
  a->normalized = (PetscBool)strcmp(name, "usa");
  a->exponent = strcmp(name, "l2") ? density->beta : 2 * density->beta; /* THEORY.md (1.5): l2 is softmax at 2 beta */
  a->strength = value / a->exponent;
  a->most = fabs(value);
  if (!a->normalized) {
    a->strength *= exp(a->exponent);
    a->most *= exp(a->exponent);
  }
  PetscFunctionReturn(0);
}

/* Z by degrees within attention_tol, and how many degrees its velocity needs. The velocity of softmax is analytic where
 * Z has no zero: on complex angles |Im| < asinh(pi / (2 exponent)), where all terms of Z, positive for real ones, turn
 * by less than a right angle. So its coefficients fall like e^{-n asinh(...)}. */
static PetscErrorCode SetBandwidth(Density density, PetscInt noise) {
  DensityAttention *a = &density->attention;
  PetscReal tol, tail;

  PetscFunctionBeginUser;
  density->bandwidth = noise + 1;
  PetscCall(DeckGetReal("attention_tol", &tol));
  PetscCall(ZonalExponentialDegree(density->dim, density->beta, tol, &density->energy_degree, &tail));
  density->energy_degree = PetscMin(density->energy_degree, density->degree);
  PetscCall(PetscMalloc1(density->energy_degree + 1, &density->energy));
  PetscCall(ZonalExponential(density->dim, density->beta, density->energy_degree, density->energy));
  if (a->zero) PetscFunctionReturn(0);
  /* Z itself to rounding: its small values are divided by, and a few degrees more cost nothing. */
  PetscCall(ZonalExponentialDegree(density->dim, a->exponent, PetscMin(tol, 1e-15), &a->degree, &tail));
  a->degree = PetscMin(a->degree, density->degree);
  const PetscReal width = asinh(0.5 * PETSC_PI / a->exponent);
  const PetscInt quotient = (PetscInt)ceil(PetscMin(-log(tol) / width, 1e6));
  density->needed = PetscMax(a->degree, a->normalized ? quotient : 0);
  density->bandwidth = PetscMax(density->bandwidth, PetscMin(density->needed, density->degree));
  PetscCall(PetscMalloc1(a->degree + 1, &a->zonal));
  PetscCall(ZonalExponential(density->dim, a->exponent, a->degree, a->zonal));
  for (PetscInt n = 0; n <= a->degree; n++) a->zonal[n] *= density->area / SphereHarmonicCount(density->dim, n);
  PetscFunctionReturn(0);
}

PetscErrorCode DensityCreate(MPI_Comm comm, PetscInt dim, Noise noise, Density *density) {
  char type[PETSC_MAX_PATH_LEN];
  PetscInt degree;
  PetscInt64 seed;
  Density d;

  PetscFunctionBeginUser;
  PetscCheck(dim == 2 || dim == 3, comm, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt_FMT ": a density is solved for on the circle (2) and the sphere (3)", dim);
  PetscCall(NoiseGetDegree(noise, &degree));
  PetscCall(DeckGetString("noise_type", type));
  PetscCheck(degree < NOISE_DEGREE_NONE, comm, PETSC_ERR_USER_INPUT,
             "noise_type = %s: must be spectral or none for a density, which moves in the limit of infinite width",
             type);
  PetscCall(PetscNew(&d));
  d->comm = comm;
  d->dim = dim;
  d->area = SphereArea(dim);
  d->kind = dim == 2 ? &DensityCircle : &DensitySphere;
  PetscCall(ReadDegree(d, degree));
  PetscCall(ReadScheme(d));
  PetscCall(DeckGetReal("spde_tol", &d->tolerance));
  PetscCall(DeckGetReal("spde_hyperviscosity", &d->hyperviscosity));
  PetscCall(DeckGetInt("ensemble_seed", &seed));
  d->seed = (uint64_t)seed;
  PetscCall(ReadAttention(d));
  PetscCall(SetBandwidth(d, degree));
  PetscCall(HarmonicsCreate(dim, d->degree, &d->harmonics));
  PetscCall(HarmonicsGetSize(d->harmonics, &d->count, &d->degrees));
  PetscCall(VecCreateSeq(PETSC_COMM_SELF, d->count, &d->state));
  for (int i = 0; i < 3; i++) PetscCall(PetscMalloc1(d->count, &d->work[i]));
  PetscCall(d->kind->create(d));
  *density = d;
  PetscFunctionReturn(0);
}

PetscErrorCode DensityDestroy(Density *density) {
  Density d = *density;

  PetscFunctionBeginUser;
  if (!d) PetscFunctionReturn(0);
  PetscCall(d->kind->destroy(d));
  for (int i = 0; i < 3; i++) PetscCall(PetscFree(d->work[i]));
  PetscCall(PetscFree(d->attention.zonal));
  PetscCall(PetscFree(d->energy));
  PetscCall(VecDestroy(&d->state));
  PetscCall(HarmonicsDestroy(&d->harmonics));
  PetscCall(PetscFree(*density));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityView(Density d) {
  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(d->comm,
                        "density    on the %s, degree %" PetscInt_FMT ", %" PetscInt_FMT " coefficients, scheme %s\n",
                        d->kind->name, d->degree, d->count, d->ito ? "euler (Ito)" : "flow (Stratonovich)"));
  PetscCall(d->kind->view(d));
  PetscCall(PetscPrintf(d->comm,
                        "           velocity up to degree %" PetscInt_FMT
                        "; outgrown when the upper third of the degrees has %g of the norm\n",
                        d->bandwidth, (double)d->tolerance));
  if (!d->attention.zero && d->needed > d->degree)
    PetscCall(PetscPrintf(d->comm,
                          "           attention of a narrow density may need a velocity up to degree %" PetscInt_FMT
                          ", more than spde_degree: what aliases then shows in the upper third\n",
                          d->needed));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityGetSize(Density d, PetscInt *degree, PetscInt *count, const PetscInt **degrees) {
  PetscFunctionBeginUser;
  if (degree) *degree = d->degree;
  if (count) *count = d->count;
  if (degrees) *degrees = d->degrees;
  PetscFunctionReturn(0);
}

PetscErrorCode DensityGetVec(Density d, Vec *coefficients) {
  PetscFunctionBeginUser;
  *coefficients = d->state;
  PetscFunctionReturn(0);
}

/* The initial law of realization r, and what the upper third of its degrees has. */
static PetscErrorCode SetInitial(Density d, PetscInt r, const char **key, PetscReal *tail, PetscBool *outgrown) {
  double *rho;

  PetscFunctionBeginUser;
  PetscCall(VecGetArrayWrite(d->state, &rho));
  PetscCall(DensityInitial(d, r, rho, key));
  PetscCall(VecRestoreArrayWrite(d->state, &rho));
  PetscCall(DensityTail(d, tail, outgrown));
  PetscFunctionReturn(0);
}

PetscErrorCode DensityStart(Density d, PetscInt r) {
  const char *key;
  PetscBool outgrown;
  PetscReal tail;

  PetscFunctionBeginUser;
  PetscCall(SetInitial(d, r, &key, &tail, &outgrown));
  PetscCheck(!outgrown, d->comm, PETSC_ERR_USER_INPUT,
             "spde_degree = %" PetscInt_FMT ": too low for the initial law (of realization %" PetscInt_FMT
             "), whose upper third of degrees has %.2g of the norm, more than spde_tol; lower %s",
             d->degree, r, (double)tail, key);
  PetscFunctionReturn(0);
}

PetscErrorCode DensityCheckStarts(Density d, MPI_Comm comm, PetscInt R) {
  char name[PETSC_MAX_PATH_LEN];
  PetscInt first = PETSC_MAX_INT;
  PetscMPIInt rank, size;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  PetscCallMPI(MPI_Comm_size(comm, &size));
  PetscCall(DeckGetString("tokens_init", name));
  PetscCall(DensityStart(d, 0)); /* refuses on all ranks what is wrong with every realization */
  if (strcmp(name, "clusters")) PetscFunctionReturn(0);
  for (PetscInt r = rank; r < R && first == PETSC_MAX_INT; r += size) {
    const char *key;
    PetscBool outgrown;
    PetscCall(SetInitial(d, r, &key, NULL, &outgrown));
    if (outgrown) first = r;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPIU_INT, MPI_MIN, comm));
  if (first < R) PetscCall(DensityStart(d, first));
  PetscFunctionReturn(0);
}
