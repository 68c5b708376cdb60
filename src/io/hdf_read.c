#include <string.h>

#include "io/hdf_impl.h"

/* Where reading fails, the message says "key = path: reason", or "path: reason" when no deck key named the file. */
#define H5_FROM(hdf) (hdf)->key, (hdf)->key[0] ? " = " : "", (hdf)->path
/* A user's mistake when a key named it, and then met by all ranks alike; else a failure of the run. */
#define H5_UNREADABLE(hdf) ((hdf)->key[0] ? PETSC_ERR_USER_INPUT : PETSC_ERR_FILE_READ)

/* Are the chunks of the dataset's rank, and no larger than it may become (HDF5 asks that where there is something)? */
static PetscBool AreChunksSound(hid_t create, int rank, const hsize_t size[], const hsize_t most[]) {
  hsize_t chunk[H5S_MAX_RANK];

  if (H5Pget_chunk(create, H5S_MAX_RANK, chunk) != rank) return PETSC_FALSE;
  for (int i = 0; i < rank; i++)
    if (size[i] && chunk[i] > most[i]) return PETSC_FALSE;
  return PETSC_TRUE;
}

/* Does the file hold what its shape promises, or nothing yet (fill values), in numbers of a size that there is? HDF5
 * 1.10 does not look: where a damaged file lies about it, it reads past its buffers or does not end. */
static PetscBool IsSound(hid_t dataset, int rank, const hsize_t size[], const hsize_t most[]) {
  const hid_t type = H5Dget_type(dataset), create = H5Dget_create_plist(dataset);
  const size_t bytes = type >= 0 ? H5Tget_size(type) : 0, largest = H5Tget_size(H5T_NATIVE_LDOUBLE);
  const PetscBool number = type >= 0 && H5Tget_class(type) == H5T_FLOAT ? PETSC_TRUE : PETSC_FALSE;
  const H5D_layout_t layout = create >= 0 ? H5Pget_layout(create) : H5D_LAYOUT_ERROR;
  const hsize_t stored = H5Dget_storage_size(dataset);
  hsize_t needed = bytes;
  PetscBool sound = bytes && (!number || bytes <= largest) && layout != H5D_LAYOUT_ERROR ? PETSC_TRUE : PETSC_FALSE;

  for (int i = 0; i < rank; i++) {
    if (size[i] > most[i] || (size[i] && needed > (hsize_t)-1 / size[i])) sound = PETSC_FALSE;
    needed *= size[i];
  }
  if (layout == H5D_CHUNKED)
    sound = sound && AreChunksSound(create, rank, size, most) ? PETSC_TRUE : PETSC_FALSE;
  else if (layout == H5D_COMPACT || (layout == H5D_CONTIGUOUS && stored))
    sound = sound && needed <= stored ? PETSC_TRUE : PETSC_FALSE;
  if (type >= 0) H5Tclose(type);
  if (create >= 0) H5Pclose(create);
  return sound;
}

/* What keeps this rank from reading a dataset, worst last. */
enum { FAULT_NONE, FAULT_DAMAGED, FAULT_SHAPE, FAULT_OTHER, FAULT_MISSING };

/* On this rank: opens the dataset and finds its shape. */
static int TryOpenDataset(Hdf hdf, const char *path, hid_t *dataset, int *rank, PetscInt64 shape[8]) {
  hsize_t size[H5S_MAX_RANK], most[H5S_MAX_RANK];
  hid_t space;

  *dataset = H5Dopen2(hdf->file, path, H5P_DEFAULT);
  if (*dataset < 0) return FAULT_OTHER;
  space = H5Dget_space(*dataset);
  *rank = H5Sget_simple_extent_dims(space, size, most);
  if (space >= 0) H5Sclose(space);
  if (*rank < 0 || *rank > 8) return FAULT_SHAPE;
  if (!IsSound(*dataset, *rank, size, most)) return FAULT_DAMAGED;
  for (int i = 0; i < *rank; i++) shape[i] = (PetscInt64)size[i];
  return FAULT_NONE;
}

/* Opens a dataset that a user's file must have, and its dataspace's shape. A file may be damaged for one rank only: all
 * agree on what is wrong. */
