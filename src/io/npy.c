#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/npy.h"

/* The format: 6 magic bytes, version major and minor, length of the header (2 bytes, from version 2 on 4,
 * little-endian), the header: a Python dictionary such as {'descr': '<f8', 'fortran_order': False, 'shape': (64, 3), }
 * padded with blanks, then the numbers. */

#define HEADER_MAX 65536
#define RANK_MAX   8

typedef struct {
  const char *at, *end;
  PetscInt64 shape[RANK_MAX];
  int rank;
  int size; /* bytes per number: 8 or 4 */
  PetscBool fortran;
  PetscInt64 offset; /* where the numbers begin */
  char reason[192];  /* what is wrong with the file */
} Header;

/* Notes what is wrong; returns false so that a parser can end with it. */
PETSC_ATTRIBUTE_FORMAT(2, 3) static PetscBool Wrong(Header *header, const char *format, ...) {
  va_list arguments;

  va_start(arguments, format);
  (void)vsnprintf(header->reason, sizeof(header->reason), format, arguments);
  va_end(arguments);
  return PETSC_FALSE;
}

static void SkipBlanks(Header *header) {
  while (header->at < header->end && isspace((unsigned char)*header->at)) header->at++;
}

/* Does this character come next? Then passes it. */
static PetscBool Accept(Header *header, char c) {
  SkipBlanks(header);
  if (header->at == header->end || *header->at != c) return PETSC_FALSE;
  header->at++;
  return PETSC_TRUE;
}

/* A Python string in single or double quotes, without escapes, shorter than 32 characters. */
static PetscBool ParseString(Header *header, char text[32]) {
  int n = 0;

  SkipBlanks(header);
  if (header->at == header->end || (*header->at != '\'' && *header->at != '"')) return PETSC_FALSE;
  const char quote = *header->at++;
  while (header->at < header->end && *header->at != quote) {
    if (n == 31 || !isprint((unsigned char)*header->at)) return PETSC_FALSE;
    text[n++] = *header->at++;
  }
  text[n] = 0;
  return Accept(header, quote);
}

static PetscBool ParseType(Header *header) {
  char type[32];

  if (!ParseString(header, type))
    return Wrong(header, "its elements are not plain numbers; float64 or float32 is needed");
  if (strcmp(type, "<f8") == 0)
    header->size = 8;
  else if (strcmp(type, "<f4") == 0)
    header->size = 4;
  else
    return Wrong(header, "its numbers are of type '%s'; little-endian float64 ('<f8') or float32 ('<f4') is needed",
                 type);
  return PETSC_TRUE;
}

static PetscBool ParseOrder(Header *header) {
  static const char *const words[2] = {"False", "True"};

  SkipBlanks(header);
  for (int i = 0; i < 2; i++) {
    const size_t length = strlen(words[i]);

    if ((size_t)(header->end - header->at) < length || memcmp(header->at, words[i], length) != 0) continue;
    header->at += length;
    header->fortran = i ? PETSC_TRUE : PETSC_FALSE;
    return PETSC_TRUE;
  }
  return Wrong(header, "fortran_order in its header is neither True nor False");
}

static PetscBool ParseShape(Header *header) {
  if (!Accept(header, '(')) return Wrong(header, "the shape in its header is not a tuple");
  for (header->rank = 0; !Accept(header, ')'); header->rank++) {
    PetscInt64 n = 0;

    if (header->rank == RANK_MAX) return Wrong(header, "its array has more than %d dimensions; 2 are needed", RANK_MAX);
    SkipBlanks(header);
    const char *digits = header->at;
    for (; header->at < header->end && isdigit((unsigned char)*header->at); header->at++) {
      if (n > INT32_MAX / 10) return Wrong(header, "a size in its shape is too large");
      n = 10 * n + (*header->at - '0');
    }
    if (header->at == digits) return Wrong(header, "the shape in its header is not a tuple of sizes");
    header->shape[header->rank] = n;
    if (Accept(header, ',')) continue;
    if (header->rank == 0 || !Accept(header, ')')) return Wrong(header, "the shape in its header is not a tuple");
    header->rank++;
    break;
  }
  if (header->rank != 2) return Wrong(header, "its array has %d dimension(s); 2 are needed", header->rank);
  return PETSC_TRUE;
}

