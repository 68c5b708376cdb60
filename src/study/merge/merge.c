/* Study merge: results of one deck and several seeds become those of all their realizations. It reads the numbers that
 * the study of the files declares, from where its results have them; table, statistics and fits are then said by that
 * study's own report. */
#include <string.h>
#include <sys/stat.h>

#include "io/hdf.h"
#include "run/results_read.h"
#include "study/studies.h"

enum { FILES_MOST = 4096, TEXT = 64 };

/* The files, in the order of their realizations. */
typedef struct {
  PetscInt count, realizations;
  const char *path[FILES_MOST];
  char *storage;
  PetscInt each[FILES_MOST];                    /* realizations */
  char *seeds[FILES_MOST];                      /* of each, separated by commas */
  char study[TEXT], target[PETSC_MAX_PATH_LEN]; /* target: output_file */
} Merge;

/* Keys that may differ between files: what is joined, and what does not change the numbers. */
static PetscBool IsFree(const char *key) {
  PetscBool joined = PETSC_FALSE;

  (void)PetscStrInList(key, "ensemble_seed,ensemble_realizations,output_trajectories,output_precision,output_compress",
                       ',', &joined);
  return joined || CheckpointMayChange(key) ? PETSC_TRUE : PETSC_FALSE;
}

/* Does a key name files of the same contents, wherever they were? Refuses files of other contents. */
static PetscErrorCode CompareInput(const char *path, const char *key, Hdf hdf, Hdf first, PetscBool *same) {
  char name[2 * TEXT], sums[2][TEXT];
  PetscBool found[2];

  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(name, sizeof(name), "%s_crc32", key));
  PetscCall(HdfReadAttribute(first, "/provenance", name, TEXT, sums[0], &found[0]));
  PetscCall(HdfReadAttribute(hdf, "/provenance", name, TEXT, sums[1], &found[1]));
  *same = found[0] && found[1] ? PETSC_TRUE : PETSC_FALSE;
  PetscCheck(!*same || !strcmp(sums[0], sums[1]), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "merge_files = %s: its %s had other contents than that of the first file", path, key);
  PetscFunctionReturn(0);
}

/* Refuses a deck that is not that of the first file. */
static PetscErrorCode CompareDeck(const char *path, Hdf hdf, const char *first_path, Hdf first) {
  char old[PETSC_MAX_PATH_LEN], new[PETSC_MAX_PATH_LEN];
  const char *key;
  PetscBool found[2], same = PETSC_FALSE;

  PetscFunctionBeginUser;
  for (PetscInt i = -1; i < 0 || (key = DeckName(i)); i++) {
    const char *group = i < 0 ? "/provenance" : "/parameters";
    if (i < 0) key = "version";
    PetscCall(CompareInput(path, key, hdf, first, &same));
    if (same || IsFree(key)) continue;
    PetscCall(HdfReadAttribute(first, group, key, sizeof(old), old, &found[0]));
    PetscCall(HdfReadAttribute(hdf, group, key, sizeof(new), new, &found[1]));
    PetscCheck(found[0] == found[1] && (!found[0] || !strcmp(old, new)), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "merge_files = %s: %s = %s, but %s in %s", path, key, found[1] ? new : "missing",
               found[0] ? old : "missing", first_path);
  }
  PetscFunctionReturn(0);
}

/* A seed that two files have: the same realizations twice. */
static PetscErrorCode CheckSeeds(const Merge *merge, PetscInt file) {
  PetscBool twice;
  char **seeds;
  int n;

  PetscFunctionBeginUser;
  PetscCall(PetscStrToArray(merge->seeds[file], ',', &n, &seeds));
  for (int s = 0; s < n; s++)
    for (PetscInt i = 0; i < file; i++) {
      PetscCall(PetscStrInList(seeds[s], merge->seeds[i], ',', &twice));
      PetscCheck(!twice, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
                 "merge_files = %s: has the seed %s of %s: the same realizations twice", merge->path[file], seeds[s],
                 merge->path[i]);
    }
  PetscCall(PetscStrToArrayDestroy(n, seeds));
  PetscFunctionReturn(0);
}

