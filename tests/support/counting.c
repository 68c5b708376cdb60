/* Loaded before MPI and the C library (LD_PRELOAD), it counts what a rank asks of both, so that how a run scales is
 * tested without a clock. COUNTING is a path; at MPI_Finalize every rank writes PATH.RANK, lines of a word and numbers:
 *
 *     collectives N    collective calls, each of which all ranks of its communicator wait for
 *     messages N       others
 *     received BYTES   what arrives: of a reduction its result, of a gathering the parts of all ranks
 *     largest BYTES    of one call
 *     widest RANKS     the largest communicator of a collective call
 *     private BYTES    most memory of its own that the rank had, shared libraries and segments not counted
 *     opened N         files, for each that it opened under the working directory
 *     placed N         calls that wrote at a place of a file, as MPI does */
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <mpi.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct { long long collectives, messages, received, largest, widest, bytes, opened, placed; } count;

/* Pages of this process that no other shares; MPI's own segments are shared. */
static void LookAtMemory(void) {
  static int file = -1;
  long long size, resident, shared, mine;
  char text[128];
  ssize_t length;

  if (file < 0) file = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  length = pread(file, text, sizeof(text) - 1, 0);
  if (length <= 0) return;
  text[length] = '\0';
  if (sscanf(text, "%lld %lld %lld", &size, &resident, &shared) != 3) return;
  mine = (resident - shared) * sysconf(_SC_PAGESIZE);
  if (mine > count.bytes) count.bytes = mine;
}

static void Receive(long long n, MPI_Datatype type) {
  int size = 0;

  if (n <= 0) return; /* the type may be none */
  PMPI_Type_size(type, &size);
  count.received += n * size;
  if (n * size > count.largest) count.largest = n * size;
}

static int Size(MPI_Comm comm) {
  int size;

  PMPI_Comm_size(comm, &size);
  return size;
}

static int Is(MPI_Comm comm, int root) {
  int rank;

  PMPI_Comm_rank(comm, &rank);
  return rank == root;
}

static long long Sum(const int counts[], MPI_Comm comm) {
  const int size = Size(comm);
  long long sum = 0;

  for (int r = 0; r < size; r++) sum += counts[r];
  return sum;
}

static void Collect(MPI_Comm comm) {
  const int size = Size(comm);

  count.collectives++;
  if (size > count.widest) count.widest = size;
  LookAtMemory();
}

/* int MPI_NAME(PARAMETERS), which does what PMPI_NAME(ARGUMENTS) does and receives so many entries. */
#define COLLECTIVE(name, parameters, arguments, entries, type)                                                         \
  int MPI_##name parameters {                                                                                          \
    const int code = PMPI_##name arguments;                                                                            \
    Collect(comm);                                                                                                     \
    Receive(entries, type);                                                                                            \
    return code;                                                                                                       \
  }
#define REDUCTION(name)                                                                                                \
  COLLECTIVE(name, (const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm),                   \
             (from, to, n, type, op, comm), n, type)
REDUCTION(Allreduce)
REDUCTION(Scan)
REDUCTION(Exscan)
COLLECTIVE(Iallreduce,
           (const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, MPI_Comm comm, MPI_Request *request),
           (from, to, n, type, op, comm, request), n, type)
COLLECTIVE(Reduce, (const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm),
           (from, to, n, type, op, root, comm), Is(comm, root) ? n : 0, type)
COLLECTIVE(Ireduce,
           (const void *from, void *to, int n, MPI_Datatype type, MPI_Op op, int root, MPI_Comm comm,
            MPI_Request *request),
           (from, to, n, type, op, root, comm, request), Is(comm, root) ? n : 0, type)
COLLECTIVE(Bcast, (void *to, int n, MPI_Datatype type, int root, MPI_Comm comm), (to, n, type, root, comm),
           Is(comm, root) ? 0 : n, type)
COLLECTIVE(Ibcast, (void *to, int n, MPI_Datatype type, int root, MPI_Comm comm, MPI_Request *request),
           (to, n, type, root, comm, request), Is(comm, root) ? 0 : n, type)
#define OUT const void *from, int n, MPI_Datatype type
COLLECTIVE(Allgather, (OUT, void *to, int each, MPI_Datatype in, MPI_Comm comm), (from, n, type, to, each, in, comm),
           (long long)each *Size(comm), in)
COLLECTIVE(Allgatherv, (OUT, void *to, const int each[], const int at[], MPI_Datatype in, MPI_Comm comm),
           (from, n, type, to, each, at, in, comm), Sum(each, comm), in)
COLLECTIVE(Alltoall, (OUT, void *to, int each, MPI_Datatype in, MPI_Comm comm), (from, n, type, to, each, in, comm),
           (long long)each *Size(comm), in)
COLLECTIVE(Alltoallv,
           (const void *from, const int n[], const int starts[], MPI_Datatype type, void *to, const int each[],
            const int at[], MPI_Datatype in, MPI_Comm comm),
           (from, n, starts, type, to, each, at, in, comm), Sum(each, comm), in)