/* The three entries of the dictionary, each once, in any order. */
static PetscBool ParseDictionary(Header *header) {
  static const char *const keys[3] = {"descr", "fortran_order", "shape"};
  static PetscBool (*const parse[3])(Header *) = {ParseType, ParseOrder, ParseShape};
  PetscBool seen[3] = {PETSC_FALSE, PETSC_FALSE, PETSC_FALSE};
  char key[32];

  if (!Accept(header, '{')) return Wrong(header, "its header is not a dictionary");
  while (!Accept(header, '}')) {
    int i = 0;

    if (!ParseString(header, key) || !Accept(header, ':')) return Wrong(header, "its header is damaged");
    while (i < 3 && strcmp(key, keys[i]) != 0) i++;
    if (i == 3 || seen[i]) return Wrong(header, "its header has an unexpected entry '%s'", key);
    seen[i] = PETSC_TRUE;
    if (!parse[i](header)) return PETSC_FALSE;
    if (Accept(header, ',')) continue;
    if (!Accept(header, '}')) return Wrong(header, "its header is damaged");
    break;
  }
  SkipBlanks(header);
  if (header->at != header->end) return Wrong(header, "its header is followed by something else");
  for (int i = 0; i < 3; i++)
    if (!seen[i]) return Wrong(header, "its header has no '%s'", keys[i]);
  return PETSC_TRUE;
}

/* Magic bytes, version and dictionary; text is room for the header. */
static PetscBool ParseFile(FILE *file, Header *header, char *text) {
  unsigned char start[12];
  PetscInt64 length = 0;

  if (fread(start, 1, 10, file) != 10 || memcmp(start, "\x93NUMPY", 6) != 0) return Wrong(header, "is not a .npy file");
  if (start[6] < 1 || start[6] > 3 || start[7] != 0)
    return Wrong(header, "has .npy format version %d.%d; 1.0 to 3.0 can be read", start[6], start[7]);
  const int width = start[6] == 1 ? 2 : 4;
  if (width == 4 && fread(start + 10, 1, 2, file) != 2) return Wrong(header, "ends inside its header");
  for (int i = width - 1; i >= 0; i--) length = 256 * length + start[8 + i];
  if (length > HEADER_MAX) return Wrong(header, "has a header of more than %d bytes", HEADER_MAX);
  if ((PetscInt64)fread(text, 1, (size_t)length, file) != length) return Wrong(header, "ends inside its header");
  header->at = text;
  header->end = text + length;
  header->offset = 8 + width + length;
  return ParseDictionary(header);
}

/* The numbers fill the rest of the file exactly. Sizes are below 2^31, so the count fits; its bytes may not. */
static PetscBool CheckLength(FILE *file, Header *header) {
  const PetscInt64 count = header->shape[0] * header->shape[1];

  if (count > (INT64_MAX - header->offset) / header->size) return Wrong(header, "its shape is too large");
  if (fseeko(file, 0, SEEK_END) != 0) return Wrong(header, "cannot be read (%s)", strerror(errno));
  const PetscInt64 expected = header->offset + count * header->size, actual = (PetscInt64)ftello(file);
  if (actual != expected)
    return Wrong(header, "has %" PetscInt64_FMT " bytes where its header promises %" PetscInt64_FMT "%s", actual,
                 expected, actual < expected ? " (truncated?)" : "");
  return PETSC_TRUE;
}

/* On one rank: reads the header; its reason says what is wrong, if anything is. */
static PetscErrorCode Inspect(const char *path, Header *header) {
  struct stat status;
  FILE *file;
  char *text;

  PetscFunctionBeginUser;
  if (!stat(path, &status) && !S_ISREG(status.st_mode)) { /* opening a pipe would wait for its writer */
    (void)Wrong(header, "is not a regular file");
    PetscFunctionReturn(0);
  }
  file = fopen(path, "rb");
  if (!file) {
    (void)Wrong(header, "cannot be opened (%s)", strerror(errno));
    PetscFunctionReturn(0);
  }
  PetscCall(PetscMalloc1(HEADER_MAX, &text));
  if (ParseFile(file, header, text)) (void)CheckLength(file, header);
  PetscCall(PetscFree(text));
  header->at = header->end = NULL;
  (void)fclose(file);
  PetscFunctionReturn(0);
}

