#include "io/hdf_impl.h"

#include <hdf5_hl.h>
#include <math.h>
#include <string.h>

#define RANK       8    /* dimensions of a dataset */
#define GROW_CHUNK 1024 /* numbers per chunk of a dataset that grows */

/* Link creation that makes missing parent groups on the way. */
static hid_t WithParents(void) {
  const hid_t properties = H5Pcreate(H5P_LINK_CREATE);
  H5Pset_create_intermediate_group(properties, 1);
  return properties;
}

PetscErrorCode HdfWriteGroup(Hdf hdf, const char *path) {
  PetscBool exists;
  hid_t links, group;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, path, &exists));
  if (exists) PetscFunctionReturn(0);
  links = WithParents();
  group = H5Gcreate2(hdf->file, path, links, H5P_DEFAULT, H5P_DEFAULT);
  H5Pclose(links);
  HdfCheck(hdf, group, path);
  H5Gclose(group);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfExternalLink(Hdf hdf, const char *path, const char *file, const char *object) {
  hid_t links = WithParents();
  herr_t status;

  PetscFunctionBeginUser;
  status = H5Lcreate_external(file, object, hdf->file, path, links, H5P_DEFAULT);
  H5Pclose(links);
  HdfCheck(hdf, status, path);
  PetscFunctionReturn(0);
}

/* A fixed-length, zero-terminated string type with room for `length` characters. UTF-8 holds ASCII, and paths need not
 * be ASCII. */
hid_t HdfStringType(size_t length) {
  const hid_t type = H5Tcopy(H5T_C_S1);
  H5Tset_size(type, length + 1);
  H5Tset_cset(type, H5T_CSET_UTF8);
  return type;
}

