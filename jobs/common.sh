# shellcheck shell=bash
# Sourced by every job script: what differs from site to site, and how a run goes on until it is done.

# --- Your site: edit here -----------------------------------------------------------------------------------------------
# Modules that chorale was built with. Example: site_modules() { module load openmpi petsc hdf5; }
site_modules() { :; }
# The executable, the sources (for tools/) and the launcher. Open MPI under Slurm wants pmix; `mpirun` works too.
: "${CHORALE:=chorale}"
: "${CHORALE_SOURCE:=${SLURM_SUBMIT_DIR:-$PWD}}"
# --wait: when one rank is killed, the others wait for it for ever; srun ends them after so many seconds. (Not --kill-on-bad-exit: every
# rank of a run that stops at a checkpoint ends with exit code 85, and the first to do so must not get the others killed.)
: "${CHORALE_LAUNCH:=srun --mpi=pmix --wait=60}"
# Python with h5py and matplotlib, for pictures and tables.
: "${CHORALE_PYTHON:=/usr/bin/python3}"
# Files on Lustre or GPFS. Trajectories are written by all ranks of a group together, in chunks of whole token blocks (up to 4 MiB), so
# stripe the directory of the results before the first job; checkpoints and results files are small beside them. Lustre:
#   lfs setstripe --stripe-count -1 --stripe-size 4M RESULTS      (a count of 4 to 8 for trajectories below 100 GB)
# GPFS stripes by itself; its block size (mmlsfs FS -B) should be no more than a few chunks. Metadata is written by HDF5 through one rank
# at a time, and flushed once a second at most. MPI-IO takes its hints from the environment, so uncomment what fits:
#   export OMPI_MCA_io=ompio                                      # Open MPI on Lustre, GPFS: its own MPI-IO, or romio321
#   export OMPI_MCA_io_ompio_num_aggregators=8                    # OMPIO: ranks that write; the stripe count is a good number
#   export ROMIO_HINTS=$HOME/romio-hints                          # ROMIO (MPICH, Intel MPI): a file with lines such as
#     romio_cb_write enable
#     cb_nodes 8
#     striping_factor 8
#     striping_unit 4194304
#   export HDF5_USE_FILE_LOCKING=FALSE                            # file systems without locks (HDF5 1.10.7 and later)
# A job that is requeued more often than this makes no progress: it fails.
: "${CHORALE_RESTARTS:=1000}"
# So often in a row a job goes back into the queue because its nodes fail it: ranks were lost, or chorale did not come to run.
: "${CHORALE_RETRIES:=5}"
# Account, partition and the like belong on the command line (sbatch --account=... --partition=...) or into the environment
# (SBATCH_ACCOUNT, SBATCH_PARTITION), which all scripts here inherit.
# ------------------------------------------------------------------------------------------------------------------------

export OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 # ranks, not threads, do the work
site_modules

complain() {
  echo "$(basename "$0"): $*" >&2
  exit 2
}

# This job, or this task of an array: the plain number of an array's last task stands for the whole array.
job_id() {
  if [ -n "${SLURM_ARRAY_JOB_ID:-}" ]; then
    echo "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
  else
    echo "$SLURM_JOB_ID"
  fi
}

