#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The recorded runs of the kernel's own selftest replay without a difference. What a replay can't
# verify is known line by line: tests/data/unverifiable.txt, less than one call in a hundred.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
# Far below the default: sanitizers take a second to clear what they know of 16 GiB.
limit=--memory-limit=512

status=0
"$HWQ" replay $limit --quiet --list-unverifiable traces/captures/iommufd >"$scratch/out" || status=$?
tail -n 1 "$scratch/out"
if [ "$status" -ne 0 ]; then
	head -n 50 "$scratch/out"
	echo "exit code $status, expected 0" >&2
	exit 1
fi

pattern='^([0-9]+) calls: ([0-9]+) equal, 0 differ, ([0-9]+) unverifiable$'
if ! [[ $(tail -n 1 "$scratch/out") =~ $pattern ]]; then
	echo 'the last line is not "N calls: N equal, 0 differ, N unverifiable"' >&2
	exit 1
fi
calls=${BASH_REMATCH[1]}
equal=${BASH_REMATCH[2]}
unverifiable=${BASH_REMATCH[3]}
if [ "$calls" -eq 0 ] || [ "$calls" -ne $((equal + unverifiable)) ]; then
	echo "$calls calls are not $equal equal and $unverifiable unverifiable ones" >&2
	exit 1
fi
if [ $((unverifiable * 100)) -ge "$calls" ]; then
	echo "$unverifiable of $calls calls are unverifiable, expected less than 1 %" >&2
	exit 1
fi

grep ': unverifiable: ' "$scratch/out" >"$scratch/list" || true
grep -v '^#' tests/data/unverifiable.txt >"$scratch/expected" || true
if ! diff "$scratch/expected" "$scratch/list" >"$scratch/diff"; then
	head -n 50 "$scratch/diff"
	echo 'the list differs from tests/data/unverifiable.txt, which says how to make it' >&2
	exit 1
fi
