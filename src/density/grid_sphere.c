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

static PetscErrorCode LayerCreate(const Sphere *sphere, Layer *layer) {
  PetscFunctionBeginUser;
  layer->value = fftw_alloc_real((size_t)sphere->points);
  layer->mode = fftw_alloc_complex((size_t)sphere->modes * (size_t)sphere->rings);
  PetscCheck(layer->value && layer->mode, PETSC_COMM_SELF, PETSC_ERR_MEM, "a grid of %d points", (int)sphere->points);
  PetscFunctionReturn(0);
}

static void LayerDestroy(Layer *layer) {
  fftw_free(layer->value);
  fftw_free(layer->mode);
}

/* Along longitude, all rings side by side. */
static PetscErrorCode CreatePlans(Sphere *sphere) {
  const int n = (int)sphere->angles, rings = (int)sphere->rings;

  PetscFunctionBeginUser;
  sphere->to = fftw_plan_many_dft_r2c(1, &n, rings, sphere->rho.value, NULL, rings, 1, sphere->rho.mode, NULL, rings, 1,
                                      FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  sphere->from = fftw_plan_many_dft_c2r(1, &n, rings, sphere->rho.mode, NULL, rings, 1, sphere->rho.value, NULL, rings,
                                        1, FFTW_ESTIMATE | FFTW_DESTROY_INPUT);
  PetscCheck(sphere->to && sphere->from, PETSC_COMM_SELF, PETSC_ERR_LIB, "FFTW: no plan of length %d", n);
  PetscFunctionReturn(0);
}

/* Modes up to order `most` are there. */
static PetscErrorCode ToValues(const Sphere *sphere, PetscInt most, Layer *layer) {
  const size_t filled = (size_t)(most + 1) * (size_t)sphere->rings;

  PetscFunctionBeginUser;
  PetscCall(PetscArrayzero(layer->mode + filled, (size_t)sphere->modes * (size_t)sphere->rings - filled));
  fftw_execute_dft_c2r(sphere->from, layer->mode, layer->value);
  PetscFunctionReturn(0);
}

static void ToModes(const Sphere *sphere, Layer *layer) {
  fftw_execute_dft_r2c(sphere->to, layer->value, layer->mode);
}

static PetscErrorCode CreateNodes(Density density, const PetscReal *z) {
  Sphere *sphere = density->data;
  TokensLayout layout;
  double *x;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensCreate(density->comm, sphere->points, 3, &sphere->nodes));
  PetscCall(TokensCreateVec(sphere->nodes, &sphere->field));
  PetscCall(TokensGetLayout(sphere->nodes, &layout));
  PetscCall(TokensGetVec(sphere->nodes, &v));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const PetscInt p = (layout.first + b) * layout.block + t, i = p % sphere->rings;
      const PetscReal angle = 2 * PETSC_PI * (PetscReal)(p / sphere->rings) / (PetscReal)sphere->angles;
      double *node = x + b * 3 * layout.block + t;
      node[0] = sphere->sine[i] * cos(angle);
      node[layout.block] = sphere->sine[i] * sin(angle);
      node[2 * layout.block] = z[i];
    }
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscFunctionReturn(0);
}

