#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# labels: kselftest
# The kernel's own selftests under hwq exec, where their binaries are: iommufd and iommufd_fail_nth in
# HWQ_KSELFTEST_DIR (-DHWQ_KSELFTEST_DIR=DIR). Verdicts are compared with those of Linux 7.3.4 on a machine
# with 64 huge pages: 233 pass, 5 are skipped, and the 8 dma-buf cases fail (DMABUF_GET returns 0, not the
# descriptor).
set -euo pipefail

dir=${HWQ_KSELFTEST_DIR-}
if [ -z "$dir" ] || [ ! -x "$dir/iommufd" ]; then
	echo "skipped: no iommufd selftest in HWQ_KSELFTEST_DIR ('$dir')"
	exit 77
fi
scratch=$(mktemp -d)
reserved=/proc/sys/vm/nr_hugepages
before=$(cat $reserved)
trap 'rm -rf "$scratch"; [ ! -w $reserved ] || echo "$before" >$reserved' EXIT
if [ -w $reserved ] && [ "$before" -lt 80 ]; then
	echo 80 >$reserved
fi
[ "$(cat $reserved)" -ge 66 ] ||
	echo "note: $(cat $reserved) huge pages are reserved, expected 66: cases that need them will fail"

# Each verdict on a line: NAME pass|fail|skip.
verdicts() # OUTPUT
{
	sed -n -E '
		s/^ok [0-9]+ (# SKIP.*|([^ ]+) # SKIP.*)$/\2 skip/p; t
		s/^ok [0-9]+ ([^ ]+).*$/\1 pass/p; t
		s/^not ok [0-9]+ ([^ ]+).*$/\1 fail/p' "$1" | sort
}

expected() # NAMES
{
	awk '{
		verdict = "pass"
		if ($1 ~ /^iommufd_ioas\..*\.dmabuf_(simple|revoke)$/)
			verdict = "fail"
		if ($1 ~ /^iommufd_viommu\.no_viommu\.(viommu_alloc_nested_iopf|viommu_alloc_with_data|vdevice_cache|hw_queue|vdevice_tombstone)$/)
			verdict = "skip"
		print $1, verdict
	}' "$1"
}

failures=0
for program in iommufd iommufd_fail_nth; do
	[ -x "$dir/$program" ] || continue
	# Descriptor 0 is a regular file, as when the kernel was recorded.
	"$HWQ" exec -- "$dir/$program" <"$0" >"$scratch/$program.out" 2>&1 || true
	verdicts "$scratch/$program.out" >"$scratch/got"
	expected "$scratch/got" >"$scratch/expected"
	count=$(wc -l <"$scratch/got")
	echo "$program: $count cases, $(grep -c ' pass$' "$scratch/got") pass, $(grep -c ' skip$' "$scratch/got" || true) skipped, $(grep -c ' fail$' "$scratch/got" || true) fail"
	if [ "$count" -eq 0 ] || ! diff "$scratch/expected" "$scratch/got"; then
		failures=$((failures + 1))
		tail -20 "$scratch/$program.out"
	fi
done
[ "$failures" -eq 0 ]
