/* Tokens that move on their own: independent Brownian motions on the sphere, NEIGHBOURS.md section 14. */
#include <math.h>

#include <chorale/tokens.h>

/* The angle of a step is this times a chi variable of d - 1 degrees of freedom, NEIGHBOURS.md (14.3): as long as z =
 * variance (d-2) is small, sqrt(variance); a quarter of the way round the sphere, and no more, when it is large. */
static PetscReal Reach(PetscInt dim, PetscReal variance) {
  const PetscReal z = variance * (PetscReal)(dim - 2);

  return dim == 2 ? sqrt(variance) : atan2(sqrt(-expm1(-z)), exp(-0.5 * z)) / sqrt((PetscReal)(dim - 2));
}

/* x <- cos(angle) x + sin(angle) e along e = P_x z/|P_x z|, angle = reach |P_x z|; components of x have stride B. */
static void Turn(PetscInt dim, PetscInt block, PetscReal reach, const double *z, double *x) {
  PetscReal radial = 0, square = 0;

  for (PetscInt c = 0; c < dim; c++) radial += z[c] * x[c * block];
  for (PetscInt c = 0; c < dim; c++) square += PetscSqr(z[c] - radial * x[c * block]);
  const PetscReal length = sqrt(square), angle = reach * length;
  const PetscReal along = cos(angle), aside = length > 0 ? sin(angle) / length : reach;
  for (PetscInt c = 0; c < dim; c++) x[c * block] = along * x[c * block] + aside * (z[c] - radial * x[c * block]);
}

PetscErrorCode TokensDiffuse(Tokens tokens, PetscReal variance, RngStream stream, PetscInt64 first) {
  TokensLayout layout;
  double *x, *z;
  Vec v;

  PetscFunctionBeginUser;
  PetscCall(TokensGetLayout(tokens, &layout));
  const PetscInt d = layout.dim, B = layout.block;
  const PetscReal reach = Reach(d, variance);
  PetscCall(TokensGetVec(tokens, &v));
  PetscCall(PetscMalloc1((size_t)B * (size_t)d, &z));
  PetscCall(VecGetArray(v, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    const PetscInt filled = TokensFilled(&layout, b);
    const uint64_t index = (uint64_t)first + (uint64_t)(layout.first + b) * (uint64_t)B;

    RngNormal(stream, index * (uint64_t)d, (size_t)filled * (size_t)d, z);
    for (PetscInt t = 0; t < filled; t++) Turn(d, B, reach, z + (size_t)t * (size_t)d, x + b * d * B + t);
  }
  PetscCall(VecRestoreArray(v, &x));
  PetscCall(PetscFree(z));
  PetscCall(TokensMove(tokens, 0, NULL)); /* the norms keep their rounding errors from growing */
  PetscFunctionReturn(0);
}
