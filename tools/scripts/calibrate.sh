#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# calibrate.sh HWQ PROFILE: prints the four parameters of PROFILE that `hwq bench timing` is fitted by, solved for the
# four rows that it prints with fitted=yes. Nothing of the engine is among them: guest.unmap_ns and guest.page_ns take
# what a VCMDQ's rows need beside the engine's time, vmm.exit_ns and vmm.command_ns the same of the trapped ones.
# A row is linear in them: the time of its pages, and the time of an unmap; so two rows settle two parameters.
set -euo pipefail

[ $# -eq 2 ] || { echo "usage: calibrate.sh HWQ PROFILE" >&2; exit 2; }
hwq=$1 scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$2" "$scratch/profile"

value() # NAME
{
	awk -v name="$1" '$1 == name { print $3 }' "$scratch/profile"
}

set_value() # NAME VALUE
{
	awk -v name="$1" -v value="$2" '$1 == name { sub(/= *[0-9]+/, "= " value) } { print }' "$scratch/profile" >"$scratch/new"
	mv "$scratch/new" "$scratch/profile"
}

# The two fitted rows of PATH give the two parameters.
solve() # PATH PER_UNMAP PER_PAGE
{
	"$hwq" bench timing --profile "$scratch/profile" |
		awk -v path="$1" -v unmap="$(value "$2")" -v page="$(value "$3")" '
			$4 == path && $NF == "fitted=yes" {
				split($5, model, "="); split($6, published, "=")
				rows++
				pages[rows] = $2 / 4
				missing[rows] = 1000 * (published[2] - model[2])
			}
			END {
				more = (missing[2] - missing[1]) / (pages[2] - pages[1])
				printf "%.0f %.0f\n", unmap + missing[1] - pages[1] * more, page + more
			}'
}

for path in "vcmdq guest.unmap_ns guest.page_ns" "trapped vmm.exit_ns vmm.command_ns"; do
	read -r name unmap page <<<"$path"
	read -r unmap_ns page_ns < <(solve "$name" "$unmap" "$page")
	set_value "$unmap" "$unmap_ns"
	set_value "$page" "$page_ns"
	echo "$unmap = $unmap_ns"
	echo "$page = $page_ns"
done