COLLECTIVE(Gather, (OUT, void *to, int each, MPI_Datatype in, int root, MPI_Comm comm),
           (from, n, type, to, each, in, root, comm), Is(comm, root) ? (long long)each *Size(comm) : 0, in)
COLLECTIVE(Gatherv, (OUT, void *to, const int each[], const int at[], MPI_Datatype in, int root, MPI_Comm comm),
           (from, n, type, to, each, at, in, root, comm), Is(comm, root) ? Sum(each, comm) : 0, in)

int MPI_Recv(void *to, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Status *status) {
  MPI_Status own, *seen = status == MPI_STATUS_IGNORE ? &own : status;
  const int code = PMPI_Recv(to, n, type, source, tag, comm, seen);
  int got = 0;

  PMPI_Get_count(seen, type, &got);
  count.messages++;
  Receive(got, type);
  return code;
}

int MPI_Sendrecv(const void *from, int n, MPI_Datatype type, int target, int out, void *to, int most, MPI_Datatype in,
                 int source, int tag, MPI_Comm comm, MPI_Status *status) {
  count.messages++;
  Receive(most, in);
  return PMPI_Sendrecv(from, n, type, target, out, to, most, in, source, tag, comm, status);
}

/* Messages to come of which it is known before, as PETSc's vectors exchange them. */
static struct {
  MPI_Request request;
  long long n;
  MPI_Datatype type;
} expected[256];
static int expecting;

int MPI_Recv_init(void *to, int n, MPI_Datatype type, int source, int tag, MPI_Comm comm, MPI_Request *request) {
  const int code = PMPI_Recv_init(to, n, type, source, tag, comm, request);

  if (expecting == (int)(sizeof(expected) / sizeof(*expected))) abort();
  expected[expecting].request = *request;
  expected[expecting].n = n;
  expected[expecting++].type = type;
  return code;
}

int MPI_Startall(int n, MPI_Request requests[]) {
  for (int i = 0; i < n; i++)
    for (int k = 0; k < expecting; k++) {
      if (expected[k].request != requests[i]) continue;
      count.messages++;
      Receive(expected[k].n, expected[k].type);
    }
  return PMPI_Startall(n, requests);
}

int MPI_Request_free(MPI_Request *request) {
  for (int k = 0; k < expecting; k++)
    if (expected[k].request == *request) expected[k] = expected[--expecting];
  return PMPI_Request_free(request);
}

/* Files of the run: others are those of libraries. */
static void Opened(const char *path) {
  char folder[PATH_MAX];

  if (path[0] == '/' && (!getcwd(folder, sizeof(folder)) || strncmp(path, folder, strlen(folder)) != 0)) return;
  count.opened++;
}

typedef int (*Open)(const char *path, int flags, ...);

/* ISO C has no pointer to a function among those that dlsym returns. */
#define REAL(type, name)                                                                                               \
  void *const found = dlsym(RTLD_NEXT, name);                                                                          \
  type real;                                                                                                           \
                                                                                                                       \
  memcpy(&real, &found, sizeof(real))

#define OPEN(name)                                                                                                     \
  int name(const char *path, int flags, ...) {                                                                         \
    va_list more;                                                                                                      \
    mode_t mode = 0;                                                                                                   \
                                                                                                                       \
    va_start(more, flags);                                                                                             \
    if (flags & O_CREAT) mode = va_arg(more, mode_t);                                                                  \
    va_end(more);                                                                                                      \
    Opened(path);                                                                                                      \
    REAL(Open, #name);                                                                                                 \
    return real(path, flags, mode);                                                                                    \
  }
OPEN(open)
OPEN(open64)

typedef ssize_t (*Place)(int file, const void *from, size_t bytes, off_t at);

#define PLACE(name)                                                                                                    \
  ssize_t name(int file, const void *from, size_t bytes, off_t at) {                                                   \
    REAL(Place, #name);                                                                                                \
    count.placed++;                                                                                                    \
    return real(file, from, bytes, at);                                                                                \
  }
PLACE(pwrite)
PLACE(pwrite64)

int MPI_Finalize(void) {
  const char *path = getenv("COUNTING");
  char name[PATH_MAX];
  FILE *file;
  int rank;

  PMPI_Comm_rank(MPI_COMM_WORLD, &rank);
  LookAtMemory();
  snprintf(name, sizeof(name), "%s.%d", path ? path : "counting", rank);
  file = fopen(name, "w");
  if (!file) return PMPI_Finalize();
  fprintf(file,
          "collectives %lld\nmessages %lld\nreceived %lld\nlargest %lld\nwidest %lld\nprivate %lld\nopened %lld\n"
          "placed %lld\n",
          count.collectives, count.messages, count.received, count.largest, count.widest, count.bytes, count.opened,
          count.placed);
  fclose(file);
  return PMPI_Finalize();
}
