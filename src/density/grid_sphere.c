/* The sphere: harmonics pseudo-spectral on Gauss-Legendre latitudes times equispaced longitudes. The equation is tested
 * with the harmonics, d rho_k/dt = integral of rho b . grad Y_k, so that no derivative of a product is taken and mass
 * cannot change. The transforms over degrees are dealt out by order and the noise by blocks of grid points; longitudes
 * and products, which are less work, every rank takes all of. No sum is split, so the bits do not depend on the number
 * of ranks. Plans of FFTW are estimated, not measured, for the same reason. */
#include <fftw3.h>
#include <math.h>

#include "density/impl.h"
#include "density/legendre.h"

/* A function on the grid, [longitude][ring], and its modes, [m][ring]. */
typedef struct {
  double *value;
  fftw_complex *mode;
} Layer;

typedef struct {
  PetscInt rings, angles, points, modes; /* points = rings x angles; modes = angles/2 + 1 */
  Legendre legendre;
  Layer rho, z, slope, turn; /* density and then G_theta, Z and then G_phi, (1 - z^2) dZ/dz, dZ/dphi */
  fftw_plan to, from;
  Tokens nodes;
  Vec field;
  double *rows;        /* [points][3]: the field at the nodes, gathered */
  double *theta, *phi; /* [points]: frozen velocity times sin(theta) */
  double *weights;     /* [points]: of the quadrature */
  PetscReal *integral; /* [rings]: weights of LegendreDivergence */
  PetscReal *sine;     /* [rings] */
} Sphere;

static PetscErrorCode LayerCreate(const Sphere *s, Layer *layer) {
  PetscFunctionBeginUser;
  layer->value = fftw_alloc_real((size_t)s->points);
  layer->mode = fftw_alloc_complex((size_t)s->modes * (size_t)s->rings);
  PetscCheck(layer->value && layer->mode, PETSC_COMM_SELF, PETSC_ERR_MEM, "a grid of %d points", (int)s->points);
  PetscFunctionReturn(0);
}

static void LayerDestroy(Layer *layer) {
  fftw_free(layer->value);
  fftw_free(layer->mode);
}

/* Along longitude, all rings side by side. */
static PetscErrorCode CreatePlans(Sphere *s) {
  const int n = (int)s->angles, rings = (int)s->rings;

  PetscFunctionBeginUser;
  s->to = fftw_plan_many_dft_r2c(1, &n, rings, s->rho.value, NULL, rings, 1, s->rho.mode, NULL, rings, 1,
                                 FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  s->from = fftw_plan_many_dft_c2r(1, &n, rings, s->rho.mode, NULL, rings, 1, s->rho.value, NULL, rings, 1,
                                   FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  PetscCheck(s->to && s->from, PETSC_COMM_SELF, PETSC_ERR_LIB, "FFTW: no plan of length %d", n);
  PetscFunctionReturn(0);
}

/* Modes up to order `most` are there. */
static PetscErrorCode ToValues(const Sphere *s, PetscInt most, Layer *layer) {
  const size_t filled = (size_t)(most + 1) * (size_t)s->rings;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(layer->mode + filled, (size_t)s->modes * (size_t)s->rings - filled));
  fftw_execute_dft_c2r(s->from, layer->mode, layer->value);
  PetscFunctionReturn(0);
}

static void ToModes(const Sphere *s, Layer *layer) {
  fftw_execute_dft_r2c(s->to, layer->value, layer->mode);
}

static PetscErrorCode CreateNodes(Density d, const PetscReal *z) {
  Sphere *s = d->data;
  TokensLayout layout;
  double *x;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(d->comm, s->points, 3, &s->nodes));
  PetscCall(TokensCreateVec(s->nodes, &s->field));
  PetscCall(TokensGetLayout(s->nodes, &layout));
  PetscCall(TokensGetVec(s->nodes, &v));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt p = (layout.first + b) * layout.block + t, i = p % s->rings;
      const PetscReal angle = 2 * PETSC_PI * (PetscReal)(p / s->rings) / (PetscReal)s->angles;
      double *node = x + b * 3 * layout.block + t;
      node[0] = s->sine[i] * cos(angle);
      node[layout.block] = s->sine[i] * sin(angle);
      node[2 * layout.block] = z[i];
    }
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}

