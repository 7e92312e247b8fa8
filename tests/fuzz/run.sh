#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM CORPUS: fuzzes for HWQ_FUZZ_SECONDS (default 10). New inputs go to a scratch copy
# of the corpus; an input that fails stays beside PROGRAM, in fuzz-failures/.
set -euo pipefail

program=$1
corpus=$2
failures=$(dirname "$program")/fuzz-failures
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

[ -d "$corpus" ] || { echo "$corpus: no such folder; a fuzz target needs a corpus" >&2; exit 1; }
cp "$corpus"/* "$scratch"/
mkdir -p "$failures"
"$program" -max_total_time="${HWQ_FUZZ_SECONDS:-10}" -rss_limit_mb=2048 -timeout=10 \
	-print_final_stats=1 -artifact_prefix="$failures/$(basename "$program")-" "$scratch"