static PetscErrorCode OpenDataset(Hdf hdf, const char *path, hid_t *dataset, int *rank, PetscInt64 shape[8]) {
  static const char *const faults[] = {"", "dataset '%s' is damaged", "dataset '%s' has no shape of rank 0 to 8",
                                       "'%s' is not a dataset", "has no dataset '%s'"};
  char text[PETSC_MAX_PATH_LEN + 64];
  PetscBool exists;
  int fault = FAULT_MISSING;

  PetscFunctionBeginUser;
  *dataset = -1;
  PetscCall(HdfExists(hdf, path, &exists));
  if (exists) fault = TryOpenDataset(hdf, path, dataset, rank, shape);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &fault, 1, MPI_INT, MPI_MAX, hdf->comm));
  if (!fault) PetscFunctionReturn(0);
  if (*dataset >= 0) H5Dclose(*dataset);
  PetscCall(PetscSNPrintf(text, sizeof(text), faults[fault], path));
  SETERRQ(hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: %s", H5_FROM(hdf), text);
}

PetscErrorCode HdfGetShape(Hdf hdf, const char *path, int *rank, PetscInt64 shape[8]) {
  hid_t dataset;

  PetscFunctionBeginUser;
  PetscCall(OpenDataset(hdf, path, &dataset, rank, shape));
  H5Dclose(dataset);
  if (!hdf->inside) PetscFunctionReturn(0);
  *rank -= hdf->axes;
  for (int i = 0; i < hdf->axes; i++)
    PetscCheck(*rank >= 0 && shape[i] == (PetscInt64)hdf->cells[i], hdf->comm, H5_UNREADABLE(hdf),
               "%s%s%s: dataset '%s' has not the axes of the sweep", H5_FROM(hdf), path);
  for (int i = 0; i < *rank; i++) shape[i] = shape[hdf->axes + i];
  PetscFunctionReturn(0);
}

PetscErrorCode HdfCheckShape(Hdf hdf, const char *path, int rank, const PetscInt64 shape[]) {
  PetscInt64 found[8];
  PetscBool same;
  int n;

  PetscFunctionBeginUser;
  PetscCall(HdfGetShape(hdf, path, &n, found));
  same = n == rank ? PETSC_TRUE : PETSC_FALSE;
  for (int i = 0; same && i < rank; i++) same = found[i] == shape[i] ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(same, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: dataset '%s' has another shape", H5_FROM(hdf), path);
  PetscFunctionReturn(0);
}

/* The part of a dataset of this rank that starts at `start` and has this size; HDF5 makes doubles of floats. Ranks read
 * by themselves: their parts differ, and a damaged chunk must not leave the others waiting. */
static PetscBool ReadPart(hid_t dataset, int rank, const hsize_t start[], const hsize_t size[], double *values) {
  const hid_t memory = H5Screate_simple(rank, size, NULL), space = H5Dget_space(dataset);
  herr_t status = H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, size, NULL);

  if (status >= 0) status = H5Dread(dataset, H5T_NATIVE_DOUBLE, memory, space, H5P_DEFAULT, values);
  H5Sclose(space);
  H5Sclose(memory);
  return status >= 0 ? PETSC_TRUE : PETSC_FALSE;
}

/* Does it hold floating-point numbers? */
static PetscBool IsReal(hid_t dataset) {
  const hid_t type = H5Dget_type(dataset);
  const PetscBool real = H5Tget_class(type) == H5T_FLOAT ? PETSC_TRUE : PETSC_FALSE;

  H5Tclose(type);
  return real;
}

