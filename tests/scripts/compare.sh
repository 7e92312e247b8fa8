#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `hwq run --compare A,B` runs each scenario on each profile, and sets the outcomes side by side; what
# a scenario expects may be of one profile.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"

fail()
{
	echo "FAILED: $*" >&2
	cat "$scratch/out" "$scratch/err" >&2
	exit 1
}

run() # STATUS OPTION...
{
	local expected=$1 status=0
	shift
	"$HWQ" run "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
	[ "$status" -eq "$expected" ] || fail "hwq run $*: exit code $status, expected $expected"
}

says() # TEXT
{
	grep -qF -- "$1" "$scratch/out" "$scratch/err" || fail "nothing says '$1'"
}

files=(traces/compare/*.hwq)
run 0 --compare grace,amd-viommu traces/compare
[ "$(tail -n 1 "$scratch/out")" = "$((2 * ${#files[@]})) scenarios: $((2 * ${#files[@]})) as expected, 0 not" ] ||
	fail 'another last line'
[ "$(grep -cE '^ +grace +amd-viommu$' "$scratch/out")" -eq "${#files[@]}" ] ||
	fail 'not one pair of columns a scenario'

# The order is the user's; one profile is a column too.
run 0 --table --compare amd-viommu,grace traces/compare/02-unpinned.hwq
says 'verdict        no violation'
grep -qE '^verdict +no violation +foreign-command$' "$scratch/out" || fail 'the columns are not in order'
run 0 --table --compare grace traces/compare/02-unpinned.hwq

# An expectation of one profile is none of the other.
sed 's/ profile=amd-viommu$//; s/ profile=grace$//; /^expect none/d' traces/compare/02-unpinned.hwq >"$scratch/both.hwq"
run 1 --table --compare grace,amd-viommu "$scratch/both.hwq"
[ "$(tail -n 1 "$scratch/out")" = '2 scenarios: 1 as expected, 1 not' ] || fail 'another last line'

run 0 --json --compare grace,amd-viommu traces/compare/02-unpinned.hwq
says '"profile" : "grace"'
says '"profile" : "amd-viommu"'

# What is of one platform is refused on the other, before anything of it runs.
run 2 --compare grace,amd-viommu traces/flagship/amd-02-unmapped.hwq
says "bad device 'devid=0x10'"
run 2 --compare grace,nosuch traces/compare
says "unknown profile 'nosuch'"
run 2 --compare grace, traces/compare
run 2 --compare '' traces/compare
says 'names no profile'
run 2 --compare grace --profile grace traces/compare
says 'both choose profiles'
echo "${#files[@]} scenarios compared"
