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

static PetscErrorCode GridCreate(PetscInt size, Grid *g) {
  PetscFunctionBeginUser;
  g->size = size;
  g->value = fftw_alloc_real((size_t)size);
  g->mode = fftw_alloc_complex((size_t)size / 2 + 1);
  PetscCheck(g->value && g->mode, PETSC_COMM_SELF, PETSC_ERR_MEM, "a Fourier transform of length %d", (int)size);
  g->to = fftw_plan_dft_r2c_1d(size, g->value, g->mode, FFTW_ESTIMATE | FFTW_PRESERVE_INPUT);
  g->from = fftw_plan_dft_c2r_1d(size, g->mode, g->value, FFTW_ESTIMATE);
  PetscCheck(g->to && g->from, PETSC_COMM_SELF, PETSC_ERR_LIB, "FFTW: no plan of length %d", (int)size);
  PetscFunctionReturn(0);
}

static void GridDestroy(Grid *g) {
  fftw_destroy_plan(g->to);
  fftw_destroy_plan(g->from);
  fftw_free(g->value);
  fftw_free(g->mode);
}

/* The modes up to `degree` of rho[K], those of degree n times factor[n] (NULL: 1), to values. Coefficients a_n of
 * cos(n theta)/sqrt(pi) and b_n of sin make c_n = (a_n - i b_n)/(2 sqrt(pi)); that of 1/sqrt(2 pi) is the first. */
static void Synthesize(PetscInt N, const double *rho, PetscInt degree, const PetscReal *factor, Grid *g) {
  const double half = 0.5 / sqrt(PETSC_PI);
  double *restrict mode = (double *)g->mode;

  mode[0] = rho[0] * (factor ? factor[0] : 1) / sqrt(2 * PETSC_PI);
  mode[1] = 0;
  for (PetscInt n = 1; n <= degree; n++) {
    const double scale = half * (factor ? factor[n] : 1);
    mode[2 * n] = scale * rho[n];
    mode[2 * n + 1] = -scale * rho[N + n];
  }
  for (PetscInt i = 2 * (degree + 1); i < g->size + 2; i++) mode[i] = 0;
  fftw_execute(g->from);
}

/* As above, times i n: the derivative. */
static void SynthesizeSlope(PetscInt N, const double *rho, PetscInt degree, const PetscReal *factor, Grid *g) {
  const double half = 0.5 / sqrt(PETSC_PI);
  double *restrict mode = (double *)g->mode;

  mode[0] = mode[1] = 0;
  for (PetscInt n = 1; n <= degree; n++) {
    const double scale = half * factor[n] * (double)n;
    mode[2 * n] = scale * rho[N + n];
    mode[2 * n + 1] = scale * rho[n];
  }
  for (PetscInt i = 2 * (degree + 1); i < g->size + 2; i++) mode[i] = 0;
  fftw_execute(g->from);
}

/* The velocity on the coarse grid, in coarse.value, to the fine one. */
static void Refine(Circle *c, PetscInt bandwidth) {
  const double scale = 1 / (double)c->coarse.size;
  const PetscInt most = PetscMin(bandwidth, (c->coarse.size - 1) / 2);
  const double *restrict from = (const double *)c->coarse.mode;
  double *restrict to = (double *)c->velocity.mode;

  fftw_execute(c->coarse.to);
  for (PetscInt i = 0; i < 2 * (most + 1); i++) to[i] = scale * from[i];
  for (PetscInt i = 2 * (most + 1); i < c->velocity.size + 2; i++) to[i] = 0;
  fftw_execute(c->velocity.from);
}

/* The tokens of the coarse grid: angles 2 pi j / size. All on this rank: evaluating a field at them is less work than
 * gathering it. */
static PetscErrorCode CreateNodes(Circle *c) {
  TokensLayout layout;
  double *x;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(PETSC_COMM_SELF, c->coarse.size, 2, &c->nodes));
  PetscCall(TokensCreateVec(c->nodes, &c->field));
  PetscCall(TokensGetLayout(c->nodes, &layout));
  PetscCall(TokensGetVec(c->nodes, &v));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt j = 0; j < c->coarse.size; j++) {
    double *node = x + j / layout.block * 2 * layout.block + j % layout.block;
    node[0] = cos(2 * PETSC_PI * j / c->coarse.size);
    node[layout.block] = sin(2 * PETSC_PI * j / c->coarse.size);
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}