PetscErrorCode HdfReadRows(Hdf hdf, const char *path, PetscInt64 first, PetscInt64 count, double *values) {
  char reason[PETSC_MAX_PATH_LEN] = "";
  PetscInt64 shape[8];
  PetscBool real, range, read = PETSC_TRUE;
  hid_t dataset;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(OpenDataset(hdf, path, &dataset, &rank, shape));
  real = IsReal(dataset);
  range = (rank == 1 || rank == 2) && first >= 0 && count >= 0 && first + count <= shape[0] ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(HdfAgree(hdf->comm, &range));
  if (real && range && count) {
    const hsize_t start[2] = {(hsize_t)first, 0}, size[2] = {(hsize_t)count, rank == 2 ? (hsize_t)shape[1] : 1};
    read = ReadPart(dataset, rank, start, size, values);
  }
  PetscCall(HdfAgree(hdf->comm, &read));
  if (!read && !HdfLacks(hdf, dataset, reason, sizeof(reason)))
    PetscCall(PetscStrncpy(reason, "cannot be read", sizeof(reason)));
  if (hdf->key[0]) PetscCall(HdfWarnMatlab(hdf, dataset, path));
  H5Dclose(dataset);
  PetscCheck(real, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: dataset '%s' must hold floating-point numbers", H5_FROM(hdf),
             path);
  PetscCheck(rank == 1 || rank == 2, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: dataset '%s' has rank %d, must be 1 or 2",
             H5_FROM(hdf), path, rank);
  PetscCheck(range, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: dataset '%s' has only %" PetscInt64_FMT " rows",
             H5_FROM(hdf), path, shape[0]);
  PetscCheck(read, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: dataset '%s' %s", H5_FROM(hdf), path, reason);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadFrame(Hdf hdf, const char *path, PetscInt64 t, PetscInt64 first, PetscInt64 count,
                            double *values) {
  PetscInt64 shape[8];
  PetscBool range, read = PETSC_TRUE;
  hid_t dataset;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(OpenDataset(hdf, path, &dataset, &rank, shape));
  range = rank == 3 && t >= 0 && t < shape[0] && first >= 0 && first + count <= shape[1] ? PETSC_TRUE : PETSC_FALSE;
  PetscCall(HdfAgree(hdf->comm, &range));
  if (range && count) {
    const hsize_t start[3] = {(hsize_t)t, (hsize_t)first, 0}, size[3] = {1, (hsize_t)count, (hsize_t)shape[2]};
    read = ReadPart(dataset, 3, start, size, values);
  }
  PetscCall(HdfAgree(hdf->comm, &read));
  H5Dclose(dataset);
  PetscCheck(range && read, hdf->comm, PETSC_ERR_USER_INPUT, "%s%s%s: frame %" PetscInt64_FMT " of '%s' cannot be read",
             H5_FROM(hdf), t, path);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfIsReal(Hdf hdf, const char *path, PetscBool *real) {
  PetscInt64 shape[8];
  hid_t dataset;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(OpenDataset(hdf, path, &dataset, &rank, shape));
  *real = IsReal(dataset);
  H5Dclose(dataset);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadLink(Hdf hdf, const char *path, size_t room, char *file, char *object) {
  const char *to_file = NULL, *to_object = NULL;
  H5L_info_t info;
  char *value = NULL;

  PetscFunctionBeginUser;
  file[0] = object[0] = '\0';
  if (H5Lget_info(hdf->file, path, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_EXTERNAL) PetscFunctionReturn(0);
  PetscCall(PetscMalloc1(info.u.val_size, &value));
  if (H5Lget_val(hdf->file, path, value, info.u.val_size, H5P_DEFAULT) >= 0 &&
      H5Lunpack_elink_val(value, info.u.val_size, NULL, &to_file, &to_object) >= 0) {
    PetscCall(PetscStrncpy(file, to_file, room));
    PetscCall(PetscStrncpy(object, to_object, room));
  }
  PetscCall(PetscFree(value));
  PetscFunctionReturn(0);
}

/* Of a sweep's dataset what the chosen cell has. */
static PetscBool ReadCell(Hdf hdf, hid_t dataset, int rank, const PetscInt64 shape[], double *values) {
  hsize_t start[8] = {0}, size[8];

  for (int i = 0; i < rank; i++) {
    if (i < hdf->axes) start[i] = hdf->cell[i];
    size[i] = i < hdf->axes ? 1 : (hsize_t)shape[i];
  }
  return ReadPart(dataset, rank, start, size, values);
}

/* All of a dataset as this type: n numbers in one dimension, or of any shape for n < 0. */
static PetscErrorCode ReadWhole(Hdf hdf, const char *path, hid_t type, PetscInt64 n, void *values, PetscBool *read) {
  PetscInt64 shape[8];
  hid_t dataset;
  int rank;

  PetscFunctionBeginUser;
  PetscCall(OpenDataset(hdf, path, &dataset, &rank, shape));
  *read = n < 0 || (rank == 1 && shape[0] == n) ? PETSC_TRUE : PETSC_FALSE;
  if (*read && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) *read = PETSC_FALSE;
  H5Dclose(dataset);
  PetscCall(HdfAgree(hdf->comm, read));
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadInts(Hdf hdf, const char *path, PetscInt64 n, PetscInt64 *values) {
  PetscBool read;

  PetscFunctionBeginUser;
  PetscCall(ReadWhole(hdf, path, H5T_NATIVE_INT64, n, values, &read));
  PetscCheck(read, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: '%s' must hold %" PetscInt64_FMT " integers", H5_FROM(hdf),
             path, n);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadReals(Hdf hdf, const char *path, double *values) {
  PetscInt64 shape[8];
  PetscBool read;
  hid_t dataset;
  int rank;

  PetscFunctionBeginUser;
  if (hdf->inside) {
    PetscCall(OpenDataset(hdf, path, &dataset, &rank, shape));
    read = ReadCell(hdf, dataset, rank, shape, values);
    H5Dclose(dataset);
    PetscCall(HdfAgree(hdf->comm, &read));
  } else
    PetscCall(ReadWhole(hdf, path, H5T_NATIVE_DOUBLE, -1, values, &read));
  PetscCheck(read, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: '%s' must hold numbers", H5_FROM(hdf), path);
  PetscFunctionReturn(0);
}

/* The value of an open attribute as this type. Texts of other programs may have any length. */
static PetscBool ReadValue(hid_t attribute, hid_t type, void *value) {
  const hid_t stored = H5Aget_type(attribute);
  const PetscBool variable =
      H5Tis_variable_str(stored) > 0 && H5Tget_class(type) == H5T_STRING ? PETSC_TRUE : PETSC_FALSE;
  char *text = NULL;
  PetscBool read;

  if (variable) {
    read = H5Aread(attribute, stored, &text) >= 0 && text ? PETSC_TRUE : PETSC_FALSE;
    if (read) strncpy(value, text, H5Tget_size(type));
    H5free_memory(text);
  } else
    read = H5Aread(attribute, type, value) >= 0 ? PETSC_TRUE : PETSC_FALSE;
  if (stored >= 0) H5Tclose(stored);
  return read;
}

/* Reads the attribute `name` of the object at path as this type; false when there is none. */
static PetscErrorCode ReadAttribute(Hdf hdf, const char *path, const char *name, hid_t type, void *value,
                                    PetscBool *found) {
  PetscBool exists;
  hid_t object, attribute, space;

  PetscFunctionBeginUser;
  *found = PETSC_FALSE;
  PetscCall(HdfExists(hdf, path, &exists));
  if (!exists) PetscFunctionReturn(0);
  object = H5Oopen(hdf->file, path, H5P_DEFAULT);
  if (object >= 0 && H5Aexists(object, name) > 0) {
    attribute = H5Aopen(object, name, H5P_DEFAULT);
    space = attribute >= 0 ? H5Aget_space(attribute) : -1;
    /* one value: the reader of more would write past it */
    if (space >= 0 && H5Sget_simple_extent_npoints(space) == 1) *found = ReadValue(attribute, type, value);
    if (space >= 0) H5Sclose(space);
    if (attribute >= 0) H5Aclose(attribute);
  }
  if (object >= 0) H5Oclose(object);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadAttribute(Hdf hdf, const char *path, const char *name, size_t room, char *buffer,
                                PetscBool *found) {
  const hid_t type = H5Tcopy(H5T_C_S1);

  PetscFunctionBeginUser;
  H5Tset_size(type, room);
  H5Tset_cset(type, H5T_CSET_UTF8);
  buffer[0] = '\0';
  PetscCall(ReadAttribute(hdf, path, name, type, buffer, found));
  buffer[room - 1] = '\0';
  H5Tclose(type);
  PetscFunctionReturn(0);
}

PetscErrorCode HdfReadAttributeInt(Hdf hdf, const char *path, const char *name, int *value, PetscBool *found) {
  PetscFunctionBeginUser;
  PetscCall(ReadAttribute(hdf, path, name, H5T_NATIVE_INT, value, found));
  PetscFunctionReturn(0);
}

#define LINKS_MOST 1000000 /* names in a group; what a damaged file claims may be any number */

typedef struct {
  PetscInt n, room;
  char **names;
} NameList;

static herr_t AddName(hid_t group, const char *name, const H5L_info_t *info, void *context) {
  NameList *list = (NameList *)context;

  (void)group, (void)info;
  if (list->n == list->room) return -1;
  return PetscStrallocpy(name, &list->names[list->n++]) ? -1 : 0;
}

PetscErrorCode HdfList(Hdf hdf, const char *path, PetscInt *n, char ***names) {
  NameList list = {0, 0, NULL};
  H5G_info_t info;
  PetscBool exists, ok;
  hid_t group = -1;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, path, &exists));
  if (exists) group = H5Gopen2(hdf->file, path, H5P_DEFAULT);
  PetscCheck(group >= 0, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: has no group '%s'", H5_FROM(hdf), path);
  ok = H5Gget_info(group, &info) >= 0 && info.nlinks <= LINKS_MOST ? PETSC_TRUE : PETSC_FALSE;
  if (ok) {
    list.room = (PetscInt)info.nlinks;
    PetscCall(PetscCalloc1(list.room + 1, &list.names));
    ok = H5Literate(group, H5_INDEX_NAME, H5_ITER_INC, NULL, AddName, &list) >= 0 ? PETSC_TRUE : PETSC_FALSE;
  }
  H5Gclose(group);
  if (!ok) {
    for (PetscInt i = 0; i < list.n; i++) PetscCall(PetscFree(list.names[i]));
    PetscCall(PetscFree(list.names));
  }
  PetscCheck(ok, hdf->comm, H5_UNREADABLE(hdf), "%s%s%s: group '%s' cannot be read", H5_FROM(hdf), path);
  *n = list.n;
  *names = list.names;
  PetscFunctionReturn(0);
}
