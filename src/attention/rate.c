/* How fast attention alone can make E_beta grow, over all measures: epsilon = sup (d/dt log E_beta), THEORY.md (5.5) to
 * (5.9). Bounds from above that are proved, and from below.
 *
 * From above. Tokens follow a field b on the sphere, tangent to it. Where every unit tangent vector e has
 * <e, (grad b) e> <= g, tokens at angle theta part at the rate d/dt |x-y|^2 <= 2 g theta sin(theta)
 * <= 2 g |x-y|^2, and since y/(e^y - 1) <= 1,
 *
 *     dE_beta/dt = (beta/4) int int e^{beta <x,y>} d/dt |x-y|^2 <= 2 g E_beta,  g >= 0:  epsilon <= 2 g.
 *
 * Att is a sum over heads of V m, m the mean of a probability p on the sphere with weights e^{<Bx,y>}, B = K^T Q, so
 *
 *     <e, (grad b) e> = sum_h Cov_p(<V^T e, y>, <B e, y>) - <x, V m>.
 *
 * Cov_p(<a,y>,<c,y>) <= (|a||c| + <a,c>)/2: from Cov(s A, C/s) <= Var(s A + C/s)/4 at the best s. Hence
 *
 *     g <= (sum_h |V||B| + lambda_max(sym sum_h V B))/2 + sum_h |V|,
 *
 * and for B = b I, V = v I: g = -v for v < 0, and for v > 0 the largest of v (b (1 - t^2) - t), t in [-1,1]. Sinkhorn's
 * field is one of this kind with other weights. usa has e^{<Bx,y>} <= e^{|B|} in place of the denominator. A bias of
 * the output adds its norm to |V| in the last sum; biases of the logits are other weights, too, except for usa.
 *
 * From below. Tokens that have nearly met at x part at the rate -2 <x, sum_h V x>, e^{<Bx,x>} times that for usa.
 *
 * Under a mask tokens see different measures, and Att is no field: those at one place may part. Nothing is said from
 * above. From below the same: let all but the last of N tokens be at x.
 *
 * All this knows nothing of the energy's beta. Softmax, usa and l2 with B = b I, V = v I, v >= 0 are gradient flows of
 * the energy at b: epsilon = 0 there. At another beta, and for sinkhorn, the drift is another mean than that of the
 * energy's gradient; Mixed() says what follows. */
#include <petscsys.h>

#include <math.h>
#include <petscblaslapack.h>

#include "attention/impl.h"

#define ROUNDING 1e-12 /* relative, of norms by LAPACK */

/* Largest singular value of a, times what rounding may take. */
static PetscErrorCode Norm(PetscInt d, const double *a, PetscReal *norm) {
  PetscBLASInt n, room, info, one = 1;
  double *copy, *values, *work, none;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(PetscBLASIntCast(64 * d, &room));
  PetscCall(PetscMalloc3(d * d, &copy, d, &values, room, &work));
  PetscCall(PetscArraycpy(copy, a, d * d));
  PetscCallBLAS("LAPACKgesvd",
                LAPACKgesvd_("N", "N", &n, &n, copy, &n, values, &none, &one, &none, &one, work, &room, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "dgesvd returned %d", (int)info);
  *norm = values[0] * (1 + ROUNDING * (PetscReal)d);
  PetscCall(PetscFree3(copy, values, work));
  PetscFunctionReturn(0);
}

/* Eigenvalues of the symmetric part of a, ascending; a becomes its eigenvectors, one per row. */
static PetscErrorCode Eigen(PetscInt d, double *a, double *values) {
  PetscBLASInt n, room, info;
  double *work;

  PetscFunctionBeginUser;
  PetscCall(PetscBLASIntCast(d, &n));
  PetscCall(PetscBLASIntCast(64 * d, &room));
  PetscCall(PetscMalloc1(room, &work));
  for (PetscInt i = 0; i < d; i++)
    for (PetscInt j = 0; j < i; j++) a[i * d + j] = a[j * d + i] = 0.5 * (a[i * d + j] + a[j * d + i]);
  PetscCallBLAS("LAPACKsyev", LAPACKsyev_("V", "U", &n, a, &n, values, work, &room, &info));
  PetscCheck(info == 0, PETSC_COMM_SELF, PETSC_ERR_LIB, "dsyev returned %d", (int)info);
  PetscCall(PetscFree(work));
  PetscFunctionReturn(0);
}

/* sum += scale V B */
static void AddProduct(PetscInt d, PetscReal scale, const double *V, const double *B, double *sum) {
  for (PetscInt i = 0; i < d; i++)
    for (PetscInt k = 0; k < d; k++)
      for (PetscInt j = 0; j < d; j++) sum[i * d + j] += scale * V[i * d + k] * B[k * d + j];
}

/* <x, a y> */
static PetscReal Form(PetscInt d, const double *a, const double *x) {
  PetscReal sum = 0;

  for (PetscInt i = 0; i < d; i++)
    for (PetscInt j = 0; j < d; j++) sum += x[i] * a[i * d + j] * x[j];
  return sum;
}

/* One head in R^d: the logit is <Bx,y> + <slope,x> + <key,y> + constant, the output V y + add. */
typedef struct {
  double *V, *B, *slope, *key, constant;
  const double *add; /* NULL for 0 */
} Dense;

static PetscErrorCode DenseCreate(PetscInt d, Dense *dense) {
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc4(d * d, &dense->V, d * d, &dense->B, d, &dense->slope, d, &dense->key));
  PetscFunctionReturn(0);
}

