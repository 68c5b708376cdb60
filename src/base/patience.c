/* How long a rank has waited. Every call of MPI that may wait for others is defined here and calls the one of MPI: so
 * its library, PETSc and HDF5 are seen too. That is what the profiling interface of MPI is for; a profiler that was
 * loaded before MPI is called in its place. */
#include "base/patience.h"

#include <dlfcn.h>
#include <math.h>
#include <mpi.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define WITHIN    900.0  /* seconds that ranks of a group wait for each other at least, */
#define STEPS     5.0    /* and steps */
#define ACROSS    3600.0 /* groups */
#define FAR_STEPS 20.0
#define GRACE     2   /* seconds: rank 0 speaks first, and the launcher ends the others */
#define MOST      1e9 /* seconds */

static _Atomic(const char *) waits;                                 /* what for; NULL while the rank works */
static atomic_uint ticks;                                           /* ends of waits, and signs of others */
static atomic_int across, within_limit = (int)WITHIN, across_limit; /* seconds, 0 for ever */
static double given = -1, step, spread = 1;
static int world_rank;

static int Seconds(double seconds) {
  return (int)ceil(seconds < MOST ? seconds : MOST);
}

static void SetLimits(void) {
  const double within = step * STEPS > WITHIN ? step * STEPS : WITHIN, far = step * spread * FAR_STEPS;

  within_limit = Seconds(given < 0 ? within : given);
  across_limit = Seconds(given >= 0 ? given : step <= 0 ? 0 : far > ACROSS ? far : ACROSS);
}

void PatienceSet(double seconds) {
  given = seconds;
  SetLimits();
}

void PatienceLearn(double seconds) {
  if (seconds <= step) return;
  step = seconds;
  SetLimits();
}

void PatienceSpread(double factor) {
  spread = factor;
  SetLimits();
}

/* Only this thread's own stack, write and the end: what MPI holds may never be given back. */
static void End(const char *what, int seconds) {
  struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
  char host[128] = "", text[512];
  int length;

  if (world_rank) (void)sleep(GRACE);
  (void)gethostname(host, sizeof(host) - 1);
  length =
      snprintf(text, sizeof(text),
               "chorale: error: rank %d on %s has waited %d s for other ranks in %s: some are gone or stand still; "
               "ends, see checkpoint_patience\n",
               world_rank, host, seconds, what);
  if (poll(&out, 1, 1000) > 0) (void)!write(STDERR_FILENO, text, (size_t)length);
  _exit(PATIENCE_EXIT);
}

/* Counts its own looks, not the time: a job that is suspended does not wait. */
static void *Watch(void *unused) {
  const struct timespec second = {.tv_sec = 1};
  unsigned seen = 0;
  int looks = 0;

  (void)unused;
  for (;;) {
    (void)nanosleep(&second, NULL);
    const char *what = waits;
    const unsigned now = ticks;
    const int limit = across ? across_limit : within_limit;
    looks = what && now == seen ? looks + 1 : 0;
    seen = now;
    if (limit && looks >= limit) End(what, looks);
  }
  return NULL;
}

