#!/usr/bin/env bash
# A whole experiment in one line: a sweep over seeds as a job
# array, then the merged results, then their picture.
#
#     jobs/chain.sh sweep.txt sweep simulate \
#         input/limit.yaml [-option value ...]
#
# Lines of sweep.txt are options; to be merged, tasks may
# differ in -ensemble_seed alone. Options for sbatch go into
# SBATCH_OPTIONS ("--ntasks 16 --time 2:00:00"). Prints the
# ids of the three jobs; each waits for the one before to
# succeed, and is cancelled when that fails. Then submit the
# same line again: tasks that are complete have nothing left
# to do.
set -euo pipefail
usage() { sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"; } # the comment above
case "${1:-}" in -h | --help) usage && exit 0 ;; esac
[ $# -ge 3 ] || { echo "chain: needs SWEEP.txt DIRECTORY STUDY (see jobs/chain.sh --help)" >&2 && exit 2; }
sweep=$1 directory=$2 study=$3
jobs=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CHORALE_JOBS=$jobs CHORALE_SOURCE=${CHORALE_SOURCE:-$(dirname "$jobs")}
{ [ -f "$sweep" ] && [ -s "$sweep" ]; } || { echo "chain: $sweep: no such file, or an empty one" >&2 && exit 2; }
# Lines that are not blank are tasks. Their files are merged, not what an older, longer sweep left in the directory.
mapfile -t tasks < <(LC_ALL=C sed '1s/^\xef\xbb\xbf//' "$sweep" | grep -n '[^[:space:]]' | cut -d: -f1)
[ ${#tasks[@]} -gt 0 ] || { echo "chain: $sweep: has blank lines only" >&2 && exit 2; }
files=()
for task in "${tasks[@]}"; do files+=("$directory/$(printf 'task_%04d' "$task").h5"); done
ranges=$(printf '%s\n' "${tasks[@]}" | awk 'NR > 1 && $1 == last + 1 { last = $1; next }
  NR > 1 { printf "%d-%d,", first, last } { first = last = $1 } END { printf "%d-%d", first, last }')
read -ra extra <<<"${SBATCH_OPTIONS:-}"

array=$(sbatch --parsable ${extra[@]+"${extra[@]}"} --array "$ranges" "$jobs/array.sbatch" "$@")
# after JOB NAME HOW SCRIPT [ARGUMENT...]: one more job, with the site's settings, runs a tool when JOB has succeeded. HOW stands
# before the script in the job, where the site's variables are known.
after() {
  local job=$1 name=$2 how=$3
  shift 3
  sbatch --parsable ${extra[@]+"${extra[@]}"} --ntasks 1 --job-name "$name" --output %x-%j.log --dependency "afterok:$job" \
    --kill-on-invalid-dep=yes <<SCRIPT
#!/bin/bash
source $(printf '%q' "$jobs/common.sh")
exec $how$(printf ' %q' "$@")
SCRIPT
}
# shellcheck disable=SC2016
merge=$(after "$array" merge 'env CHORALE="$CHORALE"' "$CHORALE_SOURCE/tools/merge" --overwrite "$directory/$study.h5" "${files[@]}")
# shellcheck disable=SC2016
plot=$(after "$merge" plot '"$CHORALE_PYTHON"' "$CHORALE_SOURCE/tools/plot" "$directory/$study.h5")
echo "sweep $array (${#tasks[@]} tasks), merge $merge, plot $plot"