static PetscErrorCode DenseDestroy(Dense *dense) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree4(dense->V, dense->B, dense->slope, dense->key));
  PetscFunctionReturn(0);
}

/* out += M^T b */
static void AddTransposed(const AttentionMap *map, const double *b, double *out) {
  for (PetscInt i = 0; b && i < map->rows; i++)
    for (PetscInt j = 0; j < map->columns; j++) out[j] += map->matrix[i * map->columns + j] * b[i];
}

static PetscErrorCode DenseOf(PetscInt d, const AttentionHead *head, Dense *dense) {
  PetscFunctionBeginUser;
  PetscCall(AttentionMapProduct(&head->leave, &head->enter, d, dense->V));
  dense->add = head->leave.bias;
  dense->constant = 0;
  PetscCall(PetscArrayzero(dense->slope, d));
  PetscCall(PetscArrayzero(dense->key, d));
  if (!head->key.matrix) {
    PetscCall(PetscArraycpy(dense->B, head->query.matrix, d * d));
    PetscFunctionReturn(0);
  }
  PetscCall(PetscArrayzero(dense->B, d * d));
  AttentionTransposeMultiply(head->key.rows, d, 1, head->key.matrix, head->query.matrix, dense->B);
  AddTransposed(&head->query, head->key.bias, dense->slope);
  AddTransposed(&head->key, head->query.bias, dense->key);
  for (PetscInt i = 0; head->query.bias && head->key.bias && i < head->key.rows; i++)
    dense->constant += head->query.bias[i] * head->key.bias[i];
  PetscFunctionReturn(0);
}

/* <a,b>, 0 for a = NULL. */
static PetscReal Inner(PetscInt d, const double *a, const double *b) {
  PetscReal sum = 0;

  for (PetscInt i = 0; a && i < d; i++) sum += a[i] * b[i];
  return sum;
}

/* g of general weights, |value| times what the heads give with the sign of value. */
static PetscErrorCode HeadsGrowth(Attention a, PetscReal *g) {
  const PetscInt d = a->layout.dim;
  const PetscReal sign = a->value < 0 ? -1 : 1;
  const PetscBool plain = a->type->form == FORM_PLAIN ? PETSC_TRUE : PETSC_FALSE;
  PetscReal V, B, norms = 0, products = 0, biases = 0, most;
  double *sum, *values;
  Dense head;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(d * d, &sum, d, &values));
  PetscCall(DenseCreate(d, &head));
  PetscCall(PetscArrayzero(sum, d * d));
  for (PetscInt h = 0; h < a->heads; h++) {
    PetscCall(DenseOf(d, &a->head[h], &head));
    PetscCall(Norm(d, head.V, &V));
    PetscCall(Norm(d, head.B, &B));
    const PetscReal add = sqrt(Inner(d, head.add, head.add)), slope = sqrt(Inner(d, head.slope, head.slope));
    const PetscReal key = sqrt(Inner(d, head.key, head.key));
    const PetscReal largest = plain ? exp(B + slope + key + head.constant) : 1; /* of the weight of a pair */
    norms += largest * (V + add);
    products += largest * V * B;
    if (plain) biases += largest * (V * slope + add * (B + slope));
    AddProduct(d, sign * largest, head.V, head.B, sum);
  }
  PetscCall(Eigen(d, sum, values));
  most = values[d - 1] + ROUNDING * (PetscReal)d * products;
  *g = fabs(a->value) * (0.5 * (products + most) + norms + biases);
  PetscCall(DenseDestroy(&head));
  PetscCall(PetscFree2(sum, values));
  PetscFunctionReturn(0);
}

/* At the eigenvectors, of either sign, of the symmetric part of sum_h V: for all but usa, and without biases, one of
 * them is the best x. */
