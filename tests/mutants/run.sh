#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh [PATCH...]: shows that the tests notice defects. Each patch (default: all of this folder)
# plants one defect and names the test that must fail with it:
#   # breaks: one sentence
#   # killed-by: unit.arena            or, of a unit test, one of its functions:
#   # killed-by: unit.arena grown_memory_is_zeroed
# Works in a scratch copy of the source tree, built once, then incrementally for each patch.
set -euo pipefail
shopt -s nullglob

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(git -C "$here" rev-parse --show-toplevel)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/tree
build=$scratch/build
log=$scratch/log

patches=("$here"/*.patch)
if [ $# -gt 0 ]; then
	patches=()
	for name; do
		patches+=("$(realpath "$name")")
	done
fi

die()
{
	echo "mutants: $*" >&2
	exit 1
}

field() # PATCH KEY
{
	sed -n "/^\(diff\|---\) /q; s/^# $2: *//p" "$1" | head -n 1
}

# The test that must fail, and the function of it if the patch names one.
test_of()
{
	field "$1" killed-by | cut -d' ' -f1
}

function_of()
{
	field "$1" killed-by | cut -s -d' ' -f2
}

target_of() # TEST
{
	case $1 in
	unit.*) echo "test_${1#unit.}" ;;
	corpus.*) echo "fuzz_${1#corpus.}" ;;
	script.exec | script.exec_*) echo clients ;; # and hwq
	script.*) echo hwq ;;
	*) return 1 ;;
	esac
}

# A function that dies is named as well as one that fails: it has a process of its own.
run_test() # TEST [FUNCTION]
{
	[ -z "${2:-}" ] || local -x HWQ_TEST=$2
	CK_FORK=yes CK_DEFAULT_TIMEOUT=100 ctest --test-dir "$build" --no-tests=error --output-on-failure -R "^${1//./\\.}\$" \
		>"$log" 2>&1
}

build_target() # TARGET...
{
	cmake --build "$build" -j 2 --target "$@" >"$log" 2>&1
}

# libcheck prints file:line:F:case:function:... of each function that fails.
fails_as_named() # PATCH
{
	local function
	function=$(function_of "$1")
	[ -z "$function" ] || grep -q ":[FE]:[^:]*:$function:" "$log"
}

declare -A tests=() # how many patches name it
for patch in "${patches[@]}"; do
	[ -r "$patch" ] || die "$patch: cannot read"
	[ -n "$(field "$patch" breaks)" ] || die "$patch: no line '# breaks: ...' before the diff"
	test=$(test_of "$patch")
	[ -n "$test" ] || die "$patch: no line '# killed-by: ...' before the diff"
	target_of "$test" >/dev/null ||
		die "$patch: killed-by: $test: expected unit.X, corpus.X or script.X"
	tests[$test]=$((${tests[$test]:-0} + 1))
done

mkdir "$tree"
cd "$root"
# Tracked and new files alike, but not those deleted and not yet committed.
git ls-files -z --cached --others --exclude-standard | sort -zu |
	while IFS= read -r -d '' file; do
		if [ -e "$file" ]; then printf '%s\0' "$file"; fi
	done | xargs -0 cp --parents -t "$tree"
cd "$tree"

# No -Werror: a defect may well leave a variable unused.
cmake -S "$tree" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG=-O0 \
	-DHWQ_WERROR=OFF -DHWQ_MUTANTS=OFF >"$log" 2>&1 || { cat "$log"; die "configure failed"; }
declare -A targets=()
for test in "${!tests[@]}"; do
	targets[$(target_of "$test")]=1
done
build_target "${!targets[@]}" || { cat "$log"; die "the unpatched tree does not build"; }
for test in "${!tests[@]}"; do
	run_test "$test" || { cat "$log"; die "$test does not pass on the unpatched tree"; }
done

killed=0
survived=0
broken=0
for patch in "${patches[@]}"; do
	name=$(basename "$patch" .patch)
	test=$(test_of "$patch")
	if ! patch -p1 --dry-run -f -s -i "$patch" >"$log" 2>&1; then
		echo "BROKEN $name: does not apply"
		cat "$log"
		broken=$((broken + 1))
		continue
	fi
	patch -p1 -f -s --no-backup-if-mismatch -i "$patch"
	if ! build_target "$(target_of "$test")"; then
		echo "BROKEN $name: does not build"
		cat "$log"
		broken=$((broken + 1))
	elif run_test "$test" "$(function_of "$patch")"; then
		echo "SURVIVED $name: $test $(function_of "$patch") passes although $(field "$patch" breaks)"
		survived=$((survived + 1))
	elif ! fails_as_named "$patch"; then
		echo "SURVIVED $name: $test fails, but not $(function_of "$patch")"
		survived=$((survived + 1))
	else
		echo "killed $name by $test"
		killed=$((killed + 1))
	fi
	patch -p1 -R -f -s --no-backup-if-mismatch -i "$patch"
done

# Each test must have shown at least twice that it can fail; the kernel's selftests are not there.
lacking=0
if [ $# -eq 0 ]; then
	for source in "$root"/tests/unit/test_*.c "$root"/tests/scripts/*.sh "$root"/tests/fuzz/fuzz_*.c; do
		test=$(basename "${source%.*}")
		case $source in
		*/unit/*) test=unit.${test#test_} ;;
		*/kselftest.sh) continue ;;
		*/scripts/*) test=script.$test ;;
		*/fuzz/*) test=corpus.${test#fuzz_} ;;
		esac
		if [ "${tests[$test]:-0}" -lt 2 ]; then
			echo "LACKING ${source#"$root"/}: ${tests[$test]:-0} mutants name $test, expected at least 2"
			lacking=$((lacking + 1))
		fi
	done
fi

summary="${#patches[@]} mutants: $killed killed, $survived survived"
[ "$broken" -eq 0 ] || summary+=", $broken broken"
echo "$summary"
[ $((survived + broken + lacking)) -eq 0 ]
