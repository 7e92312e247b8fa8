#!/usr/bin/env bash
# labels: exec
# SPDX-License-Identifier: Apache-2.0
# Programs of the user API (tests/clients) under hwq exec: each linked dynamically and statically, as
# root and as an ordinary user where that can be arranged. One line each. 77 is a program's "this
# machine can't", with its reason; a limit_* program shows what hwq exec is known not to do.
# CLIENTS="NAME..." runs these only.
set -euo pipefail

scratch=$(mktemp -d)
pool=/proc/sys/vm/nr_hugepages
added=0
trap 'give_back; rm -rf "$scratch"' EXIT

# By difference: others may have changed the pool meanwhile.
give_back()
{
	[ "$added" -eq 0 ] || echo $(($(cat "$pool") - added)) >"$pool"
}

# The usual limit, also where this shell's is another.
ulimit -S -n 1024 || true

# Where everybody may go, unlike the build folder.
chmod 755 "$scratch"
mkdir "$scratch/clients"
cp "$HWQ" "$scratch/hwq"
cp "$HWQ_BUILD_DIR"/clients/* "$scratch/clients/"
chmod -R a+rX "$scratch"
cd "$scratch"

had=$(cat "$pool" 2>/dev/null || echo 0)
if { echo $((had + 4)) >"$pool"; } 2>/dev/null; then
	added=$(($(cat "$pool") - had))
	echo "huge pages: $added reserved, $had were there before"
else
	echo "huge pages: none can be reserved here; what needs them is skipped unless there are some"
fi

declare -A users
if [ "$(id -u)" = 0 ]; then
	users[root]=
	if setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
		users[nobody]='setpriv --reuid=65534 --regid=65534 --clear-groups'
	else
		echo "skipped: runs as an ordinary user, as setpriv can't change to one"
	fi
else
	users[$(id -un)]=
	echo "skipped: runs as root, as this is $(id -un)"
fi

failed=0 done=0
for user in "${!users[@]}"; do
	for program in clients/*; do
		name=${program#clients/}
		[[ -z ${CLIENTS:-} || " $CLIENTS " = *" ${name%.static} "* ]] || continue
		status=0
		# shellcheck disable=SC2086 # words of a command
		timeout --kill-after=5 100 ${users[$user]} ./hwq exec -- "./$program" \
			>out 2>err </dev/null || status=$?
		verdict=ok
		case $status in
		0) [[ $name != limit_* ]] || verdict="ok: the limit is gone" ;;
		77) verdict=$(head -n 1 out) ;;
		*)
			verdict="FAILED with $status: $(tail -n 1 err)"
			if [[ $status = 1 && $name = limit_* ]]; then
				verdict="limit: $(tail -n 1 err)"
			else
				failed=$((failed + 1))
				tail -n 20 err >&2
			fi
			;;
		esac
		echo "$name as $user: $verdict"
		done=$((done + 1))
	done
done

echo "$done runs, $failed failed"
[ "$done" -gt 0 ] && [ "$failed" -eq 0 ]