/* Signals are for the thread that runs. */
void PatienceStart(void) {
  sigset_t all, before;
  pthread_t thread;
  int size;

  PMPI_Comm_rank(MPI_COMM_WORLD, &world_rank);
  PMPI_Comm_size(MPI_COMM_WORLD, &size);
  if (size == 1) return;
  (void)sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  if (!pthread_create(&thread, NULL, Watch, NULL)) (void)pthread_detach(thread);
  (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

const char *PatienceEnter(const char *what) {
  const char *outer = atomic_load_explicit(&waits, memory_order_relaxed);
  atomic_store_explicit(&waits, what, memory_order_relaxed);
  return outer;
}

void PatienceTick(void) {
  atomic_store_explicit(&ticks, atomic_load_explicit(&ticks, memory_order_relaxed) + 1, memory_order_relaxed);
}

void PatienceLeave(const char *outer) {
  PatienceTick();
  atomic_store_explicit(&waits, outer, memory_order_relaxed);
}

int PatienceAcross(int other_groups) {
  return atomic_exchange(&across, other_groups);
}

#define WAIT(name, parameters, arguments)                                                                              \
  int MPI_##name parameters {                                                                                          \
    static int(*next) parameters;                                                                                      \
    const char *outer = PatienceEnter("MPI_" #name);                                                                   \
    int code;                                                                                                          \
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "MPI_" #name);                                                       \
    if (!next) next = PMPI_##name;                                                                                     \
    code = next arguments;                                                                                             \
    PatienceLeave(outer);                                                                                              \
    return code;                                                                                                       \
  }

/* clang-format off */
#define BUFFERS const void *from, void *to, int n, MPI_Datatype type
WAIT(Allreduce, (BUFFERS, MPI_Op op, MPI_Comm comm), (from, to, n, type, op, comm))
WAIT(Scan, (BUFFERS, MPI_Op op, MPI_Comm comm), (from, to, n, type, op, comm))
WAIT(Exscan, (BUFFERS, MPI_Op op, MPI_Comm comm), (from, to, n, type, op, comm))
WAIT(Reduce, (BUFFERS, MPI_Op op, int root, MPI_Comm comm), (from, to, n, type, op, root, comm))
WAIT(Bcast, (void *data, int n, MPI_Datatype type, int root, MPI_Comm comm), (data, n, type, root, comm))
WAIT(Barrier, (MPI_Comm comm), (comm))
#define PARTS const void *from, int n, MPI_Datatype type, void *to
#define COUNTS const int counts[], const int places[], MPI_Datatype other
WAIT(Gather, (PARTS, int m, MPI_Datatype other, int root, MPI_Comm comm), (from, n, type, to, m, other, root, comm))
WAIT(Gatherv, (PARTS, COUNTS, int root, MPI_Comm comm), (from, n, type, to, counts, places, other, root, comm))
WAIT(Scatter, (PARTS, int m, MPI_Datatype other, int root, MPI_Comm comm), (from, n, type, to, m, other, root, comm))
WAIT(Allgather, (PARTS, int m, MPI_Datatype other, MPI_Comm comm), (from, n, type, to, m, other, comm))
WAIT(Allgatherv, (PARTS, COUNTS, MPI_Comm comm), (from, n, type, to, counts, places, other, comm))
WAIT(Alltoall, (PARTS, int m, MPI_Datatype other, MPI_Comm comm), (from, n, type, to, m, other, comm))
WAIT(Alltoallv, (const void *from, const int mine[], const int at[], MPI_Datatype type, void *to, COUNTS,
                MPI_Comm comm),
     (from, mine, at, type, to, counts, places, other, comm))
WAIT(Send, (const void *data, int n, MPI_Datatype type, int rank, int tag, MPI_Comm comm),
     (data, n, type, rank, tag, comm))
WAIT(Ssend, (const void *data, int n, MPI_Datatype type, int rank, int tag, MPI_Comm comm),
     (data, n, type, rank, tag, comm))
WAIT(Recv, (void *data, int n, MPI_Datatype type, int rank, int tag, MPI_Comm comm, MPI_Status *status),
     (data, n, type, rank, tag, comm, status))
WAIT(Sendrecv, (const void *from, int n, MPI_Datatype type, int there, int tag, void *to, int m,
                MPI_Datatype other, int here,
                int mark, MPI_Comm comm, MPI_Status *status),
     (from, n, type, there, tag, to, m, other, here, mark, comm, status))
WAIT(Probe, (int rank, int tag, MPI_Comm comm, MPI_Status *status), (rank, tag, comm, status))
WAIT(Wait, (MPI_Request *request, MPI_Status *status), (request, status))
WAIT(Waitall, (int n, MPI_Request requests[], MPI_Status statuses[]), (n, requests, statuses))
WAIT(Waitany, (int n, MPI_Request requests[], int *which, MPI_Status *status), (n, requests, which, status))
WAIT(Comm_dup, (MPI_Comm comm, MPI_Comm *made), (comm, made))
WAIT(Comm_split, (MPI_Comm comm, int color, int key, MPI_Comm *made), (comm, color, key, made))
WAIT(Comm_split_type, (MPI_Comm comm, int type, int key, MPI_Info info, MPI_Comm *made), (comm, type, key, info, made))
WAIT(Comm_create, (MPI_Comm comm, MPI_Group group, MPI_Comm *made), (comm, group, made))
WAIT(Comm_free, (MPI_Comm *comm), (comm))
WAIT(Finalize, (void), ())
#define PIECE void *data, int n, MPI_Datatype type, MPI_Status *status
WAIT(File_open, (MPI_Comm comm, const char *path, int mode, MPI_Info info, MPI_File *file),
     (comm, path, mode, info, file))
WAIT(File_close, (MPI_File *file), (file))
WAIT(File_set_size, (MPI_File file, MPI_Offset size), (file, size))
WAIT(File_sync, (MPI_File file), (file))
WAIT(File_set_view, (MPI_File file, MPI_Offset at, MPI_Datatype unit, MPI_Datatype type, const char *form,
                MPI_Info info),
     (file, at, unit, type, form, info))
WAIT(File_read_at, (MPI_File file, MPI_Offset at, PIECE), (file, at, data, n, type, status))
WAIT(File_read_at_all, (MPI_File file, MPI_Offset at, PIECE), (file, at, data, n, type, status))
WAIT(File_write_at, (MPI_File file, MPI_Offset at, const PIECE), (file, at, data, n, type, status))
WAIT(File_write_at_all, (MPI_File file, MPI_Offset at, const PIECE), (file, at, data, n, type, status))
