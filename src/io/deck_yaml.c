/* Decks in YAML, by libyaml's events (the parser that PETSc is built with). PETSc's own reader of YAML options is not
 * strict enough: it drops duplicate keys, anchors, empty values and malformed files without a word that fits one line.
 */
#include "io/deck_keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <yaml.h>

#define MAX_BYTES (1 << 20) /* a deck is a page of text: more is a mistaken file */
#define MAX_NAME  64

typedef struct {
  yaml_parser_t parser;
  const char *path, *text;
  /* names of sections and keys met so far: all are right ones, so there are few */
  struct {
    char name[MAX_NAME];
    int line;
  } seen[2 * DECK_KEYS_MAX];
  int seen_count;
} Reader;

/* The deck's text on all ranks, read by one; text has room for MAX_BYTES. */
static PetscErrorCode ReadText(const char *path, char *text, int *size) {
  enum { OPEN_FAILED, NOT_A_FILE, TOO_LARGE, READ };
  struct {
    int outcome, error, size;
  } found = {OPEN_FAILED, 0, 0};
  PetscMPIInt rank;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  if (rank == 0) {
    struct stat status;
    FILE *file = NULL;
    if (stat(path, &status))
      found.error = errno;
    else if (!S_ISREG(status.st_mode))
      found.outcome = NOT_A_FILE;
    else if (status.st_size > MAX_BYTES)
      found.outcome = TOO_LARGE;
    else if (!(file = fopen(path, "rb")))
      found.error = errno;
    if (file) {
      found.size = (int)fread(text, 1, MAX_BYTES, file);
      found.error = ferror(file) ? errno : 0;
      found.outcome = found.error ? OPEN_FAILED : READ;
      fclose(file);
    }
  }
  PetscCallMPI(MPI_Bcast(&found, 3, MPI_INT, 0, PETSC_COMM_WORLD));
  PetscCheck(found.outcome != OPEN_FAILED, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: cannot read this deck: %s",
             path, strerror(found.error));
  PetscCheck(found.outcome != NOT_A_FILE, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: cannot read this deck: not a regular file", path);
  PetscCheck(found.outcome != TOO_LARGE, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: cannot read this deck: larger than %d bytes", path, MAX_BYTES);
  PetscCallMPI(MPI_Bcast(text, found.size, MPI_CHAR, 0, PETSC_COMM_WORLD));
  *size = found.size;
  PetscFunctionReturn(0);
}

/* The line of what the parser stumbled over. Of bytes that are no text it knows the place alone. */
static int ProblemLine(const Reader *reader) {
  const yaml_parser_t *parser = &reader->parser;
  int line = 1;
  if (parser->error != YAML_READER_ERROR) return (int)parser->problem_mark.line + 1;
  for (size_t i = 0; i < parser->problem_offset; i++) line += reader->text[i] == '\n';
  return line;
}

static PetscErrorCode Where(Reader *reader, int line, char *where, size_t size) {
  PetscFunctionBeginUser;
  PetscCall(PetscSNPrintf(where, size, " (%s, line %d)", reader->path, line));
  PetscFunctionReturn(0);
}

/* The next event; the caller deletes it. Anchors and tags are refused here, so that nothing of YAML is ignored. */
static PetscErrorCode Next(Reader *reader, yaml_event_t *event, int *line) {
  yaml_parser_t *parser = &reader->parser;
  const yaml_char_t *anchor = NULL, *tag = NULL;
  PetscFunctionBeginUser;
  if (!yaml_parser_parse(parser, event)) {
    PetscCheck(parser->error != YAML_MEMORY_ERROR, PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory to read %s",
               reader->path);
    SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s, line %d: is not YAML: %s", reader->path, ProblemLine(reader),
            parser->problem ? parser->problem : "unreadable");
  }
  *line = (int)event->start_mark.line + 1;
  if (event->type == YAML_SCALAR_EVENT) anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
  if (event->type == YAML_SEQUENCE_START_EVENT)
    anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
  if (event->type == YAML_MAPPING_START_EVENT)
    anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
  if (anchor || tag || event->type == YAML_ALIAS_EVENT) {
    yaml_event_delete(event);
    SETERRQ(PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s, line %d: a deck has no anchors, aliases or tags", reader->path,
            *line);
  }
  PetscFunctionReturn(0);
}

/* On rank 0: the file of a deck as it can be opened. A name is one from the current folder; where nothing is there,
 * from the deck's. */
static void FindFile(const char *deck, const char *name, size_t n, char path[PETSC_MAX_PATH_LEN]) {
  const char *slash = strrchr(deck, '/');
  char given[PETSC_MAX_PATH_LEN], beside[PETSC_MAX_PATH_LEN];
  struct stat here, there;

  (void)snprintf(given, sizeof(given), "%.*s", (int)n, name);
  (void)snprintf(path, PETSC_MAX_PATH_LEN, "%s", given);
  if (!slash || given[0] == '/' || !given[0]) return;
  if (snprintf(beside, sizeof(beside), "%.*s/%s", (int)(slash - deck), deck, given) >= (int)sizeof(beside)) return;
  if (stat(beside, &there)) return;
  if (stat(given, &here))
    (void)snprintf(path, PETSC_MAX_PATH_LEN, "%s", beside);
  else if (here.st_dev != there.st_dev || here.st_ino != there.st_ino)
    fprintf(stderr, "chorale: warning: %s: that of the current folder is read, not %s beside the deck\n", given,
            beside);
}

/* The value of a key: the files that it names as they can be opened, any other as it is. */
static PetscErrorCode FindFiles(const char *deck, const char *name, const char *value, char text[PETSC_MAX_PATH_LEN]) {
  const OptionKey *key = DeckKeyFindUsed(name);
  char path[PETSC_MAX_PATH_LEN];
  PetscMPIInt rank;
  size_t used = 0;
  PetscFunctionBeginUser;
  PetscCallMPI(MPI_Comm_rank(PETSC_COMM_WORLD, &rank));
  for (const char *part = value; !rank && part; part = *part ? part + 1 : NULL) {
    const size_t n = key->lists ? strcspn(part, ",") : strlen(part);
    FindFile(deck, part, n, path);
    used += (size_t)snprintf(text + used, PETSC_MAX_PATH_LEN - used, "%s%s", used ? "," : "", path);
    if (used >= PETSC_MAX_PATH_LEN) break;
    part += n;
  }
  if (used >= PETSC_MAX_PATH_LEN) PetscCall(PetscStrncpy(text, value, PETSC_MAX_PATH_LEN));
  PetscCallMPI(MPI_Bcast(text, PETSC_MAX_PATH_LEN, MPI_CHAR, 0, PETSC_COMM_WORLD));
  PetscFunctionReturn(0);
}

/* A key of the deck and its value. */
static PetscErrorCode Set(const Reader *reader, const char *name, const char *value, PetscBool list,
                          const char *where) {
  char text[PETSC_MAX_PATH_LEN];
  const PetscBool files = DeckReads(name) && strlen(value) < sizeof(text) ? PETSC_TRUE : PETSC_FALSE;
  PetscFunctionBeginUser;
  if (files) PetscCall(FindFiles(reader->path, name, value, text));
  PetscCall(DeckSet(name, files ? text : value, list, where));
  PetscFunctionReturn(0);
}

/* Remembers a section or key and refuses a second one of this name. */
static PetscErrorCode Once(Reader *reader, const char *name, int line) {
  PetscFunctionBeginUser;
  for (int i = 0; i < reader->seen_count; i++) {
    PetscCheck(strcmp(reader->seen[i].name, name), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
               "%s: is given twice (%s, lines %d and %d)", name, reader->path, reader->seen[i].line, line);
  }
  PetscCheck(reader->seen_count < 2 * DECK_KEYS_MAX, PETSC_COMM_SELF, PETSC_ERR_PLIB, "too many keys");
  PetscCall(PetscStrncpy(reader->seen[reader->seen_count].name, name, MAX_NAME));
  reader->seen[reader->seen_count++].line = line;
  PetscFunctionReturn(0);
}

/* `key:` and `key: ~` give no value; quoted, they are text. */
static PetscBool IsNull(const yaml_event_t *event) {
  const char *text = (const char *)event->data.scalar.value;
  return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
         (!*text || !strcmp(text, "~") || !strcmp(text, "null") || !strcmp(text, "Null") || !strcmp(text, "NULL"));
}

static PetscErrorCode ReadScalar(Reader *reader, const yaml_event_t *event, const char *name, int line) {
  const char *text = (const char *)event->data.scalar.value;
  char where[PETSC_MAX_PATH_LEN + 32];
  PetscFunctionBeginUser;
  PetscCall(Where(reader, line, where, sizeof(where)));
  PetscCheck(!IsNull(event), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: has no value%s", name, where);
  PetscCheck(strlen(text) == event->data.scalar.length, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s: has a null character%s", name, where);
  {
    const OptionKey *key = DeckKeyFind(name);
    PetscCall(Set(reader, name, text, key && key->type != KEY_STRING && strchr(text, ','), where));
  }
  PetscCall(Once(reader, name, line));
  PetscFunctionReturn(0);
}

/* Items of a list become a comma list, as in PETSc. */
static PetscErrorCode ReadList(Reader *reader, const char *name, int line) {
  char value[PETSC_MAX_PATH_LEN] = "", where[PETSC_MAX_PATH_LEN + 32];
  PetscFunctionBeginUser;
  PetscCall(Where(reader, line, where, sizeof(where)));
  for (int items = 0;; items++) {
    yaml_event_t event;
    PetscBool scalar, whole, fits;
    int here;
    PetscCall(Next(reader, &event, &here));
    if (event.type == YAML_SEQUENCE_END_EVENT) {
      yaml_event_delete(&event);
      PetscCheck(items, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: is an empty list%s", name, where);
      break;
    }
    scalar = event.type == YAML_SCALAR_EVENT && !IsNull(&event) ? PETSC_TRUE : PETSC_FALSE;
    whole = scalar && strlen((const char *)event.data.scalar.value) == event.data.scalar.length;
    fits = scalar && strlen(value) + event.data.scalar.length + 2 < sizeof(value) ? PETSC_TRUE : PETSC_FALSE;
    if (fits && items) strcat(value, ",");
    if (fits) strcat(value, (const char *)event.data.scalar.value);
    yaml_event_delete(&event);
    PetscCheck(scalar, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: is a list of something else than values%s", name,
               where);
    PetscCheck(whole, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: has a null character%s", name, where);
    PetscCheck(fits, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: is too long a list%s", name, where);
  }
  PetscCall(Set(reader, name, value, PETSC_TRUE, where));
  PetscCall(Once(reader, name, line));
  PetscFunctionReturn(0);
}

/* Do keys begin with this name and '_'? */
static PetscBool IsSection(const char *name) {
  const OptionKey *key;
  const size_t n = strlen(name);
  for (PetscInt i = 0; (key = DeckKeyGetAny(i)); i++) {
    if (!strncmp(key->name, name, n) && key->name[n] == '_') return PETSC_TRUE;
  }
  return PETSC_FALSE;
}

/* The entries of a mapping whose own name is section ("" at the top). The length of names bounds the depth. */
static PetscErrorCode ReadMapping(Reader *reader, const char *section, int line) {
  yaml_event_t event;
  char name[MAX_NAME], where[PETSC_MAX_PATH_LEN + 32];
  PetscFunctionBeginUser;
  for (;;) {
    int here;
    size_t length;
    PetscBool sequence;
    PetscCall(Next(reader, &event, &here));
    if (event.type == YAML_MAPPING_END_EVENT) break;
    length = event.type == YAML_SCALAR_EVENT ? event.data.scalar.length : MAX_NAME;
    if (strlen(section) + 1 + length < MAX_NAME && strlen((char *)event.data.scalar.value) == length)
      PetscCall(
          PetscSNPrintf(name, sizeof(name), "%s%s%s", section, *section ? "_" : "", (char *)event.data.scalar.value));
    else
      length = MAX_NAME;
    yaml_event_delete(&event);
    PetscCheck(length < MAX_NAME, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s, line %d: is not a key%s%s", reader->path,
               here, *section ? " of " : "", section);
    PetscCall(Next(reader, &event, &here));
    if (event.type == YAML_SCALAR_EVENT) {
      PetscErrorCode code = ReadScalar(reader, &event, name, here);
      yaml_event_delete(&event);
      PetscCall(code);
      continue;
    }
    sequence = event.type == YAML_SEQUENCE_START_EVENT ? PETSC_TRUE : PETSC_FALSE;
    yaml_event_delete(&event);
    if (sequence)
      PetscCall(ReadList(reader, name, here));
    else
      PetscCall(ReadMapping(reader, name, here));
  }
  yaml_event_delete(&event);
  if (!*section) PetscFunctionReturn(0);
  PetscCall(Where(reader, line, where, sizeof(where)));
  PetscCheck(IsSection(section), PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT, "%s: is not a section of keys%s", section,
             where);
  PetscCall(Once(reader, section, line));
  PetscFunctionReturn(0);
}

/* A deck is one mapping, or empty. */
static PetscErrorCode ReadDocument(Reader *reader) {
  yaml_event_t event;
  yaml_event_type_t type;
  PetscBool nothing;
  int line;
  PetscFunctionBeginUser;
  PetscCall(Next(reader, &event, &line)); /* start of the stream */
  yaml_event_delete(&event);
  PetscCall(Next(reader, &event, &line)); /* start of the document, or end of the stream */
  type = event.type;
  yaml_event_delete(&event);
  if (type == YAML_STREAM_END_EVENT) PetscFunctionReturn(0);
  PetscCall(Next(reader, &event, &line));
  type = event.type;
  nothing = type == YAML_SCALAR_EVENT && IsNull(&event) ? PETSC_TRUE : PETSC_FALSE;
  yaml_event_delete(&event);
  PetscCheck(type == YAML_MAPPING_START_EVENT || nothing, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s, line %d: a deck is made of `key: value` lines", reader->path, line);
  if (!nothing) PetscCall(ReadMapping(reader, "", line));
  PetscCall(Next(reader, &event, &line)); /* end of the document */
  yaml_event_delete(&event);
  PetscCall(Next(reader, &event, &line));
  type = event.type;
  yaml_event_delete(&event);
  PetscCheck(type == YAML_STREAM_END_EVENT, PETSC_COMM_WORLD, PETSC_ERR_USER_INPUT,
             "%s, line %d: a deck is one YAML document", reader->path, line);
  PetscFunctionReturn(0);
}

PetscErrorCode DeckReadYaml(const char *path) {
  Reader *reader;
  PetscErrorCode code;
  char *text;
  int size;
  PetscFunctionBeginUser;
  PetscCall(PetscMalloc1(MAX_BYTES, &text));
  code = ReadText(path, text, &size);
  if (code) PetscCall(PetscFree(text));
  PetscCall(code);
  PetscCall(PetscNew(&reader));
  reader->path = path;
  reader->text = text;
  PetscCheck(yaml_parser_initialize(&reader->parser), PETSC_COMM_SELF, PETSC_ERR_MEM, "no memory to read %s", path);
  yaml_parser_set_input_string(&reader->parser, (unsigned char *)text, (size_t)size);
  code = ReadDocument(reader);
  yaml_parser_delete(&reader->parser);
  PetscCall(PetscFree(reader));
  PetscCall(PetscFree(text));
  PetscCall(code);
  PetscFunctionReturn(0);
}
