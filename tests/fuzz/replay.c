/* Runs a harness on every file of a directory: what the fuzzer once found stays mended, and of one input at least the
 * reader sees all, so that the fuzzer begins with what goes deep. */
#include "fuzz/fuzz.h"

#include <dirent.h>
#include <string.h>

enum { MOST = 1 << 20 };
static unsigned char bytes[MOST];

int main(int argc, char **argv) {
  DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
  const struct dirent *entry;
  int count = 0;

  if (!directory) return fprintf(stderr, "usage: %s DIRECTORY\n", argv[0]), 2;
  LLVMFuzzerInitialize(&argc, &argv);
  while ((entry = readdir(directory))) {
    char path[PETSC_MAX_PATH_LEN];
    FILE *file;

    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
    file = fopen(path, "rb");
    if (!file) return perror(path), 1;
    printf("%s\n", path);
    fflush(stdout);
    const size_t size = fread(bytes, 1, MOST, file);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    count++;
  }
  closedir(directory);
  printf("%d inputs, %d taken whole\n", count, fuzz_whole);
  return PetscFinalize() || !fuzz_whole;
}
