/* Distances of measures in a file, for an independent recomputation (test_distance.py):
 *
 *     hook_distance -hook_file CASES.h5
 *
 * Groups /circle, /auction, /sliced and /mmd hold groups with the datasets mu and nu: rows of d
 * components and a weight. Prints a line `group/case values`, with 17 digits: the two costs of the circle, the two
 * bounds of the auction to -hook_tol, or the one value of the others (sliced with 32 directions, mmd with the beta of
 * -hook_beta).
 */
#include <chorale/distance.h>

#include "hook.h"

static PetscErrorCode ReadTokens(Hdf hdf, const char *path, Tokens *tokens) {
  PetscInt64 shape[8];
  TokensLayout layout;
  double *rows, *weights, *x;
  int rank;
  Vec positions;

  PetscFunctionBeginUser;
  PetscCall(HdfGetShape(hdf, path, &rank, shape));
  PetscCheck(rank == 2, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s must have two dimensions", path);
  const PetscInt d = (PetscInt)shape[1] - 1;
  PetscCall(TokensCreate(PETSC_COMM_WORLD, shape[0], d, tokens));
  PetscCall(TokensGetLayout(*tokens, &layout));
  PetscCall(PetscMalloc1((size_t)(shape[0] * shape[1]), &rows));
  PetscCall(PetscCalloc1(layout.owned * layout.block, &weights));
  PetscCall(HdfReadRows(hdf, path, 0, shape[0], rows));
  PetscCall(TokensGetVec(*tokens, &positions));
  PetscCall(VecGetArray(positions, &x));
  for (PetscInt b = 0; b < layout.owned; b++) {
    for (PetscInt t = 0; t < TokensFilled(&layout, b); t++) {
      const double *row = rows + ((layout.first + b) * layout.block + t) * (d + 1);
      for (PetscInt c = 0; c < d; c++) x[(b * d + c) * layout.block + t] = row[c];
      weights[b * layout.block + t] = row[d];
    }
  }
  PetscCall(VecRestoreArray(positions, &x));
  PetscCall(TokensSetWeights(*tokens, weights));
  PetscCall(PetscFree(rows));
  PetscCall(PetscFree(weights));
  PetscFunctionReturn(0);
}

static PetscErrorCode Distance(const char *group, Tokens mu, Tokens nu, int *n, PetscReal values[2]) {
  PetscReal beta = 1, tol = 1e-4;

  PetscFunctionBeginUser;
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-hook_beta", &beta, NULL));
  PetscCall(PetscOptionsGetReal(NULL, NULL, "-hook_tol", &tol, NULL));
  *n = group[0] == 'c' || group[0] == 'a' ? 2 : 1;
  switch (group[0]) {
  case 'c':
    PetscCall(DistanceCircle(mu, nu, &values[0], &values[1]));
    break;
  case 'a':
    PetscCall(DistanceAuction(mu, nu, tol, &values[0], &values[1]));
    break;
  case 's':
    PetscCall(DistanceSliced(mu, nu, 32, &values[0]));
    break;
  default:
    PetscCall(DistanceMMD(mu, nu, beta, &values[0]));
  }
  PetscFunctionReturn(0);
}

static PetscErrorCode Case(Hdf hdf, const char *group, const char *name) {
  char path[128];
  PetscReal values[2];
  Tokens mu, nu;
  int n = 0;

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s/mu", group, name));
  PetscCall(ReadTokens(hdf, path, &mu));
  PetscCall(PetscSNPrintf(path, sizeof(path), "%s/%s/nu", group, name));
  PetscCall(ReadTokens(hdf, path, &nu));
  PetscCall(Distance(group, mu, nu, &n, values));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s/%s", group, name));
  for (int i = 0; i < n; i++) PetscCall(PetscPrintf(PETSC_COMM_WORLD, " %.17g", (double)values[i]));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "\n"));
  PetscCall(TokensDestroy(&mu));
  PetscCall(TokensDestroy(&nu));
  PetscFunctionReturn(0);
}

static PetscErrorCode Groups(Hdf hdf) {
  static const char *const groups[] = {"circle", "auction", "sliced", "mmd"};

  PetscFunctionBeginUser;
  for (size_t g = 0; g < sizeof(groups) / sizeof(groups[0]); g++) {
    PetscBool exists;
    PetscInt n = 0;
    char **names = NULL;

    PetscCall(HdfExists(hdf, groups[g], &exists));
    if (exists) PetscCall(HdfList(hdf, groups[g], &n, &names));
    for (PetscInt i = 0; i < n; i++) {
      PetscCall(Case(hdf, groups[g], names[i]));
      PetscCall(PetscFree(names[i]));
    }
    PetscCall(PetscFree(names));
  }
  PetscFunctionReturn(0);
}

int main(int argc, char **argv) {
  return HookMain(argc, argv, "r", Groups);
}
