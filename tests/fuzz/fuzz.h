/* What the fuzz harnesses share. A harness is one reader of chorale as a function of a file's bytes:
 * LLVMFuzzerTestOneInput, which libFuzzer calls with what it invents (tools/fuzz) and replay.c with the inputs in
 * corpus/ (ctest). A reader takes its input or refuses it as what a user got wrong; every other error code, an open
 * HDF5 object left behind, a crash, a hang or a sanitizer's report is a finding. */
#ifndef CHORALE_FUZZ_H
#define CHORALE_FUZZ_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <chorale/study.h>
#include <hdf5.h>
#include <petscsys.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char fuzz_path[PETSC_MAX_PATH_LEN]; /* the input as a file, in memory */
extern int fuzz_whole; /* inputs so far that the reader took to their end, of which a corpus must have some */

static inline void FuzzMust(PetscBool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "finding: %s\n", what);
  abort();
}
#define MUST(call) FuzzMust((call) == 0 ? PETSC_TRUE : PETSC_FALSE, #call)

static inline void FuzzRemove(void) {
  (void)unlink(fuzz_path);
}

/* MPI and PETSc once per process, without their signal handlers; errors return without a word. */
static inline void FuzzStart(const char *suffix) {
  char name[] = "fuzz", rc[] = "-skip_petscrc", signals[] = "-no_signal_handler";
  char *words[] = {name, rc, signals, NULL}, **argv = words;
  int argc = 3;

  MUST(PetscInitialize(&argc, &argv, NULL, NULL));
  MUST(DeckUse(StudyOptions, NULL));
  MUST(PetscPushErrorHandler(PetscReturnErrorHandler, NULL));
  /* HDF5 keeps what it frees, half a megabyte for every file: more executions a second. */
  FuzzMust(H5set_free_list_limits(-1, -1, -1, -1, -1, -1) >= 0 ? PETSC_TRUE : PETSC_FALSE, "HDF5's free lists");
  snprintf(fuzz_path, sizeof(fuzz_path), "/dev/shm/chorale-fuzz-%d%s", (int)getpid(), suffix);
  (void)atexit(FuzzRemove);
}

static inline void FuzzWrite(const char *path, const void *data, size_t size, const void *more, size_t more_size) {
  const int file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

  FuzzMust(file >= 0 && write(file, data, size) == (ssize_t)size && write(file, more, more_size) == (ssize_t)more_size,
           "cannot write the input to a file");
  (void)close(file);
}

/* Did the reader end as it may? */
static inline PetscBool FuzzTaken(PetscErrorCode code) {
  char text[64];

  snprintf(text, sizeof(text), "error code %d", (int)code);
  FuzzMust(code == 0 || code == PETSC_ERR_USER_INPUT ? PETSC_TRUE : PETSC_FALSE, text);
  return code ? PETSC_FALSE : PETSC_TRUE;
}

/* Everything of HDF5 is closed again: a file that is open when MPI ends is an error there. */
static inline void FuzzNothingOpen(void) {
  const ssize_t objects = H5Fget_obj_count((hid_t)H5F_OBJ_ALL, H5F_OBJ_ALL);
  hsize_t spaces = 0;

  FuzzMust(objects == 0 ? PETSC_TRUE : PETSC_FALSE, "an HDF5 file or an object in it is still open");
  (void)H5Inmembers(H5I_DATASPACE, &spaces);
  FuzzMust(spaces == 0 ? PETSC_TRUE : PETSC_FALSE, "an HDF5 dataspace is still open");
}

#endif
