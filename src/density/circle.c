/* The circle: Fourier pseudo-spectral. rho(theta) = sum_n c_n e^{i n theta}. The velocity has few modes beside the
 * density's: it is made on a coarse grid, of which it takes its own Fourier series, and only it and the density are
 * brought to the fine grid, where their product does not alias into the modes that are kept. Every rank does all of it,
 * since a step takes less time than a message. Plans are estimated, not measured: the same machine gives the same plan
 * and the same bits. */
#include <fftw3.h>
#include <math.h>

#include "density/impl.h"

typedef struct {
  PetscInt size;
  double *value;      /* [size] */
  fftw_complex *mode; /* [size/2 + 1]; a transform to values destroys it */
  fftw_plan to, from; /* value -> mode, mode -> value */
} Grid;

typedef struct {
  Grid coarse, slope, fine, velocity; /* Z and then the velocity, Z'; rho and then the flux, velocity */
  Tokens nodes;                       /* of the coarse grid */
  Vec field;
  double *noise;   /* [coarse.size]: frozen velocity */
  double *weights; /* [fine.size] */
} Circle;

static PetscErrorCode GridCreate(PetscInt size, Grid *grid) {
  PetscFunctionBeginUser;
  grid->size = size;
  grid->value = fftw_alloc_real((size_t)size);
  grid->mode = fftw_alloc_complex((size_t)size / 2 + 1);
  PetscCheck(grid->value && grid->mode, PETSC_COMM_SELF, PETSC_ERR_MEM, "a Fourier transform of length %d", (int)size);
  grid->to = fftw_plan_dft_r2c_1d(size, grid->value, grid->mode, FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
  grid->from = fftw_plan_dft_c2r_1d(size, grid->mode, grid->value, FFTW_ESTIMATE);
  PetscCheck(grid->to && grid->from, PETSC_COMM_SELF, PETSC_ERR_LIB, "FFTW: no plan of length %d", (int)size);
  PetscFunctionReturn(0);
}

static void GridDestroy(Grid *grid) {
  fftw_destroy_plan(grid->to);
  fftw_destroy_plan(grid->from);
  fftw_free(grid->value);
  fftw_free(grid->mode);
}

/* The modes up to `degree` of rho[K], those of degree n times factor[n] (NULL: 1), to values. Coefficients a_n of
 * cos(n theta)/sqrt(pi) and b_n of sin make c_n = (a_n - i b_n)/(2 sqrt(pi)); that of 1/sqrt(2 pi) is the first. */
static void Synthesize(PetscInt N, const double *rho, PetscInt degree, const PetscReal *factor, Grid *grid) {
  const double half = 0.5 / sqrt(PETSC_PI);
  double *restrict mode = (double *)grid->mode;

  mode[0] = rho[0] * (factor ? factor[0] : 1) / sqrt(2 * PETSC_PI);
  mode[1] = 0;
  for (PetscInt n = 1; n <= degree; n++) {
    const double scale = half * (factor ? factor[n] : 1);
    mode[2 * n] = scale * rho[n];
    mode[2 * n + 1] = -scale * rho[N + n];
  }
  for (PetscInt i = 2 * (degree + 1); i < grid->size + 2; i++) mode[i] = 0;
  fftw_execute(grid->from);
}

/* As above, times i n: the derivative. */
static void SynthesizeSlope(PetscInt N, const double *rho, PetscInt degree, const PetscReal *factor, Grid *grid) {
  const double half = 0.5 / sqrt(PETSC_PI);
  double *restrict mode = (double *)grid->mode;

  mode[0] = mode[1] = 0;
  for (PetscInt n = 1; n <= degree; n++) {
    const double scale = half * factor[n] * (double)n;
    mode[2 * n] = scale * rho[N + n];
    mode[2 * n + 1] = scale * rho[n];
  }
  for (PetscInt i = 2 * (degree + 1); i < grid->size + 2; i++) mode[i] = 0;
  fftw_execute(grid->from);
}

/* The velocity on the coarse grid, in coarse.value, to the fine one. */
static void Refine(Circle *circle, PetscInt bandwidth) {
  const double scale = 1 / (double)circle->coarse.size;
  const PetscInt most = PetscMin(bandwidth, (circle->coarse.size - 1) / 2);
  const double *restrict from = (const double *)circle->coarse.mode;
  double *restrict to = (double *)circle->velocity.mode;

  fftw_execute(circle->coarse.to);
  for (PetscInt i = 0; i < 2 * (most + 1); i++) to[i] = scale * from[i];
  for (PetscInt i = 2 * (most + 1); i < circle->velocity.size + 2; i++) to[i] = 0;
  fftw_execute(circle->velocity.from);
}

/* The tokens of the coarse grid: angles 2 pi j / size. All on this rank: evaluating a field at them is less work than
 * gathering it. */
static PetscErrorCode CreateNodes(Circle *circle) {
  TokensLayout layout;
  double *x;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_SELF, circle->coarse.size, 2, &circle->nodes));
  PetscCall(TokensCreateVec(circle->nodes, &circle->field));
  PetscCall(TokensGetLayout(circle->nodes, &layout));
  PetscCall(TokensGetVec(circle->nodes, &v));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt j = 0; j < circle->coarse.size; j++) {
    double *node = x + j / layout.block * 2 * layout.block + j % layout.block;
    node[0] = cos(2 * PETSC_PI * j / circle->coarse.size);
    node[layout.block] = sin(2 * PETSC_PI * j / circle->coarse.size);
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Density density) {
  Circle *circle;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&circle));
  density->data = circle;
  PetscCall(GridCreate(DensityFastSize(2 * density->bandwidth + 2), &circle->coarse));
  PetscCall(GridCreate(circle->coarse.size, &circle->slope));
  PetscCall(GridCreate(DensityFastSize(2 * density->degree + density->bandwidth + 1), &circle->fine));
  PetscCall(GridCreate(circle->fine.size, &circle->velocity));
  PetscCall(PetscCalloc2(circle->coarse.size, &circle->noise, circle->fine.size, &circle->weights));
  for (PetscInt j = 0; j < circle->fine.size; j++) circle->weights[j] = 2 * PETSC_PI / circle->fine.size;
  PetscCall(CreateNodes(circle));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Density density) {
  Circle *circle = density->data;

  PetscFunctionBeginUser;
  GridDestroy(&circle->coarse);
  GridDestroy(&circle->slope);
  GridDestroy(&circle->fine);
  GridDestroy(&circle->velocity);
  PetscCall(PetscFree2(circle->noise, circle->weights));
  PetscCall(VecDestroy(&circle->field));
  PetscCall(TokensDestroy(&circle->nodes));
  PetscCall(PetscFree(density->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Freeze(Density density, Field field, PetscReal scale) {
  Circle *circle = density->data;
  const double *x, *g;
  TokensLayout layout;
  Vec v;

  PetscFunctionBeginUser;
  density->speed = 0;
  if (field) {
    PetscCall(FieldEvaluate(field, circle->nodes, circle->field));
    PetscCall(TokensGetLayout(circle->nodes, &layout));
    PetscCall(TokensGetVec(circle->nodes, &v));
    PetscCall(VecGetArrayRead(v, &x));
    PetscCall(VecGetArrayRead(circle->field, &g));
    for (PetscInt j = 0; j < circle->coarse.size; j++) {
      const PetscInt cos_ = j / layout.block * 2 * layout.block + j % layout.block, sin_ = cos_ + layout.block;
      circle->noise[j] = scale * (g[sin_] * x[cos_] - g[cos_] * x[sin_]);
    }
    PetscCall(VecRestoreArrayRead(circle->field, &g));
    PetscCall(VecRestoreArrayRead(v, &x));
  } else {
    PetscCall(PetscArrayzero(circle->noise, circle->coarse.size));
  }
  for (PetscInt j = 0; j < circle->coarse.size; j++) density->speed = PetscMax(density->speed, fabs(circle->noise[j]));
  PetscCall(PetscArraycpy(circle->coarse.value, circle->noise, circle->coarse.size));
  if (density->attention.zero) Refine(circle, density->bandwidth);
  PetscFunctionReturn(0);
}

/* The velocity of attention and noise, on the fine grid. */
static void Velocity(Density density, PetscReal dt, const double *rho) {
  const DensityPotential *potential = &density->potential;
  Circle *circle = density->data;
  const double scale = dt * density->attention.strength;
  double *restrict z = circle->coarse.value;
  const double *restrict slope = circle->slope.value, *restrict noise = circle->noise;

  SynthesizeSlope(density->degree, rho, potential->degree, potential->zonal, &circle->slope);
  if (density->attention.normalized) {
    Synthesize(density->degree, rho, potential->degree, potential->zonal, &circle->coarse);
    for (PetscInt j = 0; j < circle->coarse.size; j++) z[j] = scale * slope[j] * DensityInverse(z[j]) + noise[j];
  } else {
    for (PetscInt j = 0; j < circle->coarse.size; j++) z[j] = scale * slope[j] + noise[j];
  }
  Refine(circle, density->bandwidth);
}

static PetscErrorCode Transport(Density density, PetscReal dt, const double *rho, double *out) {
  const PetscInt N = density->degree;
  Circle *circle = density->data;
  const double scale = 2 * sqrt(PETSC_PI) / (double)circle->fine.size;
  const double *restrict velocity = circle->velocity.value, *restrict flux = (const double *)circle->fine.mode;
  double *restrict value = circle->fine.value;

  PetscFunctionBeginUser;
  if (!density->attention.zero) Velocity(density, dt, rho);
  Synthesize(N, rho, N, NULL, &circle->fine);
  for (PetscInt j = 0; j < circle->fine.size; j++) value[j] *= velocity[j];
  fftw_execute(circle->fine.to);
  out[0] = 0;
  for (PetscInt n = 1; n <= N; n++) { /* -i n times the flux's modes */
    out[n] = scale * (double)n * flux[2 * n + 1];
    out[N + n] = scale * (double)n * flux[2 * n];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Values(Density density, const double *rho, PetscInt *n, const double **values,
                             const double **weights) {
  Circle *circle = density->data;

  PetscFunctionBeginUser;
  Synthesize(density->degree, rho, density->degree, NULL, &circle->fine);
  *n = circle->fine.size;
  *values = circle->fine.value;
  *weights = circle->weights;
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Density density) {
  const Circle *circle = density->data;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(density->comm,
                        "           %" PetscInt_FMT " points for products, %" PetscInt_FMT
                        " for the velocity, on every rank: %.3g MB\n",
                        circle->fine.size, circle->coarse.size,
                        8e-6 * (5 * circle->fine.size + 6 * circle->coarse.size + 5 * density->count)));
  PetscFunctionReturn(0);
}

const DensityKind DensityCircle = {.name = "circle",
                                   .create = Create,
                                   .destroy = Destroy,
                                   .freeze = Freeze,
                                   .transport = Transport,
                                   .grid = Values,
                                   .view = View};
