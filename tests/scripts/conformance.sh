#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each list of rules (tests/conformance) has a document that says what it says, and each of its rules a test
# and a mutant, or a reason why it has none.
set -euo pipefail

failed=0
for rules in "$HWQ_SOURCE_DIR"/tests/conformance/*.rules; do
	name=$(basename "$rules" .rules)
	document=$HWQ_SOURCE_DIR/docs/conformance-$name.md
	[ "$name" != iommufd ] || document=$HWQ_SOURCE_DIR/docs/conformance.md
	if ! diff "$document" <(bash "$HWQ_SOURCE_DIR/tools/scripts/conformance.sh" "$rules"); then
		echo "FAILED: ${document#"$HWQ_SOURCE_DIR"/} is not what ${rules#"$HWQ_SOURCE_DIR"/} makes"
		failed=1
	fi
done
# A rule without either is an error.
broken=$(mktemp)
trap 'rm -f "$broken"' EXIT
for line in '9.1 | no_such_mutant | a rule' '9.1 | | a rule' '9.1 | - | a rule' '9.1 | a rule'; do
	echo "$line" >"$broken"
	if bash "$HWQ_SOURCE_DIR/tools/scripts/conformance.sh" "$broken" >/dev/null 2>&1; then
		echo "FAILED: '$line' is accepted"
		failed=1
	fi
done
exit "$failed"
