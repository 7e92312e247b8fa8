#!/usr/bin/env bash
# labels: exec
# SPDX-License-Identifier: Apache-2.0
# The blocks of docs/exec.md that run examples/small_vmm.c show what comes out, but for numbers of processes.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
mkdir bin
ln -s "$HWQ" bin/hwq
PATH=$scratch/bin:$PATH
cc -O1 -o small_vmm "$HWQ_SOURCE_DIR/examples/small_vmm.c"

# Block N's `$ hwq` line, or what stands below it.
block() # N command|output
{
	awk -v n="$1" -v what="$2" '
		/^```/ { inside = 0 }
		/^\$ hwq exec .*small_vmm$/ { inside = ++count == n; if (inside && what == "command") print substr($0, 3); next }
		inside && what == "output"' "$HWQ_SOURCE_DIR/docs/exec.md"
}

plain()
{
	sed -E 's/(process|thread) [0-9]+,/\1 N,/g; s/ at [0-9.]+ ns$/ at T ns/'
}

for n in 1 2; do
	# Two streams: their order is that of a terminal where each line is written at once.
	bash -c "$(block $n command)" >out 2>&1
	if ! diff <(block $n output | plain | sort) <(plain <out | sort); then
		echo "FAILED: block $n of docs/exec.md"
		exit 1
	fi
done
echo "2 blocks are as shown"