static PetscErrorCode Create(Density d) {
  Circle *c;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&c));
  d->data = c;
  PetscCall(GridCreate(DensityFastSize(2 * d->bandwidth + 2), &c->coarse));
  PetscCall(GridCreate(c->coarse.size, &c->slope));
  PetscCall(GridCreate(DensityFastSize(2 * d->degree + d->bandwidth + 1), &c->fine));
  PetscCall(GridCreate(c->fine.size, &c->velocity));
  PetscCall(PetscCalloc2(c->coarse.size, &c->noise, c->fine.size, &c->weights));
  for (PetscInt j = 0; j < c->fine.size; j++) c->weights[j] = 2 * PETSC_PI / c->fine.size;
  PetscCall(CreateNodes(c));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Density d) {
  Circle *c = d->data;

  PetscFunctionBeginUser;
  GridDestroy(&c->coarse);
  GridDestroy(&c->slope);
  GridDestroy(&c->fine);
  GridDestroy(&c->velocity);
  PetscCall(PetscFree2(c->noise, c->weights));
  PetscCall(VecDestroy(&c->field));
  PetscCall(TokensDestroy(&c->nodes));
  PetscCall(PetscFree(d->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Freeze(Density d, Field field, PetscReal scale) {
  Circle *c = d->data;
  const double *x, *g;
  TokensLayout layout;
  Vec v;

  PetscFunctionBeginUser;
  d->speed = 0;
  if (field) {
    PetscCall(FieldEvaluate(field, c->nodes, c->field));
    PetscCall(TokensGetLayout(c->nodes, &layout));
    PetscCall(TokensGetVec(c->nodes, &v));
    PetscCall(VecGetArrayRead(v, &x));
    PetscCall(VecGetArrayRead(c->field, &g));
    for (PetscInt j = 0; j < c->coarse.size; j++) {
      const PetscInt cos_ = j / layout.block * 2 * layout.block + j % layout.block, sin_ = cos_ + layout.block;
      c->noise[j] = scale * (g[sin_] * x[cos_] - g[cos_] * x[sin_]);
    }
    PetscCall(VecRestoreArrayRead(c->field, &g));
    PetscCall(VecRestoreArrayRead(v, &x));
  } else {
    PetscCall(PetscArrayzero(c->noise, c->coarse.size));
  }
  for (PetscInt j = 0; j < c->coarse.size; j++) d->speed = PetscMax(d->speed, fabs(c->noise[j]));
  PetscCall(PetscArraycpy(c->coarse.value, c->noise, c->coarse.size));
  if (d->attention.zero) Refine(c, d->bandwidth);
  PetscFunctionReturn(0);
}

/* The velocity of attention and noise, on the fine grid. */
static void Velocity(Density d, PetscReal dt, const double *rho) {
  const DensityPotential *potential = &d->potential;
  Circle *c = d->data;
  const double scale = dt * d->attention.strength;
  double *restrict z = c->coarse.value;
  const double *restrict slope = c->slope.value, *restrict noise = c->noise;

  SynthesizeSlope(d->degree, rho, potential->degree, potential->zonal, &c->slope);
  if (d->attention.normalized) {
    Synthesize(d->degree, rho, potential->degree, potential->zonal, &c->coarse);
    for (PetscInt j = 0; j < c->coarse.size; j++) z[j] = scale * slope[j] * DensityInverse(z[j]) + noise[j];
  } else {
    for (PetscInt j = 0; j < c->coarse.size; j++) z[j] = scale * slope[j] + noise[j];
  }
  Refine(c, d->bandwidth);
}

static PetscErrorCode Transport(Density d, PetscReal dt, const double *rho, double *out) {
  const PetscInt N = d->degree;
  Circle *c = d->data;
  const double scale = 2 * sqrt(PETSC_PI) / (double)c->fine.size;
  const double *restrict velocity = c->velocity.value, *restrict flux = (const double *)c->fine.mode;
  double *restrict value = c->fine.value;

  PetscFunctionBeginUser;
  if (!d->attention.zero) Velocity(d, dt, rho);
  Synthesize(N, rho, N, NULL, &c->fine);
  for (PetscInt j = 0; j < c->fine.size; j++) value[j] *= velocity[j];
  fftw_execute(c->fine.to);
  out[0] = 0;
  for (PetscInt n = 1; n <= N; n++) { /* -i n times the flux's modes */
    out[n] = scale * (double)n * flux[2 * n + 1];
    out[N + n] = scale * (double)n * flux[2 * n];
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Values(Density d, const double *rho, PetscInt *n, const double **values, const double **weights) {
  Circle *c = d->data;

  PetscFunctionBeginUser;
  Synthesize(d->degree, rho, d->degree, NULL, &c->fine);
  *n = c->fine.size;
  *values = c->fine.value;
  *weights = c->weights;
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Density d) {
  const Circle *c = d->data;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(d->comm,
                        "           %" PetscInt_FMT " points for products, %" PetscInt_FMT
                        " for the velocity, on every rank: %.3g MB\n",
                        c->fine.size, c->coarse.size, 8e-6 * (5 * c->fine.size + 6 * c->coarse.size + 5 * d->count)));
  PetscFunctionReturn(0);
}

const DensityKind DensityCircle = {.name = "circle",
                                   .create = Create,
                                   .destroy = Destroy,
                                   .freeze = Freeze,
                                   .transport = Transport,
                                   .grid = Values,
                                   .view = View};
