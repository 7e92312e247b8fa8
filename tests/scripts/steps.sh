#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A replay is a function of its input: two runs print the same bytes, and so does one that saves,
# undoes and repeats each step (--check-steps).
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
# Far below the default: sanitizers take a second to clear what they know of 16 GiB.
limit=--memory-limit=512

# Output for FILE, its exit code last.
replay() # FILE ARG...
{
	local status=0
	"$HWQ" replay $limit --list-unverifiable "$@" 2>&1 || status=$?
	echo "exit code $status"
}

compare() # FILE WHAT
{
	if ! cmp -s "$scratch/first" "$scratch/second"; then
		diff "$scratch/first" "$scratch/second" | head -n 20
		echo "$1: $2 differ" >&2
		exit 1
	fi
}

count=0
while IFS= read -r file; do
	replay "$file" >"$scratch/first"
	replay "$file" >"$scratch/second"
	compare "$file" 'two runs'
	replay "$file" --check-steps >"$scratch/second"
	compare "$file" 'a run and one with --check-steps'
	count=$((count + 1))
done < <(find traces/captures -name '*.trace' -o -name '*.trace.zst' | LC_ALL=C sort)
echo "$count files print the same bytes again, and step by step"
[ "$count" -gt 0 ]