/* Study and completeness of an open file. */
static PetscErrorCode CheckStudy(Merge *merge, PetscInt file, Hdf hdf, StudyFinder find) {
  const char *path = merge->path[file];
  char complete[TEXT] = "", map[TEXT] = "", **names, study[TEXT];
  const Study *known;
  PetscBool found;
  PetscInt n = 0;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, "/study", &found));
  PetscCheck(found, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "merge_files = %s: holds no results of chorale", path);
  PetscCall(HdfList(hdf, "/study", &n, &names));
  PetscCall(PetscStrncpy(study, n ? names[0] : "", sizeof(study)));
  for (PetscInt i = 0; i < n; i++) PetscCall(PetscFree(names[i]));
  PetscCall(PetscFree(names));
  PetscCall(HdfReadAttribute(hdf, "/parameters", "sync_map", sizeof(map), map, &found));
  known = find(study);
  PetscCheck(known && known->checkpoints && strcmp(map, "true"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "merge_files = %s: is of study %s, which has no seeds to join", path, study);
  if (!file) PetscCall(PetscStrcpy(merge->study, study));
  PetscCheck(!strcmp(study, merge->study), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "merge_files = %s: is of study %s, the first file of %s", path, study, merge->study);
  PetscCall(HdfReadAttribute(hdf, "/provenance", "complete", sizeof(complete), complete, &found));
  PetscCheck(found && !strcmp(complete, "true"), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "merge_files = %s: is not complete; resume its run first", path);
  PetscFunctionReturn(0);
}

/* How many realizations an open file has, and their seeds. */
static PetscErrorCode ReadEnsemble(Merge *merge, PetscInt file, Hdf hdf) {
  char number[TEXT] = "", seeds[PETSC_MAX_PATH_LEN] = "";
  PetscBool found;
  char *end;

  PetscFunctionBeginUser;
  PetscCall(HdfReadAttribute(hdf, "/parameters", "ensemble_realizations", sizeof(number), number, &found));
  PetscCall(HdfReadAttribute(hdf, "/parameters", "ensemble_seed", sizeof(seeds), seeds, &found));
  const long long count = strtoll(number, &end, 10);
  PetscCheck(!*end && count >= 1 && count <= PETSC_MAX_INT - merge->realizations && seeds[0], PETSC_COMM_WORLD,
             PETSC_ERR_USER_INPUT, "merge_files = %s: does not say its seed and how many realizations it has",
             merge->path[file]);
  merge->each[file] = (PetscInt)count;
  merge->realizations += (PetscInt)count;
  PetscCall(PetscStrallocpy(seeds, &merge->seeds[file]));
  PetscCall(CheckSeeds(merge, file));
  PetscFunctionReturn(0);
}

/* What the first file was made with is what is asked for; the numbers of all are one ensemble. */
static PetscErrorCode TakeDeck(const Merge *merge, Hdf hdf) {
  char value[PETSC_MAX_PATH_LEN], option[TEXT];
  const char *key;
  PetscBool found;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; (key = DeckName(i)); i++) {
    if (IsFree(key)) continue;
    PetscCall(HdfReadAttribute(hdf, "/parameters", key, sizeof(value), value, &found));
    PetscCall(PetscSNPrintf(option, sizeof(option), "-%s", key));
    if (found && value[0]) PetscCall(PetscOptionsSetValue(NULL, option, value));
  }
  PetscCall(PetscSNPrintf(value, sizeof(value), "%" PetscInt_FMT, merge->realizations));
  PetscCall(PetscOptionsSetValue(NULL, "-ensemble_realizations", value));
  PetscCall(PetscStrncpy(value, merge->seeds[0], sizeof(value)));
  value[strcspn(value, ",")] = '\0';
  PetscCall(PetscOptionsSetValue(NULL, "-ensemble_seed", value));
  PetscFunctionReturn(0);
}

static PetscErrorCode Inspect(Merge *merge, PetscInt file, Hdf hdf, Hdf first, StudyFinder find) {
  PetscBool sweep;

  PetscFunctionBeginUser;
  PetscCall(HdfExists(hdf, "/sweep", &sweep));
  PetscCheck(!sweep, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "merge_files = %s: is a sweep, which is not joined",
             merge->path[file]);
  PetscCall(CheckStudy(merge, file, hdf, find));
  PetscCall(CompareDeck(merge->path[file], hdf, merge->path[0], first));
  PetscCall(ReadEnsemble(merge, file, hdf));
  PetscFunctionReturn(0);
}

/* All files beside the first, and what follows from them. HDF5 would close an open file after MPI_Finalize, and
 * fail. */
static PetscErrorCode InspectAll(Merge *merge, StudyFinder find) {
  PetscErrorCode code;
  Hdf first, hdf;

  PetscFunctionBeginUser;
  PetscCall(HdfOpen(PETSC_COMM_WORLD, merge->path[0], "r", "merge_files", &first));
  code = Inspect(merge, 0, first, first, find);
  for (PetscInt i = 1; i < merge->count && !code; i++) {
    code = HdfOpen(PETSC_COMM_WORLD, merge->path[i], "r", "merge_files", &hdf);
    if (code) break;
    code = Inspect(merge, i, hdf, first, find);
    PetscCall(HdfClose(&hdf));
  }
  if (!code) code = TakeDeck(merge, first);
  PetscCall(HdfClose(&first));
  PetscCall(code);
  PetscFunctionReturn(0);
}

