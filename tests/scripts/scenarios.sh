#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each shipped scenario runs as its lines say, also when each step is saved, done, undone and done
# again, and with another seed where nothing in it is chosen at random.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
mapfile -t files < <(find traces -name '*.hwq' | LC_ALL=C sort)
[ "${#files[@]}" -ge 18 ] || { echo "FAILED: only ${#files[@]} scenarios" >&2; exit 1; }

run() # OUT OPTION...
{
	local out=$1 status=0
	shift
	"$HWQ" run "$@" "${files[@]}" >"$scratch/$out" 2>"$scratch/err" || status=$?
	if [ "$status" -ne 0 ] || [ -s "$scratch/err" ]; then
		tail -n 40 "$scratch/$out" "$scratch/err" >&2
		echo "FAILED: hwq run $*: exit code $status" >&2
		exit 1
	fi
}

run plain
run steps --check-steps
cmp "$scratch/plain" "$scratch/steps"
run seeded --seed 7
cmp "$scratch/plain" "$scratch/seeded"
tail -n 1 "$scratch/plain"