/* Rings and angles that integrate rho b . grad Y_k exactly: a polynomial of degree 2 degree + bandwidth. */
static PetscErrorCode Create(Density density) {
  const PetscReal *z, *w;
  Sphere *sphere;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&sphere));
  density->data = sphere;
  sphere->rings = (density->degree + density->bandwidth / 2 + 2) / 2 * 2;
  sphere->angles = DensityFastSize(2 * density->degree + density->bandwidth + 1);
  sphere->points = sphere->rings * sphere->angles;
  sphere->modes = sphere->angles / 2 + 1;
  PetscCall(LegendreCreate(density->comm, density->degree, sphere->rings, &sphere->legendre));
  PetscCall(LegendreGetRule(sphere->legendre, &z, &w));
  PetscCall(LayerCreate(sphere, &sphere->rho));
  PetscCall(LayerCreate(sphere, &sphere->z));
  PetscCall(LayerCreate(sphere, &sphere->slope));
  PetscCall(LayerCreate(sphere, &sphere->turn));
  PetscCall(CreatePlans(sphere));
  PetscCall(
      PetscCalloc3(sphere->points, &sphere->theta, sphere->points, &sphere->phi, sphere->points, &sphere->weights));
  PetscCall(
      PetscMalloc3(sphere->rings, &sphere->sine, sphere->rings, &sphere->integral, 3 * sphere->points, &sphere->rows));
  for (PetscInt i = 0; i < sphere->rings; i++) {
    const PetscReal square = (1 - z[i]) * (1 + z[i]), step = 2 * PETSC_PI / (PetscReal)sphere->angles;
    sphere->sine[i] = sqrt(square);
    sphere->integral[i] = w[i] * step / square;
    for (PetscInt j = 0; j < sphere->angles; j++) sphere->weights[j * sphere->rings + i] = w[i] * step;
  }
  PetscCall(CreateNodes(density, z));
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Density density) {
  Sphere *sphere = density->data;

  PetscFunctionBeginUser;
  fftw_destroy_plan(sphere->to);
  fftw_destroy_plan(sphere->from);
  LayerDestroy(&sphere->rho);
  LayerDestroy(&sphere->z);
  LayerDestroy(&sphere->slope);
  LayerDestroy(&sphere->turn);
  PetscCall(PetscFree3(sphere->theta, sphere->phi, sphere->weights));
  PetscCall(PetscFree3(sphere->sine, sphere->integral, sphere->rows));
  PetscCall(VecDestroy(&sphere->field));
  PetscCall(TokensDestroy(&sphere->nodes));
  PetscCall(LegendreDestroy(&sphere->legendre));
  PetscCall(PetscFree(density->data));
  PetscFunctionReturn(0);
}

static PetscErrorCode Freeze(Density density, Field field, PetscReal scale) {
  Sphere *sphere = density->data;
  const PetscReal *z;

  PetscFunctionBeginUser;
  density->speed = 0;
  if (!field) {
    PetscCall(PetscArrayzero(sphere->theta, sphere->points));
    PetscCall(PetscArrayzero(sphere->phi, sphere->points));
    PetscFunctionReturn(0);
  }
  PetscCall(FieldEvaluate(field, sphere->nodes, sphere->field));
  PetscCall(TokensGather(sphere->nodes, sphere->field, sphere->rows));
  PetscCall(LegendreGetRule(sphere->legendre, &z, NULL));
  for (PetscInt j = 0, p = 0; j < sphere->angles; j++) {
    const PetscReal angle = 2 * PETSC_PI * (PetscReal)j / (PetscReal)sphere->angles, c = cos(angle), t = sin(angle);
    for (PetscInt i = 0; i < sphere->rings; i++, p++) {
      const double *g = sphere->rows + 3 * p;
      const PetscReal south = scale * (z[i] * (c * g[0] + t * g[1]) - sphere->sine[i] * g[2]);
      const PetscReal east = scale * (c * g[1] - t * g[0]);
      sphere->theta[p] = sphere->sine[i] * south;
      sphere->phi[p] = sphere->sine[i] * east;
      density->speed = PetscMax(density->speed, south * south + east * east);
    }
  }
  density->speed = PetscSqrtReal(density->speed);
  PetscFunctionReturn(0);
}