/* The header as the first rank finds it, so that all ranks agree on what is wrong. */
static PetscErrorCode ReadHeader(MPI_Comm comm, const char *key, const char *path, Header *header) {
  PetscMPIInt rank;

  PetscFunctionBeginUser;
  memset(header, 0, sizeof(*header));
  PetscCallMPI(MPI_Comm_rank(comm, &rank));
  if (!rank) PetscCall(Inspect(path, header));
  PetscCallMPI(MPI_Bcast(header, sizeof(*header), MPI_BYTE, 0, comm));
  PetscCheck(!header->reason[0], comm, PETSC_ERR_USER_INPUT, "%s = %s: %s", key, path, header->reason);
  PetscFunctionReturn(0);
}

PetscErrorCode NpyGetShape(MPI_Comm comm, const char *key, const char *path, PetscInt64 shape[2]) {
  Header header;

  PetscFunctionBeginUser;
  PetscCall(ReadHeader(comm, key, path, &header));
  shape[0] = header.shape[0];
  shape[1] = header.shape[1];
  PetscFunctionReturn(0);
}

/* A little-endian IEEE number on a machine of any byte order. */
static double Decode(const unsigned char *bytes, int size) {
  uint64_t bits = 0;
  double value;
  float single;

  for (int i = size - 1; i >= 0; i--) bits = bits << 8 | bytes[i];
  if (size == 8) {
    memcpy(&value, &bits, sizeof(value));
    return value;
  }
  const uint32_t half = (uint32_t)bits;
  memcpy(&single, &half, sizeof(single));
  return single;
}

/* n numbers from position `from` of the array, to values[0], values[stride], ...; can they be read? */
static PetscBool ReadRun(FILE *file, const Header *header, PetscInt64 from, PetscInt64 n, PetscInt64 stride,
                         double *values) {
  enum { CHUNK = 1024 };
  unsigned char bytes[CHUNK * 8];
  PetscBool good =
      fseeko(file, (off_t)(header->offset + from * header->size), SEEK_SET) == 0 ? PETSC_TRUE : PETSC_FALSE;

  for (PetscInt64 done = 0; done < n && good; done += CHUNK) {
    const size_t count = (size_t)PetscMin(CHUNK, n - done);

    good = fread(bytes, (size_t)header->size, count, file) == count ? PETSC_TRUE : PETSC_FALSE;
    for (size_t i = 0; i < count && good; i++)
      values[(done + (PetscInt64)i) * stride] = Decode(bytes + i * (size_t)header->size, header->size);
  }
  return good;
}

PetscErrorCode NpyReadRows(MPI_Comm comm, const char *key, const char *path, PetscInt64 first, PetscInt64 count,
                           double *values) {
  Header header;
  PetscBool good;
  FILE *file;

  PetscFunctionBeginUser;
  PetscCall(ReadHeader(comm, key, path, &header));
  const PetscInt64 rows = header.shape[0], columns = header.shape[1];
  PetscCheck(first >= 0 && count >= 0 && count <= rows - first, PETSC_COMM_SELF, PETSC_ERR_ARG_OUTOFRANGE,
             "rows %" PetscInt64_FMT " to %" PetscInt64_FMT " of %s, which has %" PetscInt64_FMT, first,
             first + count - 1, path, rows);
  file = fopen(path, "rb");
  good = file != NULL ? PETSC_TRUE : PETSC_FALSE;
  if (header.fortran)
    for (PetscInt64 c = 0; c < columns && good; c++)
      good = ReadRun(file, &header, c * rows + first, count, columns, values + c);
  else if (good)
    good = ReadRun(file, &header, first * columns, count * columns, 1, values);
  if (file) (void)fclose(file);
  PetscCallMPI(MPI_Allreduce(MPI_IN_PLACE, &good, 1, MPIU_BOOL, MPI_LAND, comm));
  PetscCheck(good, comm, PETSC_ERR_USER_INPUT, "%s = %s: cannot be read on all ranks", key, path);
  PetscFunctionReturn(0);
}
