/* All of chorale's HDF5: the only object whose source calls H5*. Files are opened on a communicator with the MPI-IO
 * driver, and every call is collective on it. Failures to read a file that a deck key named are PETSC_ERR_USER_INPUT;
 * others run-time. */
#ifndef CHORALE_IO_HDF_H
#define CHORALE_IO_HDF_H

#include <petscsys.h>

typedef struct _p_Hdf *Hdf;

/* Refuses (user input) a path that MPI cannot open, and its likes with so many characters more. key: see HdfOpen, ""
 * for none. */
PetscErrorCode HdfCheckName(MPI_Comm comm, const char *key, const char *path, size_t more);
/* mode "r" reads, "r+" reads and writes, "w" creates or truncates. Missing parent groups are created by every write.
 * key is the deck key that named the file (or NULL): it starts the message when the file cannot be read. */
PetscErrorCode HdfOpen(MPI_Comm comm, const char *path, const char *mode, const char *key, Hdf *hdf);
PetscErrorCode HdfClose(Hdf *hdf); /* NULL is allowed; every series of the file must be destroyed before */
/* Everything written so far can be read back even if the process is killed. */
PetscErrorCode HdfFlush(Hdf hdf);

/* Attributes on the group or dataset at path (created as a group when missing). All ranks pass the same value. */
PetscErrorCode HdfAttributeString(Hdf hdf, const char *path, const char *name, const char *value);
PetscErrorCode HdfAttributeStrings(Hdf hdf, const char *path, const char *name, int n, const char *const values[]);
PetscErrorCode HdfAttributeReal(Hdf hdf, const char *path, const char *name, PetscReal value);
PetscErrorCode HdfAttributeInt(Hdf hdf, const char *path, const char *name, int value);
PetscErrorCode HdfAttributeInts(Hdf hdf, const char *path, const char *name, int n, const int values[]);
/* A scalar dataset holding a string. */
PetscErrorCode HdfWriteString(Hdf hdf, const char *path, const char *value);
PetscErrorCode HdfWriteGroup(Hdf hdf, const char *path);
/* path in this file -> object of another file; file is written as given (relative to this file). */
PetscErrorCode HdfExternalLink(Hdf hdf, const char *path, const char *file, const char *object);

/* Fixed-size dataset of doubles or 64-bit integers with all values present on rank 0 of the communicator (others may
 * pass NULL). An existing dataset is replaced. */
PetscErrorCode HdfWriteReals(Hdf hdf, const char *path, int rank, const PetscInt64 shape[], const double *values);
PetscErrorCode HdfWriteInts(Hdf hdf, const char *path, int rank, const PetscInt64 shape[], const PetscInt64 *values);
/* The same for n numbers of a dataset [n] that has more entries from one write to the next. */
PetscErrorCode HdfGrowReals(Hdf hdf, const char *path, PetscInt64 n, const double *values);
PetscErrorCode HdfGrowInts(Hdf hdf, const char *path, PetscInt64 n, const PetscInt64 *values);
/* Fixed-size dataset [T][R][k] (or [T][R] for k = 0) of which this rank holds the realizations first, first+stride,
 * ...: n of them, values[t][i][c] row-major. n may be 0. */
PetscErrorCode HdfWriteColumns(Hdf hdf, const char *path, PetscInt64 T, PetscInt64 R, PetscInt64 k, PetscInt64 first,
                               PetscInt64 stride, PetscInt64 n, const double *values);

/* Fixed-size dataset [N][k] (or [N] for k = 0) of doubles of which this rank writes the n rows first, first + stride,
 * ...; n may be 0. */
PetscErrorCode HdfWriteRows(Hdf hdf, const char *path, PetscInt64 N, PetscInt64 k, PetscInt64 first, PetscInt64 stride,
                            PetscInt64 n, const double *values);

/* ---- a file with cells ---- */
enum { HDF_AXES = 3 };
/* The next axis of the file's cells, /sweep/NAME: n numbers as text, which become a dimension scale, or texts. */
PetscErrorCode HdfAddAxis(Hdf hdf, const char *name, PetscBool numeric, PetscInt n, const char *const values[]);
/* The n axes, of these sizes, of a file that is read. */
PetscErrorCode HdfUseAxes(Hdf hdf, int n, const PetscInt size[]);
/* From now on HdfWriteReals, HdfWriteInts and HdfWriteColumns write the part of one cell of datasets that have the
 * axes in front, and HdfGetShape, HdfCheckShape and HdfReadReals mean it; index NULL: whole datasets again, to which
 * HdfAttachAxes attaches the scales. No effect without axes. */
