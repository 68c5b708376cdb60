/* Tokens from the rows of tokens_file: a dataset of an HDF5 file, or a .npy file. */
#include <math.h>
#include <string.h>

#include <chorale/deck.h>

#include "io/hdf.h"
#include "io/npy.h"
#include "tokens/start_impl.h"

static const char KEY[] = "tokens_file";

typedef struct {
  char path[PETSC_MAX_PATH_LEN], dataset[PETSC_MAX_PATH_LEN];
  PetscBool npy;
  Hdf hdf; /* open while the file is read, unless npy */
  PetscInt64 rows, columns;
} Source;

/* The shape of the dataset in the open HDF5 file. Collective on comm. */
static PetscErrorCode SourceInspectH5(MPI_Comm comm, Source *source, PetscInt64 shape[8]) {
  PetscBool exists;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(source->hdf, source->dataset, &exists));
  PetscCheck(exists, comm, PETSC_ERR_USER_INPUT, "tokens_dataset = %s: there is no such dataset in %s", source->dataset,
             source->path);
  PetscCall(HdfGetShape(source->hdf, source->dataset, &rank, shape));
  PetscCheck(rank == 2, comm, PETSC_ERR_USER_INPUT,
             "tokens_dataset = %s: has %d dimension(s) in %s; 2 are needed, tokens x components", source->dataset, rank,
             source->path);
  PetscFunctionReturn(0);
}

/* Opens tokens_file and finds its shape. Collective on comm. */
static PetscErrorCode SourceOpen(MPI_Comm comm, Source *source) {
  PetscInt64 shape[8];
  PetscErrorCode code;

  PetscFunctionBeginUser;
  source->hdf = NULL;
  PetscCheck(source->path[0], comm, PETSC_ERR_USER_INPUT, "tokens_file is not set: tokens_init = file needs it");
  PetscCall(PetscStrendswith(source->path, ".npy", &source->npy));
  if (source->npy) {
    PetscCall(NpyGetShape(comm, KEY, source->path, shape));
  } else {
    PetscCall(HdfOpen(comm, source->path, "r", KEY, &source->hdf));
    code = SourceInspectH5(comm, source, shape);
    if (code) (void)HdfClose(&source->hdf); /* HDF5 would close an open file after MPI_Finalize, and fail */
    PetscCall(code);
  }
  source->rows = shape[0];
  source->columns = shape[1];
  PetscFunctionReturn(0);
}

/* The file against the N and d that the run uses. */
static PetscErrorCode SourceCheckShape(const Source *source, MPI_Comm comm, PetscInt64 count, PetscInt64 dim) {
  PetscFunctionBeginUser;
  PetscCheck(source->rows >= 1 && source->columns >= 2, comm, PETSC_ERR_USER_INPUT,
             "tokens_file = %s: has %" PetscInt64_FMT " rows of %" PetscInt64_FMT
             " numbers; at least 1 row of 2 is needed",
             source->path, source->rows, source->columns);
  PetscCheck(count == source->rows, comm, PETSC_ERR_USER_INPUT,
             "tokens_count = %" PetscInt64_FMT ": tokens_file %s has %" PetscInt64_FMT " rows", count, source->path,
             source->rows);
  PetscCheck(dim == source->columns, comm, PETSC_ERR_USER_INPUT,
             "tokens_dim = %" PetscInt64_FMT ": tokens_file %s has %" PetscInt64_FMT " columns", dim, source->path,
             source->columns);
  PetscFunctionReturn(0);
}

PetscErrorCode StartFileShape(MPI_Comm world, const char *path, const char *dataset, PetscInt64 shape[2]) {
  Source source;

  PetscFunctionBeginUser;
  PetscCall(PetscStrncpy(source.path, path, sizeof(source.path)));
  PetscCall(PetscStrncpy(source.dataset, dataset, sizeof(source.dataset)));
  PetscCall(SourceOpen(world, &source));
  PetscCall(HdfClose(&source.hdf));
  PetscCall(SourceCheckShape(&source, world, source.rows, source.columns));
  shape[0] = source.rows;
  shape[1] = source.columns;
  PetscFunctionReturn(0);
}

