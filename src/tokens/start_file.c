/* Tokens from the rows of tokens_file: a dataset of an HDF5 file, or a .npy file. */
#include <chorale/deck.h>
#include <string.h>

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
  PetscInt64 first, n;
  double *rows;
  PetscBool given;

  PetscFunctionBeginUser;
  if (start->options.frame[0]) {
    PetscCall(StartFrameSetUp(start, layout));
    PetscFunctionReturn(0);
  }
  TokensOwnRows(layout, &first, &n);
  PetscCall(PetscStrcpy(source.path, start->options.file));
  PetscCall(PetscStrcpy(source.dataset, start->options.dataset));
  PetscCall(SourceOpen(layout->comm, &source));
  PetscCall(DeckHas("tokens_dim", &given));
  if (!source.npy && !given && source.rows < source.columns)
    PetscCall(HdfWarnWide(source.hdf, source.rows, source.columns));
  code = SourceRead(&source, layout, first, n, &rows);
  PetscCall(HdfClose(&source.hdf));
  PetscCall(code);
  start->data = rows; /* kept: every realization starts from them */
  PetscCall(StartFileCheckRows(layout, source.path, first, n, rows));
  PetscFunctionReturn(0);
}

static PetscErrorCode Place(Start start, const TokensLayout *layout, PetscInt r, PetscInt b, double *x) {
  PetscFunctionBeginUser;
  (void)r;
  StartFilePlaceRows(layout, b, start->data, x);
  PetscFunctionReturn(0);
}

static PetscErrorCode Destroy(Start start) {
  PetscFunctionBeginUser;
  PetscCall(PetscFree(start->data));
  PetscFunctionReturn(0);
}

const StartLaw StartFile = {.name = "file", .setup = SetUp, .place = Place, .destroy = Destroy};