PetscErrorCode HdfSetCell(Hdf hdf, const PetscInt index[]);
PetscErrorCode HdfAttachAxes(Hdf hdf, const char *path);
/* A whole dataset of texts. */
PetscErrorCode HdfWriteStrings(Hdf hdf, const char *path, int rank, const PetscInt64 shape[],
                               const char *const values[]);

/* Does a group or dataset exist at path? The shape of a dataset (rank <= 8). */
PetscErrorCode HdfExists(Hdf hdf, const char *path, PetscBool *exists);
PetscErrorCode HdfGetShape(Hdf hdf, const char *path, int *rank, PetscInt64 shape[8]);
/* User input error unless the dataset has this shape: before reading into arrays that have room for it. */
PetscErrorCode HdfCheckShape(Hdf hdf, const char *path, int rank, const PetscInt64 shape[]);
/* Rows first .. first+count-1 of a floating-point dataset of rank 1 or 2, as doubles, row-major. Each rank reads its
 * own range. */
PetscErrorCode HdfReadRows(Hdf hdf, const char *path, PetscInt64 first, PetscInt64 count, double *values);
/* Rows first .. first+count-1 of frame t of a floating-point dataset [frames][N][d], as doubles [count][d]. Each rank
 * reads its own range; count may be 0. */
PetscErrorCode HdfReadFrame(Hdf hdf, const char *path, PetscInt64 t, PetscInt64 first, PetscInt64 count,
                            double *values);
/* Says once that tokens which are fewer than their components may be a transposed matrix. Not collective. */
PetscErrorCode HdfWarnWide(Hdf hdf, PetscInt64 rows, PetscInt64 columns);
/* Does the dataset hold floating-point numbers? */
PetscErrorCode HdfIsReal(Hdf hdf, const char *path, PetscBool *real);
/* The file and the object that an external link at path leads to, each with room for so many characters; empty when it
 * is no external link. */
PetscErrorCode HdfReadLink(Hdf hdf, const char *path, size_t room, char *file, char *object);
/* A whole dataset [n] of integers, on every rank. */
PetscErrorCode HdfReadInts(Hdf hdf, const char *path, PetscInt64 n, PetscInt64 *values);
/* A whole dataset of numbers, of any shape, as doubles on every rank. */
PetscErrorCode HdfReadReals(Hdf hdf, const char *path, double *values);
/* An integer attribute; *found is false when there is none. */
PetscErrorCode HdfReadAttributeInt(Hdf hdf, const char *path, const char *name, int *value, PetscBool *found);
/* A string attribute as text in buffer, cut to room; *found is false when there is none. */
PetscErrorCode HdfReadAttribute(Hdf hdf, const char *path, const char *name, size_t room, char *buffer,
                                PetscBool *found);
/* Names of the members of a group in alphabetical order; the caller frees names[i] and names with PetscFree. */
PetscErrorCode HdfList(Hdf hdf, const char *path, PetscInt *n, char ***names);

/* A growing dataset [frames][N][d] of which each rank holds whole rows of N: the positions of a trajectory. Rows of the
 * ranks are contiguous and in rank order. */
typedef struct _p_HdfSeries *HdfSeries;
typedef struct {
  PetscInt64 frames, N, d;
  PetscBool single;      /* elements are floats, not doubles */
  PetscInt64 chunk_rows; /* of N, in a chunk */
  int deflate;           /* 0..9 */
} HdfSeriesShape;
PetscErrorCode HdfSeriesCreate(Hdf hdf, const char *path, const HdfSeriesShape *shape, HdfSeries *series);
/* The one at path of a file that was opened with "r+". An error when its d or precision is another than the shape's,
 * whose frames and N are set. */
PetscErrorCode HdfSeriesOpen(Hdf hdf, const char *path, HdfSeriesShape *shape, HdfSeries *series);
/* More frames; those not written yet read as 0. */
PetscErrorCode HdfSeriesExtend(HdfSeries series, PetscInt64 frames);
/* Writes frame t < frames; values[count][d] row-major hold rows first .. first+count-1. count may be 0. */
PetscErrorCode HdfSeriesWrite(HdfSeries series, PetscInt64 t, PetscInt64 first, PetscInt64 count, const double *values);
PetscErrorCode HdfSeriesDestroy(HdfSeries *series);

#endif