/* Sets an attribute of the object at path (a new group when there is none), replacing one of the same name. */
static PetscErrorCode WriteAttribute(Hdf hdf, const char *path, const char *name, hid_t type, hid_t space,
                                     const void *values) {
  hid_t object, attribute;

  PetscFunctionBeginUser;
  PetscCall(HdfWriteGroup(hdf, path));
  object = H5Oopen(hdf->file, path, H5P_DEFAULT);
  HdfCheck(hdf, object, path);
  if (hdf->inside && H5Aexists(object, name) > 0) { /* another cell has said it for all */
    H5Oclose(object);
    PetscFunctionReturn(0);
  }
  if (H5Aexists(object, name) > 0) HdfCheck(hdf, H5Adelete(object, name), name);
  attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
  HdfCheck(hdf, attribute, name);
  HdfCheck(hdf, H5Awrite(attribute, type, values), name);
  H5Aclose(attribute);
  H5Oclose(object);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttributeString(Hdf hdf, const char *path, const char *name, const char *value) {
  const hid_t type = HdfStringType(strlen(value)), space = H5Screate(H5S_SCALAR);

  PetscFunctionBeginUser;
  PetscCall(WriteAttribute(hdf, path, name, type, space, value));
  H5Sclose(space);
  H5Tclose(type);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttributeStrings(Hdf hdf, const char *path, const char *name, int n, const char *const values[]) {
  const hsize_t size = (hsize_t)n;
  const hid_t space = H5Screate_simple(1, &size, NULL);
  size_t length = 0;
  char *text;
  hid_t type;

  PetscFunctionBeginUser;
  for (int i = 0; i < n; i++) length = PetscMax(length, strlen(values[i]));
  PetscCall(PetscCalloc1((size_t)n * (length + 1), &text));
  for (int i = 0; i < n; i++) memcpy(text + (size_t)i * (length + 1), values[i], strlen(values[i]));
  type = HdfStringType(length);
  PetscCall(WriteAttribute(hdf, path, name, type, space, text));
  H5Tclose(type);
  H5Sclose(space);
  PetscCall(PetscFree(text));
  PetscFunctionReturn(0);
}

/* n numbers, or one that stands alone for n = 0. */
static PetscErrorCode WriteNumbers(Hdf hdf, const char *path, const char *name, hid_t type, int n, const void *values) {
  const hsize_t size = (hsize_t)n;
  const hid_t space = n ? H5Screate_simple(1, &size, NULL) : H5Screate(H5S_SCALAR);

  PetscFunctionBeginUser;
  PetscCall(WriteAttribute(hdf, path, name, type, space, values));
  H5Sclose(space);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttributeReal(Hdf hdf, const char *path, const char *name, PetscReal value) {
  PetscFunctionBeginUser;
  PetscCall(WriteNumbers(hdf, path, name, H5T_NATIVE_DOUBLE, 0, &value));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttributeInt(Hdf hdf, const char *path, const char *name, int value) {
  PetscFunctionBeginUser;
  PetscCall(WriteNumbers(hdf, path, name, H5T_NATIVE_INT, 0, &value));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttributeInts(Hdf hdf, const char *path, const char *name, int n, const int values[]) {
  PetscFunctionBeginUser;
  PetscCall(WriteNumbers(hdf, path, name, H5T_NATIVE_INT, n, values));
  PetscFunctionReturn(0);
}

/* Is the dataset of this type and shape? */
static PetscBool IsLike(hid_t dataset, hid_t type, hid_t space) {
  const hid_t old_space = H5Dget_space(dataset), old_type = H5Dget_type(dataset);
  const PetscBool like =
      H5Sextent_equal(old_space, space) > 0 && H5Tequal(old_type, type) > 0 ? PETSC_TRUE : PETSC_FALSE;
  H5Tclose(old_type);
  H5Sclose(old_space);
  return like;
}

/* Gives the dataset the size of this space if it is of one dimension and may grow; false when it may not. */
static PetscBool Grow(hid_t dataset, hid_t type, hid_t space) {
  const hid_t old_space = H5Dget_space(dataset), old_type = H5Dget_type(dataset);
  hsize_t most = 0, size = 0;
  PetscBool grown = PETSC_FALSE;

  if (H5Sget_simple_extent_ndims(space) == 1 && H5Sget_simple_extent_ndims(old_space) == 1 &&
      H5Sget_simple_extent_dims(old_space, NULL, &most) == 1 && most == H5S_UNLIMITED &&
      H5Sget_simple_extent_dims(space, &size, NULL) == 1 && H5Tequal(old_type, type) > 0)
    grown = H5Dset_extent(dataset, &size) >= 0 ? PETSC_TRUE : PETSC_FALSE;
  H5Tclose(old_type);
  H5Sclose(old_space);
  return grown;
}

/* A dataset to be filled: the one at path if it is like it or can become so, else a new one, with missing parents.
 * Unwritten parts are left to the file system (zeros): HDF5 would write all twice, as it must where it compresses. */
static PetscErrorCode CreateDataset(Hdf hdf, const char *path, hid_t type, hid_t space, hid_t create, hid_t *dataset) {
  PetscBool exists;
  hid_t links;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, path, &exists));
  if (exists) {
    *dataset = H5Dopen2(hdf->file, path, H5P_DEFAULT);
    HdfCheck(hdf, *dataset, path);
    if (IsLike(*dataset, type, space) || Grow(*dataset, type, space)) PetscFunctionReturn(0);
    H5Dclose(*dataset);
    HdfCheck(hdf, H5Ldelete(hdf->file, path, H5P_DEFAULT), path);
  }
  links = WithParents();
  *dataset = H5Dcreate2(hdf->file, path, type, space, links, create, H5P_DEFAULT);
  H5Pclose(links);
  HdfCheck(hdf, *dataset, path);
  PetscFunctionReturn(0);
}

/* Collective write of the selected part, whose type in memory is the one in the file: HDF5 does not convert in
 * collective writes. The ranks agree on success since a full disk may show on one of them only. */
static PetscErrorCode WriteSelected(Hdf hdf, const char *path, hid_t dataset, hid_t type, hid_t memory, hid_t space,
                                    const void *values) {
  static const double nothing = 0; /* HDF5 wants an address even for an empty selection */
  PetscBool ok;
  hid_t transfer;

  PetscFunctionBeginUser;
  transfer = H5Pcreate(H5P_DATASET_XFER);
  H5Pset_dxpl_mpio(transfer, H5FD_MPIO_COLLECTIVE);
  ok = H5Dwrite(dataset, type, memory, space, transfer, values ? values : &nothing) >= 0 ? PETSC_TRUE : PETSC_FALSE;
  H5Pclose(transfer);
  PetscCall(HdfAgreeWritten(hdf, &ok));
  PetscCheck(ok, hdf->comm, PETSC_ERR_FILE_WRITE, "%s: cannot write %s%s", hdf->path, path, HdfReason(hdf));
  PetscFunctionReturn(0);
}

/* A whole dataset whose values rank 0 holds; in chunks of so many numbers, or in one piece for 0. */
PetscErrorCode HdfWriteWhole(Hdf hdf, const char *path, hid_t type, hid_t space, hsize_t chunk, const void *values) {
  PetscMPIInt rank;
  hid_t create, dataset, part;

  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(hdf->comm, &rank));
  create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
  if (chunk) H5Pset_chunk(create, 1, &chunk);
  PetscCall(CreateDataset(hdf, path, type, space, create, &dataset));
  part = H5Scopy(space);
  if (rank) H5Sselect_none(part);
  PetscCall(WriteSelected(hdf, path, dataset, type, part, part, rank ? NULL : values));
  H5Sclose(part);
  H5Dclose(dataset);
  H5Pclose(create);
  PetscFunctionReturn(0);
}

/* The part of an open dataset that starts at `start` and takes `count` entries with `step` between them (NULL: 1) along
 * every dimension; n == 0 writes nothing but takes part. */
static PetscErrorCode WritePart(Hdf hdf, const char *path, hid_t dataset, hid_t type, const hsize_t start[],
                                const hsize_t step[], const hsize_t count[], PetscInt64 n, const void *values) {
  const hid_t space = H5Dget_space(dataset);
  const hid_t memory = n ? H5Screate_simple(H5Sget_simple_extent_ndims(space), count, NULL) : H5Scopy(space);

  PetscFunctionBeginUser;
  if (n)
    HdfCheck(hdf, H5Sselect_hyperslab(space, H5S_SELECT_SET, start, step, count, NULL), path);
  else {
    H5Sselect_none(space);
    H5Sselect_none(memory);
  }
  PetscCall(WriteSelected(hdf, path, dataset, type, memory, space, n ? values : NULL));
  H5Sclose(memory);
  H5Sclose(space);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfAttach(Hdf hdf, const char *path, hid_t dataset) {
  hid_t scale;

  PetscFunctionBeginUser;
  for (int i = 0; i < hdf->axes; i++) {
    if (!hdf->axis[i][0]) continue;
    scale = H5Dopen2(hdf->file, hdf->axis[i], H5P_DEFAULT);
    HdfCheck(hdf, scale, path);
    HdfCheck(hdf, H5DSattach_scale(dataset, scale, (unsigned)i), path);
    H5Dclose(scale);
  }
  PetscFunctionReturn(0);
}

/* The chosen cell's part of a dataset of this shape behind the axes: from start (NULL: 0, and it is rank 0's) with
 * these steps (NULL: 1). n == 0: this rank has nothing to write. */
static PetscErrorCode WriteCell(Hdf hdf, const char *path, hid_t type, int rank, const hsize_t size[],
                                const hsize_t start[], const hsize_t step[], const hsize_t count[], PetscInt64 n,
                                const void *values) {
  static const double nothing = NAN;
  const int axes = hdf->axes;
  hsize_t whole[RANK], from[RANK], by[RANK], part[RANK];
  PetscMPIInt mpi_rank;
  PetscBool exists;
  hid_t create, space, dataset;

  PetscFunctionBeginUser;
  PetscCheck(axes + rank <= RANK, hdf->comm, PETSC_ERR_PLIB, "%s: too many dimensions", path);
  for (int i = 0; i < axes; i++) whole[i] = hdf->cells[i], from[i] = hdf->cell[i], by[i] = part[i] = 1;
  for (int i = 0; i < rank; i++) {
    whole[axes + i] = size[i];
    from[axes + i] = start ? start[i] : 0;
    by[axes + i] = step ? step[i] : 1;
    part[axes + i] = count[i];
  }
  PetscCallMPI(MPI_Comm_rank(hdf->comm, &mpi_rank));
  if (!start && mpi_rank) n = 0; /* whole arrays are rank 0's */
  PetscCall(HdfExists(hdf, path, &exists));
  create = H5Pcreate(H5P_DATASET_CREATE);
  if (H5Tequal(type, H5T_NATIVE_DOUBLE) > 0) H5Pset_fill_value(create, type, &nothing); /* of cells that have none */
  space = H5Screate_simple(axes + rank, whole, NULL);
  PetscCall(CreateDataset(hdf, path, type, space, create, &dataset));
  if (!exists) PetscCall(HdfAttach(hdf, path, dataset));
  PetscCall(WritePart(hdf, path, dataset, type, from, by, part, n, values));
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(create);
  PetscFunctionReturn(0);
}

static PetscErrorCode WriteArray(Hdf hdf, const char *path, hid_t type, int rank, const PetscInt64 shape[],
                                 const void *values) {
  hsize_t size[8];
  hid_t space;

  PetscFunctionBeginUser;
  for (int i = 0; i < rank; i++) size[i] = (hsize_t)shape[i];
  if (hdf->inside) {
    PetscCall(WriteCell(hdf, path, type, rank, size, NULL, NULL, size, values ? 1 : 0, values));
    PetscFunctionReturn(0);
  }
  space = H5Screate_simple(rank, size, NULL);
  PetscCall(HdfWriteWhole(hdf, path, type, space, 0, values));
  H5Sclose(space);
  PetscFunctionReturn(0);
}

static PetscErrorCode GrowArray(Hdf hdf, const char *path, hid_t type, PetscInt64 n, const void *values) {
  const hsize_t size = (hsize_t)n, most = H5S_UNLIMITED;
  const hid_t space = H5Screate_simple(1, &size, &most);

  PetscFunctionBeginUser;
  PetscCall(HdfWriteWhole(hdf, path, type, space, GROW_CHUNK, values));
  H5Sclose(space);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfGrowReals(Hdf hdf, const char *path, PetscInt64 n, const double *values) {
  PetscFunctionBeginUser;
  PetscCall(GrowArray(hdf, path, H5T_NATIVE_DOUBLE, n, values));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfGrowInts(Hdf hdf, const char *path, PetscInt64 n, const PetscInt64 *values) {
  PetscFunctionBeginUser;
  PetscCall(GrowArray(hdf, path, H5T_NATIVE_INT64, n, values));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteReals(Hdf hdf, const char *path, int rank, const PetscInt64 shape[], const double *values) {
  PetscFunctionBeginUser;
  PetscCall(WriteArray(hdf, path, H5T_NATIVE_DOUBLE, rank, shape, values));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteInts(Hdf hdf, const char *path, int rank, const PetscInt64 shape[], const PetscInt64 *values) {
  PetscFunctionBeginUser;
  PetscCall(WriteArray(hdf, path, H5T_NATIVE_INT64, rank, shape, values));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteString(Hdf hdf, const char *path, const char *value) {
  const hid_t type = HdfStringType(strlen(value)), space = H5Screate(H5S_SCALAR);

  PetscFunctionBeginUser;
  PetscCall(HdfWriteWhole(hdf, path, type, space, 0, value));
  H5Sclose(space);
  H5Tclose(type);
  PetscFunctionReturn(0);
}

/* A part of a fixed-size dataset of doubles of this shape. */
static PetscErrorCode WriteFixed(Hdf hdf, const char *path, int rank, const hsize_t size[], const hsize_t start[],
                                 const hsize_t step[], const hsize_t count[], PetscInt64 n, const double *values) {
  hid_t create, space, dataset;

  PetscFunctionBeginUser;
  if (hdf->inside) {
    PetscCall(WriteCell(hdf, path, H5T_NATIVE_DOUBLE, rank, size, start, step, count, n, values));
    PetscFunctionReturn(0);
  }
  create = H5Pcreate(H5P_DATASET_CREATE);
  space = H5Screate_simple(rank, size, NULL);
  H5Pset_fill_time(create, H5D_FILL_TIME_NEVER);
  PetscCall(CreateDataset(hdf, path, H5T_NATIVE_DOUBLE, space, create, &dataset));
  PetscCall(WritePart(hdf, path, dataset, H5T_NATIVE_DOUBLE, start, step, count, n, values));
  H5Dclose(dataset);
  H5Sclose(space);
  H5Pclose(create);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteColumns(Hdf hdf, const char *path, PetscInt64 T, PetscInt64 R, PetscInt64 k, PetscInt64 first,
                               PetscInt64 stride, PetscInt64 n, const double *values) {
  const hsize_t size[3] = {(hsize_t)T, (hsize_t)R, (hsize_t)k}, count[3] = {(hsize_t)T, (hsize_t)n, (hsize_t)k};
  const hsize_t start[3] = {0, (hsize_t)first, 0}, step[3] = {1, (hsize_t)stride, 1};

  PetscFunctionBeginUser;
  PetscCall(WriteFixed(hdf, path, k ? 3 : 2, size, start, step, count, n, values));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfWriteRows(Hdf hdf, const char *path, PetscInt64 N, PetscInt64 k, PetscInt64 first, PetscInt64 stride,
                            PetscInt64 n, const double *values) {
  const hsize_t size[2] = {(hsize_t)N, (hsize_t)k}, count[2] = {(hsize_t)n, (hsize_t)k};
  const hsize_t start[2] = {(hsize_t)first, 0}, step[2] = {(hsize_t)stride, 1};

  PetscFunctionBeginUser;
  PetscCall(WriteFixed(hdf, path, k ? 2 : 1, size, start, step, count, n, values));
  PetscFunctionReturn(0);
}

struct _p_HdfSeries {
  Hdf hdf;
  char path[256];
  hid_t dataset;
  HdfSeriesShape shape;
  PetscInt64 room; /* of narrow */
  float *narrow;
};

static hid_t FileType(const HdfSeriesShape *shape) {
  return shape->single ? H5T_NATIVE_FLOAT : H5T_NATIVE_DOUBLE;
}

PetscErrorCode HdfSeriesCreate(Hdf hdf, const char *path, const HdfSeriesShape *shape, HdfSeries *handle) {
  const hsize_t N = (hsize_t)shape->N, d = (hsize_t)shape->d, rows = (hsize_t)PetscMin(shape->chunk_rows, shape->N);
  const hsize_t size[3] = {(hsize_t)shape->frames, N, d}, most[3] = {H5S_UNLIMITED, N, d}, chunk[3] = {1, rows, d};
  hid_t create, space;
  HdfSeries series;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&series));
  series->hdf = hdf;
  series->shape = *shape;
  PetscCall(PetscStrncpy(series->path, path, sizeof(series->path)));
  create = H5Pcreate(H5P_DATASET_CREATE);
  H5Pset_fill_time(create, shape->deflate ? H5D_FILL_TIME_ALLOC : H5D_FILL_TIME_NEVER);
  H5Pset_chunk(create, 3, chunk);
  if (shape->deflate) {
    H5Pset_shuffle(create);
    H5Pset_deflate(create, (unsigned)shape->deflate);
  }
  space = H5Screate_simple(3, size, most);
  PetscCall(CreateDataset(hdf, path, FileType(shape), space, create, &series->dataset));
  H5Sclose(space);
  H5Pclose(create);
  *handle = series;
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSeriesOpen(Hdf hdf, const char *path, HdfSeriesShape *shape, HdfSeries *handle) {
  PetscInt64 found[8];
  PetscBool same;
  hid_t type;
  HdfSeries series;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(HdfGetShape(hdf, path, &rank, found));
  PetscCall(PetscNew(&series));
  series->hdf = hdf;
  series->dataset = H5Dopen2(hdf->file, path, H5P_DEFAULT);
  type = H5Dget_type(series->dataset);
  same = H5Tequal(type, FileType(shape)) > 0 ? PETSC_TRUE : PETSC_FALSE;
  H5Tclose(type);
  *handle = series;
  if (rank != 3 || found[2] != shape->d || !same) {
    PetscCall(HdfSeriesDestroy(handle));
    SETERRQ(hdf->comm, PETSC_ERR_FILE_READ, "%s: '%s' is not of this run", hdf->path, path);
  }
  shape->frames = found[0];
  shape->N = found[1];
  series->shape = *shape;
  PetscCall(PetscStrncpy(series->path, path, sizeof(series->path)));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSeriesExtend(HdfSeries series, PetscInt64 frames) {
  const hsize_t size[3] = {(hsize_t)frames, (hsize_t)series->shape.N, (hsize_t)series->shape.d};

  PetscFunctionBeginUser;
  HdfCheck(series->hdf, H5Dset_extent(series->dataset, size), series->path);
  series->shape.frames = frames;
  PetscFunctionReturn(0);
}

/* The values in the type of the file. */
static PetscErrorCode InFileType(HdfSeries series, PetscInt64 n, const double *values, const void **stored) {
  PetscFunctionBeginUser;
  *stored = values;
  if (!series->shape.single) PetscFunctionReturn(0);
  if (n > series->room) {
    PetscCall(PetscFree(series->narrow));
    PetscCall(PetscMalloc1(n, &series->narrow));
    series->room = n;
  }
  for (PetscInt64 i = 0; i < n; i++) series->narrow[i] = (float)values[i];
  *stored = series->narrow;
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSeriesWrite(HdfSeries series, PetscInt64 t, PetscInt64 first, PetscInt64 count,
                              const double *values) {
  const hsize_t start[3] = {(hsize_t)t, (hsize_t)first, 0}, size[3] = {1, (hsize_t)count, (hsize_t)series->shape.d};
  const void *stored;

  PetscFunctionBeginUser;
  PetscCheck(t >= 0 && t < series->shape.frames, series->hdf->comm, PETSC_ERR_ARG_OUTOFRANGE,
             "%s: frame %" PetscInt64_FMT " is past the end", series->hdf->path, t);
  PetscCall(InFileType(series, count * series->shape.d, values, &stored));
  PetscCall(WritePart(series->hdf, series->path, series->dataset, FileType(&series->shape), start, NULL, size, count,
                      stored));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfSeriesDestroy(HdfSeries *series) {
  PetscFunctionBeginUser;
  if (!*series) PetscFunctionReturn(0);
  H5Dclose((*series)->dataset);
  PetscCall(PetscFree((*series)->narrow));
  PetscCall(PetscFree(*series));
  PetscFunctionReturn(0);
}