/* The joined results must not take the place of what is joined. */
static PetscErrorCode CheckTarget(const Merge *merge) {
  const char *target = merge->target;
  struct stat mine, other;
  PetscMPIInt rank;
  int same = -1;

  PetscFunctionBeginUser;
  PetscCheck(target[0], PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "output_file is not set: merge needs it");
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (PetscInt i = 0; !rank && i < merge->count && !stat(target, &mine); i++)
    if (!stat(merge->path[i], &other) && mine.st_dev == other.st_dev && mine.st_ino == other.st_ino) same = (int)i;
  PetscCallMPI(MPI_Bcast(&same, 1, MPI_INT, 0, PETSC_COMM_WORLD));
  PetscCheck(same < 0, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "output_file = %s: is one of the files to be joined",
             target);
  PetscFunctionReturn(0);
}

/* What was joined: seeds in /parameters, names in /provenance. */
static PetscErrorCode Label(const Merge *merge, Results results) {
  size_t room = 1;
  char *seeds, *names;

  PetscFunctionBeginUser;
  for (PetscInt i = 0; i < merge->count; i++) room += strlen(merge->seeds[i]) + strlen(merge->path[i]) + 2;
  PetscCall(PetscCalloc2(room, &seeds, room, &names));
  for (PetscInt i = 0; i < merge->count; i++) {
    const char *slash = strrchr(merge->path[i], '/');
    if (i) PetscCall(PetscStrlcat(seeds, ",", room));
    if (i) PetscCall(PetscStrlcat(names, " ", room));
    PetscCall(PetscStrlcat(seeds, merge->seeds[i], room));
    PetscCall(PetscStrlcat(names, slash ? slash + 1 : merge->path[i], room));
  }
  PetscCall(ResultsSetOrigin(results, "/parameters", "ensemble_seed", seeds));
  PetscCall(ResultsSetOrigin(results, "/provenance", "merged", names));
  PetscCall(PetscFree2(seeds, names));
  PetscFunctionReturn(0);
}

static PetscErrorCode Read(void *context, Results results, Checkpoint checkpoint, const EnsembleLayout *layout) {
  Merge *merge = context;
  ResultsPart part = {.first = 0};
  char first[PETSC_MAX_PATH_LEN + 16];
  PetscErrorCode code;
  Hdf hdf;

  PetscFunctionBeginUser;
  (void)layout;
  PetscCall(PetscSNPrintf(first, sizeof(first), "merge_files = %s", merge->path[0]));
  for (PetscInt i = 0; i < merge->count; i++) {
    part.realizations = merge->each[i];
    PetscCall(HdfOpen(PETSC_COMM_WORLD, merge->path[i], "r", "merge_files", &hdf));
    code = ResultsReadRows(results, hdf, &part);
    if (!code && !i) code = ResultsReadShared(results, hdf, first, checkpoint); /* those of the first file */
    PetscCall(HdfClose(&hdf));
    PetscCall(code);
    part.first += part.realizations;
  }
  PetscCall(Label(merge, results));
  PetscCall(PetscPrintf(PETSC_COMM_WORLD, "%s: %" PetscInt_FMT " realizations of %" PetscInt_FMT " files\n",
                        merge->target, merge->realizations, merge->count));
  for (PetscInt i = 0; i < merge->count; i++) PetscCall(PetscFree(merge->seeds[i]));
  PetscCall(PetscFree(merge->storage));
  PetscFunctionReturn(0);
}

/* The study of the files, with their deck, reads instead of computing. */
static PetscErrorCode Select(Run run, StudyFinder find, const Study **study) {
  OutputOptions output;
  Merge *merge;

  PetscFunctionBeginUser;
  PetscCall(PetscNew(&merge));
  PetscCall(DeckRead(OutputKeys, &output));
  PetscCall(PetscStrncpy(merge->target, output.file, sizeof(merge->target)));
  merge->count = FILES_MOST;
  PetscCall(DeckGetStringList("merge_files", &merge->count, merge->path, &merge->storage));
  PetscCheck(merge->count, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "merge_files is not set: name the results files to join, separated by commas");
  PetscCall(CheckTarget(merge));
  PetscCall(InspectAll(merge, find));
  *study = find(merge->study);
  PetscCall(RunSetReader(run, Read, merge));
  PetscFunctionReturn(0);
}

const Study StudyMerge = {
    .name = "merge",
    .options = &MergeTable,
    .summary = "results of several seeds as those of one ensemble, statistics and fits anew",
    .select = Select,
};
