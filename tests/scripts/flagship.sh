#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `hwq run traces/flagship` prints tests/data/flagship.txt, byte for byte: on every run, whatever the
# terminal may be, and when each step is saved, done, undone and done again (--check-steps).
# To make that file anew: hwq run traces/flagship >tests/data/flagship.txt, and read the difference.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
golden=tests/data/flagship.txt

fail()
{
	echo "FAILED: $*" >&2
	exit 1
}

compare() # NAME COMMAND...: as expected, nothing on stderr, the golden output
{
	local name=$1 status=0
	shift
	"$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
	if ! cmp -s "$golden" "$scratch/out"; then
		diff -u --label "$golden" --label "$name" "$golden" "$scratch/out" | head -n 60 >&2
		fail "$name: another output than $golden"
	fi
	if [ -s "$scratch/err" ]; then
		cat "$scratch/err" >&2
		fail "$name: something on stderr"
	fi
	[ "$status" -eq 0 ] || fail "$name: exit code $status, expected 0"
}

compare 'hwq run' "$HWQ" run traces/flagship
compare 'hwq run, again' env NO_COLOR=1 TERM=dumb LC_ALL=C "$HWQ" run traces/flagship
"$HWQ" run --help | grep -q -e --check-steps ||
	fail 'hwq run has no --check-steps: that a saved machine goes on alike can not be shown'
compare 'hwq run --check-steps' "$HWQ" run --check-steps traces/flagship

# The table alone is the end of the same output.
lines=$(sed -n '/^case /,$p' "$golden" | tee "$scratch/table" | wc -l)
[ "$lines" -gt 2 ] || fail "$golden has no table"
"$HWQ" run --table traces/flagship >"$scratch/out"
cmp -s "$scratch/table" "$scratch/out" || fail '--table prints another table'
tail -n 1 "$golden"
