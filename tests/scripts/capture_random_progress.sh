#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How far the shim follows the real kernel through random calls: for each seed, the calls before
# the first difference. All of them, of all seeds.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
# Far below the default: sanitizers take a second to clear what they know of 16 GiB.
limit=--memory-limit=512

expected=40
files=0
without=0
for file in traces/captures/random/*.trace.zst; do
	status=0
	"$HWQ" replay $limit "$file" >"$scratch/out" || status=$?
	if [ "$status" -gt 1 ]; then
		echo "$file: exit code $status, expected 0 or 1" >&2
		exit 1
	fi
	total=$(sed -n '$s/ calls: .*//p' "$scratch/out")
	# A difference is shown as FILE:LINE: CALL; the calls of the lines before it are those before.
	line=$(sed -n "s|^$file:\([0-9]*\): .*|\1|p" "$scratch/out" | sort -n | head -n 1)
	if [ -z "$line" ]; then
		done=$total
		without=$((without + 1))
	else
		zstd -dcq "$file" >"$scratch/text"
		done=$(head -n $((line - 1)) "$scratch/text" | grep -c '^\[' || true)
	fi
	files=$((files + 1))
	name=$(basename "$file" .trace.zst)
	echo "$name: $done of $total calls before the first difference"
done
echo "$without of $files without a difference"
[ "$files" -eq "$expected" ] && [ "$without" -eq "$expected" ]
