/* Entropy and largest of the attention weights, against the definition over all pairs. */
#include "attention_oracle.h"
#include "expect.h"
#include "keys.h"

static int Clear(void **state) {
  (void)state;
  SetKey("attention_mask", NULL);
  return 0;
}

/* Means over the tokens that see weight, with logits exponent <x_i,x_j>. */
static void Slow(const Cloud *cloud, double exponent, double *entropy, double *largest) {
  PetscInt n = 0;

  *entropy = *largest = 0;
  for (PetscInt i = 0; i < cloud->N; i++) {
    long double total = 0, sum = 0, most = 0;
    const PetscInt seen = cloud->causal ? i + 1 : cloud->N;

    for (PetscInt j = 0; j < seen; j++) total += cloud->w[j] * expl(exponent * (CloudCosine(cloud, i, j) - 1));
    if (total == 0) continue;
    for (PetscInt j = 0; j < seen; j++) {
      const long double p = cloud->w[j] * expl(exponent * (CloudCosine(cloud, i, j) - 1)) / total;
      if (p > 0) sum -= p * logl(p);
      most = fmaxl(most, p);
    }
    *entropy += (double)sum;
    *largest += (double)most;
    n++;
  }
  *entropy /= n;
  *largest /= n;
}

static void Check(Cloud *cloud, const char *type, double beta, PetscBool causal) {
  Tokens tokens = Place(PETSC_COMM_WORLD, cloud), alone = Place(PETSC_COMM_SELF, cloud);
  double entropy, largest;
  AttentionFocus found, again;
  Attention attention;

  cloud->causal = causal;
  Slow(cloud, strcmp(type, "l2") ? beta : 2 * beta, &entropy, &largest);
  SetKeys(type, beta, 1);
  SetKey("attention_mask", causal ? "causal" : NULL);
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionGetFocus(attention, tokens, &found));
  CLOSE(found.entropy, entropy, 1e-12 + 1e-15 * beta);
  CLOSE(found.largest, largest, 1e-12 + 1e-15 * beta);
  OK(AttentionGetFocus(attention, tokens, &again));
  assert_true(!memcmp(&found, &again, sizeof(found)));
  OK(AttentionDestroy(&attention));
  OK(AttentionFromKeys(alone, &attention)); /* the same bits from one rank */
  OK(AttentionGetFocus(attention, alone, &again));
  assert_true(!memcmp(&found, &again, sizeof(found)));
  OK(AttentionDestroy(&attention));
  OK(TokensDestroy(&tokens));
  OK(TokensDestroy(&alone));
}

static void Definition(void **state) {
  static const PetscInt counts[] = {1, 2, 40, 530};
  static const double betas[] = {1e-3, 2, 600};
  (void)state;
  for (size_t i = 0; i < PETSC_STATIC_ARRAY_LENGTH(counts); i++) {
    for (size_t b = 0; b < PETSC_STATIC_ARRAY_LENGTH(betas); b++) {
      for (int k = 0; k < 4; k++) {
        Cloud cloud = CloudCreate(counts[i], 3, UNIFORM, (PetscBool)(b % 2));
        if (counts[i] > 40 && k > 1) cloud.w[0] = cloud.w[1] = 0; /* see nothing under the mask */
        for (PetscInt j = 0; j < cloud.N && cloud.w[0] == 0; j++) cloud.w[j] = j < 2 ? 0 : 1. / (cloud.N - 2);
        Check(&cloud, k % 2 ? "l2" : "softmax", betas[b], (PetscBool)(k / 2));
        CloudDestroy(&cloud);
      }
    }
  }
}

/* All tokens in one place see each other alike; usa has no weights of sum 1. */
static void Ends(void **state) {
  const double meet[] = {1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0};
  Tokens tokens = TokensAt(PETSC_COMM_WORLD, 5, 3, meet);
  AttentionFocus focus;
  Attention attention;
  (void)state;
  SetKeys("softmax", 700, 1);
  OK(AttentionFromKeys(tokens, &attention));
  OK(AttentionGetFocus(attention, tokens, &focus));
  CLOSE(focus.entropy, log(5), 1e-14);
  CLOSE(focus.largest, 0.2, 1e-14);
  OK(AttentionDestroy(&attention));
  SetKeys("usa", 1, 1);
  OK(AttentionFromKeys(tokens, &attention));
  FAILS(AttentionGetFocus(attention, tokens, &focus), PETSC_ERR_ARG_WRONG, "no weights that add up to 1");
  OK(AttentionDestroy(&attention));
  OK(TokensDestroy(&tokens));
}

static const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(Definition, Clear),
                                          cmocka_unit_test_teardown(Ends, Clear)};
TEST_MAIN(tests)
