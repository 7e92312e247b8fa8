#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# coverage.sh FOLDER FLOOR [FOLDER FLOOR]...: runs the tests with coverage counters (preset coverage), then prints
# what share of each source's lines they ran. Exit 1 when a folder is below its floor (percent), or when
# the tests never reach a line that refuses a call: one with refuse(, return -E or = -E.
set -euo pipefail

[ $# -ge 2 ] && [ $(($# % 2)) -eq 0 ] || { echo "usage: coverage.sh FOLDER FLOOR..." >&2; exit 2; }
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
cmake --preset coverage >/dev/null
cmake --build --preset coverage >/dev/null
find build/coverage -name '*.gcda' -delete
HWQ_LIMIT=60 ctest --preset coverage -LE 'mutants|exec' -j "$(nproc)" --output-on-failure >build/coverage/tests.log ||
	{ cat build/coverage/tests.log; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
while [ $# -gt 0 ]; do
	folder=${1%/} floor=$2
	shift 2
	rm -rf "${scratch:?}"/*
	(cd "$scratch" && find "$root/build/coverage/CMakeFiles/libhwq.dir/$folder" -name '*.gcno' -print0 |
		xargs -0 gcov --preserve-paths >/dev/null 2>&1)
	echo "== $folder"
	# gcov's columns: count, line, text. "#####": never run; "-": no code.
	for file in "$scratch"/*"${folder//\//#}"*.c.gcov; do
		awk -F: -v name="$(basename "$file" .gcov | sed 's/.*#\('"${folder%%/*}"'#\)/\1/; s/#/\//g')" '
			{ count = $1; gsub(/[ *]/, "", count) }
			count == "-" || $2 + 0 == 0 { next }
			{ lines++ }
			count == "#####" || count == "=====" {
				missed++
				text = $0
				sub(/^[^:]*:[^:]*:/, "", text)
				if (text ~ /refuse\(|return -E|= -E[A-Z]/)
					printf "%s:%d: never refused: %s\n", name, $2, text
			}
			END { printf "%s %d %d\n", name, lines - missed, lines }' "$file"
	done >"$scratch/lines"
	awk 'NF == 3 && $2 ~ /^[0-9]+$/ { printf "%6.1f %%  %s\n", 100 * $2 / $3, $1 }' "$scratch/lines" | sort -n
	if grep 'never refused' "$scratch/lines"; then
		failed=1
	fi
	awk -v floor="$floor" -v folder="$folder" '
		NF == 3 && $2 ~ /^[0-9]+$/ { run += $2; all += $3 }
		END {
			if (all == 0)
				exit 1
			printf "%s: %.1f %% of %d lines, at least %s %%\n", folder, 100 * run / all, all, floor
			exit 100 * run / all < floor
		}' "$scratch/lines" || failed=1
done
exit "$failed"
