#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hwq bench timing: simulated times, so they are the same on every machine. What was published of Grace (tegra241-cmdqv
# 14.1) is met where the project says so, and the fitted parameters are those that calibrate.sh finds.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0
fail()
{
	echo "FAILED: $*"
	failed=1
}

"$HWQ" bench timing --profile grace >"$scratch/rows"
cat "$scratch/rows"
"$HWQ" bench timing >"$scratch/again"
cmp "$scratch/rows" "$scratch/again" || fail "two runs differ"

form='^timing (4|16|64|128|256)KB [12] (trapped|vcmdq) model_us=[0-9]+\.[0-9]+ published_us=[0-9]+\.[0-9]+ error=[+-][0-9]+\.[0-9]% fitted=(yes|no)$'
[ "$(grep -cE "$form" "$scratch/rows")" = 20 ] || fail "twenty rows, expected"
[ "$(grep -c 'fitted=yes' "$scratch/rows")" = 4 ] || fail "four fitted numbers, expected"

awk '
	{
		split($5, model, "="); split($6, published, "=")
		us[$2 $3 $4] = model[2]
		off = 100 * (model[2] / published[2] - 1)
		if ($3 == 1 && (off > 15 || off < -15))
			print "FAILED: a row of one thread is more than 15 % off: " $0
		if ($NF == "fitted=yes" && (off > 0.5 || off < -0.5))
			print "FAILED: a fitted row is not fitted: " $0
	}
	END {
		slope = (us["256KB1vcmdq"] - us["128KB1vcmdq"]) / 32
		if (slope < 0.15 || slope > 0.19)
			print "FAILED: a page more takes " slope " us, expected about 0.17"
		if (us["4KB1vcmdq"] < 4.5 || us["4KB1vcmdq"] > 6)
			print "FAILED: the floor is " us["4KB1vcmdq"] " us, expected about 5"
		for (row in us) {
			if (row !~ /trapped/)
				continue
			direct = row
			sub(/trapped/, "vcmdq", direct)
			saved = 100 * (1 - us[direct] / us[row])
			if (saved < 70 || saved > 96)
				print "FAILED: " row " is shortened by " saved " %, expected 70 to 96"
		}
	}' "$scratch/rows" >"$scratch/wrong"
if [ -s "$scratch/wrong" ]; then
	cat "$scratch/wrong"
	failed=1
fi

bash "$HWQ_SOURCE_DIR/tools/scripts/calibrate.sh" "$HWQ" "$HWQ_SOURCE_DIR/profiles/grace" >"$scratch/solved"
while read -r name _ value; do
	given=$(awk -v name="$name" '$1 == name { print $3 }' "$HWQ_SOURCE_DIR/profiles/grace")
	[ "$given" = "$value" ] || fail "profiles/grace has $name = $given, calibrate.sh solves for $value"
done <"$scratch/solved"
[ "$(wc -l <"$scratch/solved")" = 4 ] || fail "four parameters are solved for, expected"

# Each queue waits for the others' turns; ranges spare commands.
"$HWQ" bench timing-sweep >"$scratch/sweep"
awk '{ us[$1] = $2 }
	END {
		if (us["unmap_16_pages_queues_126"] < 4 * us["unmap_16_pages_queues_1"])
			print "FAILED: 126 queues hardly wait for each other"
		if (us["unmap_16_pages_with_ril_1"] >= us["unmap_16_pages_queues_1"])
			print "FAILED: ranges spare nothing"
	}' "$scratch/sweep" >"$scratch/wrong"
if [ -s "$scratch/wrong" ]; then
	cat "$scratch/wrong"
	failed=1
fi
if "$HWQ" bench timing --profile amd-viommu >"$scratch/out" 2>&1; then
	fail "a profile without a VCMDQ is measured"
fi
exit "$failed"
