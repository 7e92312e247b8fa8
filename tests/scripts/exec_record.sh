#!/usr/bin/env bash
# labels: exec
# SPDX-License-Identifier: Apache-2.0
# What hwq exec records of each program of tests/clients replays without a difference, but for what
# the language has no word for: that is named here, and said each time.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
declare -A wordless=(
	[exec_memory]="exec()"
	[many_contexts]="RLIMIT_NOFILE"
	[mmap_threads]="munmap() of one of several mappings of a driver's page, which is seen late"
)
failed=0
for program in "$HWQ_BUILD_DIR"/clients/*; do
	name=$(basename "$program")
	case $name in
	*.static | limit_*) continue ;; # the same calls; what can't be kept
	esac
	status=0
	timeout --kill-after=5 100 "$HWQ" exec --trace "$scratch/$name.trace" -- "$program" \
		>"$scratch/out" 2>&1 </dev/null || status=$?
	if [ "$status" -ne 0 ] && [ "$status" -ne 77 ]; then
		echo "FAIL $name: exit status $status"
		cat "$scratch/out"
		failed=$((failed + 1))
		continue
	fi
	if ! "$HWQ" replay "$scratch/$name.trace" >"$scratch/out" 2>&1; then
		if [ -n "${wordless[$name]:-}" ]; then
			echo "$name: differs, as there is no word for ${wordless[$name]}"
			continue
		fi
		echo "FAIL $name: its recording differs"
		head -40 "$scratch/out"
		failed=$((failed + 1))
		continue
	fi
	echo "$name: $(tail -1 "$scratch/out")"
done
[ "$failed" -eq 0 ]
