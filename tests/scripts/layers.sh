#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The engines and the checker answer the question; they do not know it. Nothing in models/ or
# emu/checker.c names a scenario, a kernel option or an expectation, and nothing in models/ a
# violation; models/ includes only emu/ and models/, emu/ only emu/.
set -euo pipefail

cd "$HWQ_SOURCE_DIR"
failures=0
fail()
{
	echo "FAILED: $1" >&2
	[ $# -lt 2 ] || printf '  %s\n' "${2//$'\n'/$'\n'  }" >&2
	failures=$((failures + 1))
}

# never WHAT PATTERN PATH...: no line there has it, in whatever case
never()
{
	local what=$1 pattern=$2 found
	shift 2
	if found=$(grep -rniE --include='*.[chS]' -e "$pattern" "$@"); then
		fail "$what" "$found"
	fi
}

[ "$(find models -name '*.c' | wc -l)" -ge 5 ] || fail 'models/ has fewer than 5 source files'
[ -r emu/checker.c ] || fail 'emu/checker.c is not there'

# --- words ---

judged=(models emu/checker.c emu/checker.h emu/ledger.c emu/ledger.h)

# Kernel options: the keys of the table itself, so that a new one is looked for.
mapfile -t options < <(grep -ohE '"[a-z_]+\.[a-z_]+"' kernel_shim/options.c | tr -d '"' | sort -u)
[ "${#options[@]}" -ge 6 ] || fail "only ${#options[@]} kernel options found in kernel_shim/options.c"
for option in "${options[@]}"; do
	name=${option#*.}
	never "a kernel option: $option" "${option//./[._]}" "${judged[@]}"
	never "a field of the kernel options: ${option%%.*}, $name" \
		"(options|module|kernel)[a-z_]*(\.|->)[a-z_]*$name" "${judged[@]}"
done
never 'the kernel shim' 'iommufd|kernel_shim|hw_queue|what-if' models
never 'the kernel shim' 'kernel_shim|hw_queue|what-if' emu/checker.c emu/checker.h

# Names and titles of the scenarios.
count=0
for file in traces/flagship/*.hwq; do
	stem=$(basename "$file" .hwq)
	never "a scenario: $stem" "$stem|${stem#vcmdq-[0-9][0-9]-}\.hwq" "${judged[@]}"
	title=$(sed -n 's/^title //p' "$file" | sed 's/[][().*+?|]/./g')
	[ "${#title}" -lt 8 ] || never "a title: $title" "$title" "${judged[@]}"
	count=$((count + 1))
done
[ "$count" -ge 10 ] || fail "only $count scenarios found"
never 'scenarios' 'flagship|\.hwq|hwq-scenario|verdict|expectation|\bexpect\b' models
never 'scenarios' 'flagship|\.hwq|hwq-scenario|expectation|\bexpect\b' emu/checker.c

# Violations: the checker's alone.
mapfile -t violations < <(grep -oE '= "[a-z]+(-[a-z]+)+"' emu/checker.c | tr -d '="[:blank:]' | sort -u)
[ "${#violations[@]}" -ge 5 ] || fail "only ${#violations[@]} violations found in emu/checker.c"
for violation in "${violations[@]}"; do
	never "a violation: $violation" "${violation//-/[-_ ]}" models
done
never 'the checker or the ledger' 'emu/(checker|ledger)\.h|ledger_|checker_|violation' models

# --- includes ---

includes() # FOLDER: FILE:LINE:PATH of each
{
	grep -rnE --include='*.[chS]' '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' "$1" |
		sed -E 's/^([^:]*:[0-9]*):[^"]*"([^"]*)".*/\1:\2/'
}

models=$(includes models)
emu=$(includes emu)
{ [ "$(wc -l <<<"$models")" -ge 5 ] && [ "$(wc -l <<<"$emu")" -ge 20 ]; } || fail 'no includes found'
if found=$(grep -vE ':[0-9]+:(emu|models)/' <<<"$models"); then
	fail 'models/ includes something else than emu/ and models/' "$found"
fi
if found=$(grep -vE ':[0-9]+:emu/' <<<"$emu"); then
	fail 'emu/ includes something else than emu/' "$found"
fi

echo "${#options[@]} kernel options, ${#violations[@]} violations, $count scenarios," \
	"$(wc -l <<<"$models") + $(wc -l <<<"$emu") includes: $failures failures"
[ "$failures" -eq 0 ]
