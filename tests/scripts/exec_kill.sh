#!/usr/bin/env bash
# labels: exec
# SPDX-License-Identifier: Apache-2.0
# SIGKILL at 200 random moments of programs with threads, processes and children under hwq exec:
# hwq's exit code is 137, and then no process, no file and no shared memory is left.
# HWQ_KILLS and HWQ_SEED: another number, another seed.
set -euo pipefail

kills=${HWQ_KILLS:-200}
RANDOM=${HWQ_SEED:-1}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir "$scratch/tmp"
# Names of our own: what is left can be told from what others do.
own=k$$_
for name in threads processes fork_present; do
	cp "$HWQ_BUILD_DIR/clients/$name.static" "$scratch/$own$name"
done
export TMPDIR=$scratch/tmp

files()
{
	# The test's own files may be in /dev/shm too.
	{
		find "$scratch/tmp" -mindepth 1
		find /dev/shm -mindepth 1 ! -path "$scratch*" \( -iname '*hwq*' -o -iname '*iommu*' \) || : # gone meanwhile
	} 2>/dev/null | LC_ALL=C sort
}

memory() # System V's whose maker is gone, by id
{
	local id maker
	awk 'NR > 1 { print $2, $5 }' /proc/sysvipc/shm 2>/dev/null | while read -r id maker; do
		[ -d "/proc/$maker" ] || echo "$id"
	done
}

# PIDs of our programs, but for zombies, which nobody but their parent can take away
left()
{
	local stat pid name state
	for stat in /proc/[0-9]*/stat; do
		{ read -r pid name state _ <"$stat"; } 2>/dev/null || continue
		[[ $name != "($own"* || $state = Z ]] || echo "$pid"
	done
}

files >"$scratch/files.before"
memory >"$scratch/memory.before"
tally=()
for ((kill = 0; kill < kills; kill++)); do
	case $((RANDOM % 3)) in
	0) what=threads command=("$scratch/${own}threads" 1000000) ;;
	1) what=processes command=("$scratch/${own}processes" 1000000) ;;
	*)
		what=fork_present
		# shellcheck disable=SC2016 # for the other shell
		command=(bash -c 'while :; do "$0" || exit 1; done' "$scratch/${own}fork_present")
		;;
	esac
	# Within the first 127 ms: starting, the first forks, and calls in full swing. Each fourth as soon as it is seen.
	delay=$(printf '0.%03d' $((RANDOM % 128)))
	[ $((kill % 4)) -ne 0 ] || delay=0
	"$HWQ" exec -- "${command[@]}" >"$scratch/out" 2>&1 </dev/null &
	hwq=$!
	# The program is hwq's only child.
	program=
	for ((try = 0; try < 400000 && ${#program} == 0; try++)); do
		read -r program _ <"/proc/$hwq/task/$hwq/children" || true
	done
	[ -n "$program" ] || { echo "FAILED: kill $kill: hwq has no child" >&2; exit 1; }
	[ "$delay" = 0 ] || sleep "$delay"
	builtin kill -KILL "$program"
	# Its children go on or not as they like: the fixture kills what is left of them below.
	status=0
	for ((try = 0; try < 100; try++)); do
		builtin kill -KILL $(left) 2>/dev/null || true
		builtin kill -0 "$hwq" 2>/dev/null || break
		sleep 0.01
	done
	wait "$hwq" || status=$?
	if [ "$status" -ne 137 ]; then
		cat "$scratch/out" >&2
		echo "FAILED: kill $kill of $what after $delay s: exit code $status" >&2
		exit 1
	fi
	# What was private to the dead is gone: hwq says so (docs/exec.md), and nothing else.
	if grep -qv '^hwq exec: limit: ' "$scratch/out"; then
		cat "$scratch/out" >&2
		echo "FAILED: kill $kill of $what after $delay s: a message" >&2
		exit 1
	fi
	# One that is on its way out has let go of its filter, and so of hwq, before it is a zombie.
	for ((try = 0; try < 10; try++)); do
		[ -n "$(left)" ] || break
		sleep 0.01
	done
	if [ -n "$(left)" ]; then
		echo "FAILED: kill $kill of $what: processes are left: $(left)" >&2
		exit 1
	fi
	tally+=("$what")
done
files | diff "$scratch/files.before" - >&2 || { echo "FAILED: files are left" >&2; exit 1; }
memory | diff "$scratch/memory.before" - >&2 ||
	{ echo "FAILED: shared memory is left" >&2; exit 1; }
echo "$kills kills:"
printf '%s\n' "${tally[@]}" | sort | uniq -c