# Seconds that Slurm leaves this job, empty when there is no limit.
seconds_left() {
  local left days=0 parts
  left=$(squeue --noheader --jobs "$(job_id)" --format %L 2>/dev/null) || return 0
  left=${left//[[:space:]]/}
  [[ $left =~ ^([0-9]+-)?[0-9]+(:[0-9]+)*$ ]] || return 0 # UNLIMITED, NOT_SET, INVALID
  if [[ $left == *-* ]]; then
    days=${left%%-*}
    left=${left#*-}
  fi
  IFS=: read -ra parts <<<"$left"
  local seconds=0 part
  for part in "${parts[@]}"; do seconds=$((60 * seconds + 10#$part)); done
  echo $((86400 * days + seconds))
}

# requeue: this job, or task of an array, goes back into the queue, unless it has been there too often.
requeue() {
  if [ "${SLURM_RESTART_COUNT:-0}" -ge "$CHORALE_RESTARTS" ]; then
    echo "stopped for the ${SLURM_RESTART_COUNT}th time: not requeued" >&2
    return 85
  fi
  echo "stopped: back into the queue"
  trap - USR1 TERM
  scontrol requeue "$(job_id)" || return
  sleep infinity # until Slurm ends this script
}

# retry WHY: the nodes failed this job, which goes back into the queue, unless they have done so too often in a row. How often is kept
# in the file $tries until a run ends in another way.
retry() {
  local count
  count=$(cat "$tries" 2>/dev/null || echo 0)
  if [ "$count" -ge "$CHORALE_RETRIES" ]; then
    rm -f "$tries"
    echo "$1 for the $((count + 1))th time in a row: not requeued" >&2
    return 75
  fi
  echo $((count + 1)) >"$tries"
  echo "$1"
  requeue
}

# said_since BYTE PATTERN: whether the job's log, where it is a file, has such a line after so many bytes.
said_since() {
  [ -f "/proc/$$/fd/2" ] && tail -c "+$(($1 + 1))" "/proc/$$/fd/2" | grep -E "$2" >/dev/null
}

# launch_study WORDS...: chorale, whose exit code becomes $code, or none where it did not come to run, whatever srun says: then it would
# have made the file $CHORALE_BEGUN. It is launched again at once: what a run left on a node that failed, a folder of PMIx for one, keeps
# a later one from starting there, but only once.
launch_study() {
  local from try
  CHORALE_BEGUN=.chorale-begun-$(job_id)
  export CHORALE_BEGUN
  for try in 1 2 3; do
    rm -f "$CHORALE_BEGUN"
    from=$(stat -Lc %s "/proc/$$/fd/2" 2>/dev/null || echo 0)
    # $CHORALE_LAUNCH is a command with options.
    # shellcheck disable=SC2086
    launch $CHORALE_LAUNCH "$CHORALE" "$@" && code=0 || code=$?
    case $code in 2 | 85 | 126 | 127) break ;; esac # there is no such program, or time is over
    [ ! -e "$CHORALE_BEGUN" ] || break
    echo "launch $try: chorale did not come to run (exit code $code)" >&2
    code=none
  done
  # Ranks that were lost are told by what was said of them, whatever the launcher's exit code is: srun's is that of ranks it killed
  # meanwhile, and mpirun's of Open MPI 5 is 0. Where Open MPI 5 itself meets a connection that broke, over TCP, it ends the run with
  # code 14, its unknown error, and not a word comes through srun.
  case $code in
    none | 2 | 85) ;;
    14)
      echo "Open MPI ended the run with code 14: a connection broke" >&2
      code=75
      ;;
    *) ! said_since "$from" 'see checkpoint_patience$|^PRTE has lost communication with a remote daemon' || code=75 ;;
  esac
  rm -f "$CHORALE_BEGUN"
}

# launch COMMAND...: runs it, hands on to it the signals that this script gets, and returns its exit code. A signal is repeated every
# second until the command has ended, since srun hands on none while it starts. After one, $signalled is set and launch begins nothing
# more: it returns 85.
signalled='' launched=''
launch() {
  local code
  [ -z "$signalled" ] || return 85
  # The traps stand before there is a process to signal, and stay: a signal between two launches must not end this script.
  trap 'signalled=1; [ -z "$launched" ] || kill -USR1 "$launched" 2>/dev/null' USR1 TERM
  "$@" &
  launched=$!
  [ -z "$signalled" ] || kill -USR1 "$launched" 2>/dev/null
  wait "$launched" || true
  while kill -0 "$launched" 2>/dev/null; do # a signal ended `wait` early
    sleep 1
    kill -USR1 "$launched" 2>/dev/null || true
  done
  wait "$launched" && code=0 || code=$?
  launched=''
  # Ended by the signal itself: chorale had not begun, so there is nothing to keep, and it may begin the next time.
  [ -z "$signalled" ] || [ "$code" -ne $((128 + 10)) ] || code=85
  return "$code"
}

# run_to_the_end STUDY [DECK...] [-option value...]: runs the study in this job's allocation. It goes on from its checkpoint
# if it has one, does nothing if its results are complete, and when time runs short (or a signal comes) writes a
# checkpoint, after which the job puts itself back into the queue. So a job may be submitted again at any time. The studies
# kernel and analyze have no checkpoints: they run once, and their results must not be there already.
run_to_the_end() {
  local left keys=() decks=() study=$1 code tries
  shift
  while [ $# -gt 0 ] && [[ $1 != -* ]]; do decks+=("$1") && shift; done
  case $study in
    kernel | analyze) ;;
    *)
      keys=(-checkpoint_resume)
      left=$(seconds_left)
      # The limit is the job's, and what chorale counts begins when it has started. So it is to stop before Slurm's signal, which comes a
      # minute before the limit; should it have started so late that the signal is first, it stops at that.
      [ -z "$left" ] || keys+=(-checkpoint_walltime $((left > 140 ? left - 70 : (left + 1) / 2)))
      ;;
  esac
  tries=.chorale-tries-$(job_id)
  # Decks stand before all options; yours come last and win. (bash before 4.4 takes an empty array for an unset one, hence the +.)
  launch_study "$study" ${decks[@]+"${decks[@]}"} ${keys[@]+"${keys[@]}"} "$@"
  case $code in
    75) retry "ranks were lost" ;;
    none) retry "chorale did not come to run" ;;
    85) rm -f "$tries" && requeue ;;
    *) rm -f "$tries" && return "$code" ;;
  esac
}