/* Rings and angles that integrate rho b . grad Y_k exactly: a polynomial of degree 2 degree + bandwidth. */
static PetscErrorCode Create(Density d) {
  const PetscReal *z, *w;
  Sphere *s;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&s));
  d->data = s;
  s->rings = (d->degree + d->bandwidth / 2 + 2) / 2 * 2;
  s->angles = DensityFastSize(2 * d->degree + d->bandwidth + 1);
  s->points = s->rings * s->angles;
  s->modes = s->angles / 2 + 1;
  PetscCall(LegendreCreate(d->comm, d->degree, s->rings, &s->legendre));
  PetscCall(LegendreGetRule(s->legendre, &z, &w));
  PetscCall(LayerCreate(s, &s->rho));
  PetscCall(LayerCreate(s, &s->z));
  PetscCall(LayerCreate(s, &s->slope));
  PetscCall(LayerCreate(s, &s->turn));
  PetscCall(CreatePlans(s));
  PetscCall(PetscCalloc3(s->points, &s->theta, s->points, &s->phi, s->points, &s->weights));
  PetscCall(PetscMalloc3(s->rings, &s->sine, s->rings, &s->integral, 3 * s->points, &s->rows));
  for (PetscInt i = 0; i < s->rings; i++) {
    const PetscReal square = (1 - z[i]) * (1 + z[i]), step = 2 * PETSC_PI / (PetscReal)s->angles;
    s->sine[i] = sqrt(square);
    s->integral[i] = w[i] * step / square;
    for (PetscInt j = 0; j < s->angles; j++) s->weights[j * s->rings + i] = w[i] * step;
  }
  PetscCall(CreateNodes(d, z));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Density d) {
  Sphere *s = d->data;

  PetscFunctionBeginUser;
  fftw_destroy_plan(s->to);
  fftw_destroy_plan(s->from);
  LayerDestroy(&s->rho);
  LayerDestroy(&s->z);
  LayerDestroy(&s->slope);
  LayerDestroy(&s->turn);
  PetscCall(PetscFree3(s->theta, s->phi, s->weights));
  PetscCall(PetscFree3(s->sine, s->integral, s->rows));
  PetscCall(VecDestroy(&s->field));
  PetscCall(TokensDestroy(&s->nodes));
  PetscCall(LegendreDestroy(&s->legendre));
  PetscCall(PetscFree(d->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Freeze(Density d, Field field, PetscReal scale) {
  Sphere *s = d->data;
  const PetscReal *z;

  PetscFunctionBeginUser;
  d->speed = 0;
  if (!field) {
    PetscCall(PetscArrayzero(s->theta, s->points));
    PetscCall(PetscArrayzero(s->phi, s->points));
    PetscFunctionReturn(0);
  }
  PetscCall(FieldEvaluate(field, s->nodes, s->field));
  PetscCall(TokensGather(s->nodes, s->field, s->rows));
  PetscCall(LegendreGetRule(s->legendre, &z, NULL));
  for (PetscInt j = 0, p = 0; j < s->angles; j++) {
    const PetscReal angle = 2 * PETSC_PI * (PetscReal)j / (PetscReal)s->angles, c = cos(angle), t = sin(angle);
    for (PetscInt i = 0; i < s->rings; i++, p++) {
      const double *g = s->rows + 3 * p;
      const PetscReal south = scale * (z[i] * (c * g[0] + t * g[1]) - s->sine[i] * g[2]);
      const PetscReal east = scale * (c * g[1] - t * g[0]);
      s->theta[p] = s->sine[i] * south;
      s->phi[p] = s->sine[i] * east;
      d->speed = PetscMax(d->speed, south * south + east * east);
    }
  }
  d->speed = PetscSqrtReal(d->speed);
  PetscFunctionReturn(0);
}

/* Z, (1 - z^2) dZ/dz and dZ/dphi on the grid. */
static PetscErrorCode Potential(Density d, const double *rho) {
  const DensityPotential *p = &d->potential;
  Sphere *s = d->data;

  PetscFunctionBeginUser;
  PetscCall(LegendreSynthesize(s->legendre, p->degree, p->zonal, rho, (double *)s->z.mode, (double *)s->slope.mode));
  for (PetscInt m = 0; m <= p->degree; m++) {
    const double *from = (const double *)(s->z.mode + m * s->rings);
    double *to = (double *)(s->turn.mode + m * s->rings);
    for (PetscInt i = 0; i < s->rings; i++) {
      to[2 * i] = -(double)m * from[2 * i + 1];
      to[2 * i + 1] = (double)m * from[2 * i];
    }
  }
  if (d->attention.normalized) PetscCall(ToValues(s, p->degree, &s->z));
  PetscCall(ToValues(s, p->degree, &s->slope));
  PetscCall(ToValues(s, p->degree, &s->turn));
  PetscFunctionReturn(0);
}

/* rho times sin(theta) times the velocity: to s->rho and s->z. */
static void Flux(Density d, PetscReal dt) {
  const double scale = dt * d->attention.strength;
  Sphere *s = d->data;
  double *restrict rho = s->rho.value, *restrict z = s->z.value;
  const double *restrict slope = s->slope.value, *restrict turn = s->turn.value;
  const double *restrict theta = s->theta, *restrict phi = s->phi;

  if (d->attention.zero) {
    for (PetscInt p = 0; p < s->points; p++) z[p] = rho[p] * phi[p];
    for (PetscInt p = 0; p < s->points; p++) rho[p] *= theta[p];
  } else {
    if (!d->attention.normalized)
      for (PetscInt p = 0; p < s->points; p++) z[p] = 1;
    for (PetscInt p = 0; p < s->points; p++) {
      const double factor = scale * DensityInverse(z[p]), value = rho[p];
      rho[p] = value * (theta[p] - factor * slope[p]);
      z[p] = value * (phi[p] + factor * turn[p]);
    }
  }
}

static PetscErrorCode Transport(Density d, PetscReal dt, const double *rho, double *out) {
  Sphere *s = d->data;

  PetscFunctionBeginUser;
  if (!d->attention.zero) PetscCall(Potential(d, rho));
  PetscCall(LegendreSynthesize(s->legendre, d->degree, NULL, rho, (double *)s->rho.mode, NULL));
  PetscCall(ToValues(s, d->degree, &s->rho));
  Flux(d, dt);
  ToModes(s, &s->rho);
  ToModes(s, &s->z);
  PetscCall(LegendreDivergence(s->legendre, s->integral, (const double *)s->rho.mode, (const double *)s->z.mode, out));
  out[0] = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode Values(Density d, const double *rho, PetscInt *n, const double **values, const double **weights) {
  Sphere *s = d->data;

  PetscFunctionBeginUser;
  PetscCall(LegendreSynthesize(s->legendre, d->degree, NULL, rho, (double *)s->rho.mode, NULL));
  PetscCall(ToValues(s, d->degree, &s->rho));
  *n = s->points;
  *values = s->rho.value;
  *weights = s->weights;
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Density d) {
  const Sphere *s = d->data;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(d->comm,
                        "           grid of %" PetscInt_FMT " latitudes x %" PetscInt_FMT
                        " longitudes, orders dealt out to the ranks, rank 0: %.3g MB\n",
                        s->rings, s->angles, 1e-6 * LegendreBytes(s->legendre) + 136e-6 * s->points));
  PetscFunctionReturn(0);
}

const DensityKind DensitySphere = {.name = "sphere",
                                   .create = Create,
                                   .destroy = Destroy,
                                   .freeze = Freeze,
                                   .transport = Transport,
                                   .grid = Values,
                                   .view = View};
