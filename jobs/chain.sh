#!/usr/bin/env bash
# A whole experiment in one line: a sweep over seeds as a job array, then the merged results, then their picture.
#
#     jobs/chain.sh sweep.txt sweep simulate input/limit.yaml [-option value ...]
#
# Lines of sweep.txt are options; to be merged, tasks may differ in -ensemble_seed alone. Options for sbatch go into
# SBATCH_OPTIONS ("--ntasks 16 --time 2:00:00"). Prints the ids of the three jobs; each waits for the one before to succeed.
set -euo pipefail
usage() { sed -n '2,6s/^# \{0,1\}//p' "$0"; }
case "${1:-}" in -h | --help) usage && exit 0 ;; esac
[ $# -ge 3 ] || { echo "chain: needs SWEEP.txt DIRECTORY STUDY (see jobs/chain.sh --help)" >&2 && exit 2; }
sweep=$1 directory=$2 study=$3
jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CHORALE_JOBS=$jobs CHORALE_SOURCE=${CHORALE_SOURCE:-$(dirname "$jobs")}
[ -s "$sweep" ] || { echo "chain: $sweep: no such file, or an empty one" >&2 && exit 2; }
lines=$(grep -c '' "$sweep")
read -ra extra <<<"${SBATCH_OPTIONS:-}"

array=$(sbatch --parsable "${extra[@]}" --array "1-$lines" "$jobs/array.sbatch" "$@")
# after JOB NAME COMMAND: one more job, with the site's settings, when JOB has succeeded. Slurm runs it with sh.
after() {
  sbatch --parsable "${extra[@]}" --ntasks 1 --job-name "$2" --output %x-%j.log --dependency "afterok:$1" \
    --wrap "exec bash -c 'source \"$jobs/common.sh\" && $3'"
}
merge=$(after "$array" merge "\"\$CHORALE_PYTHON\" \"$CHORALE_SOURCE/tools/merge\" --overwrite \"$directory/$study.h5\" \"$directory\"/task_*.h5")
plot=$(after "$merge" plot "\"\$CHORALE_PYTHON\" \"$CHORALE_SOURCE/tools/plot\" \"$directory/$study.h5\"")
echo "sweep $array ($lines tasks), merge $merge, plot $plot"