/* The first row that has no direction, over all ranks: 2 x row, + 1 if the row is zero and not NaN or infinite;
 * INT64_MAX if there is none. */
static PetscErrorCode FirstBadRow(MPI_Comm comm, PetscInt64 first, PetscInt64 n, PetscInt dim, const double *rows,
                                  PetscInt64 *bad) {
  PetscFunctionBeginUser;
  *bad = INT64_MAX;
  for (PetscInt64 i = 0; i < n && *bad == INT64_MAX; i++) {
    PetscBool zero = PETSC_TRUE, finite = PETSC_TRUE;

    for (PetscInt c = 0; c < dim; c++) {
      if (rows[i * dim + c] != 0) zero = PETSC_FALSE;
      if (!isfinite(rows[i * dim + c])) finite = PETSC_FALSE;
    }
    if (zero || !finite) *bad = 2 * (first + i) + zero;
  }
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, bad, 1, MPIU_INT64, MPI_MIN, comm));
  PetscFunctionReturn(0);
}

/* Rows so long or short that the square of their norm leaves double precision are scaled, by powers of two: their
 * directions are as good as others'. */
static void TameRows(PetscInt64 n, PetscInt dim, double *rows) {
  for (PetscInt64 i = 0; i < n; i++) {
    double most = 0;
    int exponent;

    for (PetscInt c = 0; c < dim; c++) most = fmax(most, fabs(rows[i * dim + c]));
    if (most > 1e-140 && most < 1e140) continue;
    (void)frexp(most, &exponent);
    for (PetscInt c = 0; c < dim; c++) rows[i * dim + c] = ldexp(rows[i * dim + c], -exponent);
  }
}

/* Checks the open file against the layout and reads this rank's n rows into *rows. Collective. */
static PetscErrorCode SourceRead(const Source *source, const TokensLayout *layout, PetscInt64 first, PetscInt64 n,
                                 double **rows) {
  PetscFunctionBeginUser;
  PetscCall(SourceCheckShape(source, layout->comm, layout->count, layout->dim));
  PetscCall(PetscMalloc1(n * layout->dim, rows));
  if (source->npy)
    PetscCall(NpyReadRows(layout->comm, KEY, source->path, first, n, *rows));
  else
    PetscCall(HdfReadRows(source->hdf, source->dataset, first, n, *rows));
  PetscFunctionReturn(0);
}

static PetscErrorCode SetUp(Start start, const TokensLayout *layout) {
  Source source;
  PetscErrorCode code;
  PetscInt64 first, n, bad;
  double *rows;

  PetscFunctionBeginUser;
  TokensOwnRows(layout, &first, &n);
  PetscCall(PetscStrcpy(source.path, start->options.file));
  PetscCall(PetscStrcpy(source.dataset, start->options.dataset));
  PetscCall(SourceOpen(layout->comm, &source));
  if (!source.npy && source.rows < source.columns) PetscCall(HdfWarnWide(source.hdf, source.rows, source.columns));
  code = SourceRead(&source, layout, first, n, &rows);
  PetscCall(HdfClose(&source.hdf));
  PetscCall(code);
  start->data = rows; /* kept: every realization starts from them */
  PetscCall(FirstBadRow(layout->comm, first, n, layout->dim, rows, &bad));
  PetscCheck(bad == INT64_MAX, layout->comm, PETSC_ERR_USER_INPUT,
             "tokens_file = %s: row %" PetscInt64_FMT " (counting from 0) %s, so it has no direction", source.path,
             bad / 2, bad % 2 ? "is zero" : "is not finite");
  TameRows(n, layout->dim, rows);
  PetscFunctionReturn(0);
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  const PetscInt dim = layout->dim, block = layout->block;
  const double *rows = (const double *)start->data + (size_t)b * (size_t)block * (size_t)dim;

  PetscFunctionBeginUser;
  (void)r;
  for (PetscInt t = 0; t < TokensFilled(layout, b); t++)
    for (PetscInt c = 0; c < dim; c++) x[c * block + t] = rows[t * dim + c];
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Start start) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(start->data));
  PetscFunctionReturn(0);
}

const StartLaw StartFile = {.name = "file", .setup = SetUp, .place = Place, .destroy = Destroy};