static PetscErrorCode HeadsLow(Attention a, PetscReal *low) {
  const PetscInt d = a->layout.dim;
  double *sum, *rates;
  Dense head;

  PetscFunctionBeginUser;
  PetscCall(PetscMalloc2(d * d, &sum, 2 * d, &rates));
  PetscCall(DenseCreate(d, &head));
  PetscCall(PetscArrayzero(sum, d * d));
  for (PetscInt h = 0; h < a->heads; h++) {
    PetscCall(DenseOf(d, &a->head[h], &head));
    for (PetscInt i = 0; i < d * d; i++) sum[i] += head.V[i];
  }
  PetscCall(Eigen(d, sum, rates));
  PetscCall(PetscArrayzero(rates, 2 * d));
  for (PetscInt h = 0; h < a->heads; h++) {
    PetscCall(DenseOf(d, &a->head[h], &head));
    for (PetscInt i = 0; i < 2 * d; i++) {
      const double *x = sum + i / 2 * d, sign = i % 2 ? -1 : 1;
      const PetscReal logit = Form(d, head.B, x) + sign * (Inner(d, head.slope, x) + Inner(d, head.key, x));
      const PetscReal weight = a->type->form == FORM_PLAIN ? exp(logit + head.constant) : 1;

      rates[i] -= 2 * a->value * weight * (Form(d, head.V, x) + sign * Inner(d, head.add, x));
    }
  }
  *low = -PETSC_MAX_REAL;
  for (PetscInt i = 0; i < 2 * d; i++) *low = PetscMax(*low, rates[i]);
  PetscCall(DenseDestroy(&head));
  PetscCall(PetscFree2(sum, rates));
  PetscFunctionReturn(0);
}

/* The largest of b (1 - t^2) - t, t in [-1,1]. */
static PetscReal Largest(PetscReal b) {
  return 2 * b >= 1 ? b + 1 / (4 * b) : 1;
}

/* The energy at beta along a drift of v = 1 with the kernel e^{b <x,y>}. With Z = sum_j w_j e^{beta (u - 1)}, m the
 * mean of the energy's gradient and m' the drift,
 *
 *     dE/dt = -beta sum_i w_i Z_i <P m_i, P m'_i> <= beta (sum w Z |P m|^2)^{1/2} (sum w Z |P m'|^2)^{1/2},
 *
 * in units of e^beta. The first sum is at most 2 E / beta: it is what softmax of v = -1 does. The second is at most
 * 4 E / (1 - e^{-2 beta}) for sinkhorn, whose plan has less entropic cost than the independent one. Else, with Z_s that
 * of e^{s (u - 1)}, -log(Z_s)/s falls with s, so that |P m'|^2 <= -2 log(Z_b)/b <= -2 r log(Z)/beta, r = max(1,
 * beta/b), and the second sum is at most 4 r E / beta. And where b is near beta m' is near m: the derivative of m_s by
 * s is Cov_s(y, u), whose part along a unit tangent vector is at most 1/2, and at most -2 log(Z_s)/s, hence
 *
 *     -<P m, P m'> <= |P (m' - m)|^2 / 4 <= -(b - beta)^2 r log(Z) / (4 beta):     epsilon <= (b - beta)^2 r / 2.
 *
 * usa has e^b Z_b <= e^b times that drift. */
static PetscReal Mixed(Attention a, PetscReal beta) {
  if (a->type->form == FORM_SINKHORN) return sqrt(8 * beta / -expm1(-2 * beta));
  const PetscReal r = PetscMax(1, beta / a->exponent);
  return PetscMin(0.5 * PetscSqr(a->exponent - beta) * r, sqrt(8 * r));
}

PetscErrorCode AttentionEnergyRate(Attention a, PetscReal beta, PetscReal *low, PetscReal *high) {
  const PetscReal plain = a->type->form == FORM_PLAIN ? exp(a->exponent) : 1;
  PetscBool zero;

  PetscFunctionBeginUser;
  *low = *high = 0;
  PetscCall(AttentionIsZero(a, &zero));
  if (zero) PetscFunctionReturn(0);
  if (a->heads) {
    PetscCall(HeadsLow(a, low));
    PetscCall(HeadsGrowth(a, high));
    *high *= 2;
  } else if (a->value < 0) {
    *low = *high = -2 * a->value * plain;
  } else if (a->exponent != beta || a->type->form == FORM_SINKHORN) {
    *high = a->value * plain * PetscMin(Mixed(a, beta), 2 * Largest(a->exponent));
  }
  if (a->causal) *high = INFINITY;
  PetscFunctionReturn(0);
}

PetscErrorCode AttentionStrength(Attention a, PetscReal *rate) {
  PetscBool zero;

  PetscFunctionBeginUser;
  *rate = 0;
  PetscCall(AttentionIsZero(a, &zero));
  if (zero) PetscFunctionReturn(0);
  if (a->heads)
    PetscCall(HeadsGrowth(a, rate));
  else
    *rate = fabs(a->value) * (1 + a->exponent) * (a->type->form == FORM_PLAIN ? exp(a->exponent) : 1);
  PetscFunctionReturn(0);
}