/* Z, (1 - z^2) dZ/dz and dZ/dphi on the grid. */
static PetscErrorCode Potential(Density density, const double *rho) {
  const DensityPotential *p = &density->potential;
  Sphere *sphere = density->data;

  PetscFunctionBeginUser;
  PetscCall(LegendreSynthesize(sphere->legendre, p->degree, p->zonal, rho, (double *)sphere->z.mode,
                               (double *)sphere->slope.mode));
  for (PetscInt m = 0; m <= p->degree; m++) {
    const double *from = (const double *)(sphere->z.mode + m * sphere->rings);
    double *to = (double *)(sphere->turn.mode + m * sphere->rings);
    for (PetscInt i = 0; i < sphere->rings; i++) {
      to[2 * i] = -(double)m * from[2 * i + 1];
      to[2 * i + 1] = (double)m * from[2 * i];
    }
  }
  if (density->attention.normalized) PetscCall(ToValues(sphere, p->degree, &sphere->z));
  PetscCall(ToValues(sphere, p->degree, &sphere->slope));
  PetscCall(ToValues(sphere, p->degree, &sphere->turn));
  PetscFunctionReturn(0);
}

/* rho times sin(theta) times the velocity: to s->rho and s->z. */
static void Flux(Density density, PetscReal dt) {
  const double scale = dt * density->attention.strength;
  Sphere *sphere = density->data;
  double *restrict rho = sphere->rho.value, *restrict z = sphere->z.value;
  const double *restrict slope = sphere->slope.value, *restrict turn = sphere->turn.value;
  const double *restrict theta = sphere->theta, *restrict phi = sphere->phi;

  if (density->attention.zero) {
    for (PetscInt p = 0; p < sphere->points; p++) z[p] = rho[p] * phi[p];
    for (PetscInt p = 0; p < sphere->points; p++) rho[p] *= theta[p];
  } else {
    if (!density->attention.normalized)
      for (PetscInt p = 0; p < sphere->points; p++) z[p] = 1;
    for (PetscInt p = 0; p < sphere->points; p++) {
      const double factor = scale * DensityInverse(z[p]), value = rho[p];
      rho[p] = value * (theta[p] - factor * slope[p]);
      z[p] = value * (phi[p] + factor * turn[p]);
    }
  }
}

static PetscErrorCode Transport(Density density, PetscReal dt, const double *rho, double *out) {
  Sphere *sphere = density->data;

  PetscFunctionBeginUser;
  if (!density->attention.zero) PetscCall(Potential(density, rho));
  PetscCall(LegendreSynthesize(sphere->legendre, density->degree, NULL, rho, (double *)sphere->rho.mode, NULL));
  PetscCall(ToValues(sphere, density->degree, &sphere->rho));
  Flux(density, dt);
  ToModes(sphere, &sphere->rho);
  ToModes(sphere, &sphere->z);
  PetscCall(LegendreDivergence(sphere->legendre, sphere->integral, (const double *)sphere->rho.mode,
                               (const double *)sphere->z.mode, out));
  out[0] = 0;
  PetscFunctionReturn(0);
}

static PetscErrorCode Values(Density density, const double *rho, PetscInt *n, const double **values,
                             const double **weights) {
  Sphere *sphere = density->data;

  PetscFunctionBeginUser;
  PetscCall(LegendreSynthesize(sphere->legendre, density->degree, NULL, rho, (double *)sphere->rho.mode, NULL));
  PetscCall(ToValues(sphere, density->degree, &sphere->rho));
  *n = sphere->points;
  *values = sphere->rho.value;
  *weights = sphere->weights;
  PetscFunctionReturn(0);
}

static PetscErrorCode View(Density density) {
  const Sphere *sphere = density->data;

  PetscFunctionBeginUser;
  PetscCall(PetscPrintf(density->comm,
                        "           grid of %" PetscInt_FMT " latitudes x %" PetscInt_FMT
                        " longitudes, orders dealt out to the ranks, rank 0: %.3g MB\n",
                        sphere->rings, sphere->angles,
                        1e-6 * LegendreBytes(sphere->legendre) + 136e-6 * sphere->points));
  PetscFunctionReturn(0);
}

const DensityKind DensitySphere = {.name = "sphere",
                                   .create = Create,
                                   .destroy = Destroy,
                                   .freeze = Freeze,
                                   .transport = Transport,
                                   .grid = Values,
                                   .view = View};
