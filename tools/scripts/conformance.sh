#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# conformance.sh RULES: prints the conformance document of one list of rules (tests/conformance/*.rules).
# A list has lines
#   # comment
#   > TEXT                       stands as it is at the head of the document
#   = SECTION TITLE              a section of the sheet
#   ID | MUTANT | RULE           ID is the sheet's section and step; MUTANT is a patch of tests/mutants
#   ID | - REASON | RULE         a rule that nothing here can show, and why
# The test of a rule is the one that its mutant names ("killed-by"), which tests/mutants/run.sh shows to fail.
# Exit 1, with file:line: what is wrong, when a rule has neither, an ID comes twice, or a name leads nowhere.
set -euo pipefail

[ $# -eq 1 ] || { echo "usage: conformance.sh RULES" >&2; exit 2; }
rules=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# MUTANT TEST FUNCTION of each patch, FUNCTION - where none is named.
mutants()
{
	awk 'FNR == 1 { name = FILENAME; sub(/.*\//, "", name); sub(/\.patch$/, "", name) }
	     /^# killed-by:/ { print "mutant", name, $3, ($4 == "" ? "-" : $4); nextfile }' \
		"$root"/tests/mutants/*.patch
}

# UNIT.TEST FUNCTION of each unit test's functions.
functions()
{
	awk 'FNR == 1 { name = FILENAME; sub(/.*\/test_/, "unit.", name); sub(/\.c$/, "", name) }
	     /^START_TEST\(/ { sub(/^START_TEST\(/, ""); sub(/\).*/, ""); print "function", name, $0 }' \
		"$root"/tests/unit/test_*.c
}

{
	mutants
	functions
	awk '{ print "rule", FNR, $0 }' "$rules"
} | awk -v file="${rules#"$root"/}" '
function wrong(what) {
	printf "%s:%d: %s\n", file, line, what > "/dev/stderr"
	failed = 1
}
function trimmed(text) {
	gsub(/^[ \t]+|[ \t]+$/, "", text)
	return text
}
$1 == "mutant" { test[$2] = $3; killer[$2] = $4; next }
$1 == "function" { exists[$2 " " $3] = 1; next }
{
	line = $2
	sub(/^rule [0-9]+ ?/, "")
}
/^#/ || /^[ \t]*$/ { next }
/^>/ {
	head = head substr($0, 3) "\n"
	next
}
/^= / {
	out = out "\n## " substr($0, 3) "\n\n| rule | what | test | mutant |\n|---|---|---|---|\n"
	next
}
{
	columns = split($0, column, "|")
	if (columns != 3) {
		wrong("expected: ID | MUTANT | RULE")
		next
	}
	id = trimmed(column[1]); mutant = trimmed(column[2]); what = trimmed(column[3])
	if (id in seen)
		wrong("rule " id " comes twice")
	seen[id] = 1
	count++
	if (what ~ /UNSURE/) {
		unsure++
		if (what !~ /UNSURE: /)
			wrong("rule " id ": expected \"UNSURE: the choice made\"")
	}
	if (mutant ~ /^- ./) {
		unshown++
		out = out "| " id " | " what " | none: " substr(mutant, 3) " | |\n"
		next
	}
	if (!(mutant in test)) {
		wrong("rule " id ": no mutant tests/mutants/" mutant ".patch, expected one or \"- REASON\"")
		next
	}
	by = test[mutant]
	if (killer[mutant] != "-") {
		if (!((by " " killer[mutant]) in exists))
			wrong("rule " id ": " by " has no test " killer[mutant])
		by = by " " killer[mutant]
	} else if (by ~ /^unit\./)
		wrong("rule " id ": the killed-by line of " mutant " names no function of " by)
	out = out "| " id " | " what " | " by " | " mutant " |\n"
}
END {
	if (failed)
		exit 1
	printf "%s", head
	printf "%d rules: %d shown by a test that fails under a mutant, %d not shown", count, count - unshown, unshown
	if (unsure)
		printf "; %d rest on a choice where the sheet is unsure", unsure
	print "."
	printf "%s", out
}'
