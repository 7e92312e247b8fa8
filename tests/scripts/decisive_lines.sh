#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each scenario of traces/flagship hangs on its decisive lines: with one of them deleted, the verdict
# becomes what docs/question.md says in its table of deleted lines, which must have the same rows.
# The reverse too: each scenario that expects a violation must stand here.
# shellcheck disable=SC2016 # a $ or ` here is one of scenarios and documents
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"

failures=0
fail()
{
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

# The columns of the table's second line, by where the headings of its first line begin.
column() # HEADING NEXT_HEADING
{
	awk -v from="$1" -v to="$2" '
	NR == 1 { first = index($0, "  " from "  ") + 2; last = index($0, "  " to "  ") }
	NR == 2 { text = substr($0, first, last - first); sub(/ +$/, "", text); print text }
	' "$scratch/out"
}

count=0
deleted=()
# FILE|what is deleted|sed address of the line, or of it and those that name what it binds|VERDICT
delete() # FILE WHAT ADDRESS VERDICT
{
	local file=traces/flagship/$1.hwq copy=$scratch/copy.hwq status=0 verdict gone
	sed -E "$3d" "$file" >"$copy"
	gone=$(($(wc -l <"$file") - $(wc -l <"$copy")))
	[ "$gone" -eq "${5:-1}" ] || fail "$1 without $2: $gone lines deleted, expected ${5:-1}"
	"$HWQ" run --table "$copy" >"$scratch/out" 2>"$scratch/err" || status=$?
	verdict=$(column verdict after)
	[ "$verdict" = "$4" ] || fail "$1 without $2: '$verdict', expected '$4'"
	[ "$status" -eq 1 ] || fail "$1 without $2: exit code $status, expected 1"
	[ "$(tail -n 1 "$scratch/out")" = '1 scenarios: 0 as expected, 1 not' ] ||
		fail "$1 without $2: last line '$(tail -n 1 "$scratch/out")'"
	grep -qF -- "| \`$1\` | $2 | $4 |" docs/question.md ||
		fail "docs/question.md has no row: | \`$1\` | $2 | $4 |"
	count=$((count + 1))
	deleted+=("$1")
}

pin='/^kernel hw_queue\.pin=off$/'
bell='/^(after [0-9a-z]+ )?guest: write vcmdq0\.PROD_INDX 4$/'
unmap='/IOMMU_IOAS_UNMAP/'
munmap='/ munmap\(\$queue/'

delete vcmdq-02-unmap-only 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-02-unmap-only 'the unmap' "$unmap" 'no violation'
delete vcmdq-02-unmap-only 'the late doorbell' "$bell" 'no violation'
delete vcmdq-03-freed 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-03-freed 'the munmap' "$munmap" 'use-after-unmap'
delete vcmdq-03-freed 'the late doorbell' "$bell" 'no violation'
delete vcmdq-04-foreign-bytes 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-04-foreign-bytes 'the munmap' "$munmap" 'use-after-unmap'
delete vcmdq-04-foreign-bytes "the other's mmap and store" '/^other:/' 'use-after-free' 2
delete vcmdq-04-foreign-bytes "the other's store" '/^other: store/' 'use-after-free'
delete vcmdq-04-foreign-bytes 'the late doorbell' "$bell" 'no violation'
delete vcmdq-05-foreign-command 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-05-foreign-command 'the munmap' "$munmap" 'use-after-unmap'
delete vcmdq-05-foreign-command "the other's mmap and store" '/^other:/' 'use-after-free' 2
delete vcmdq-05-foreign-command "the other's store" '/^other: store/' 'use-after-free'
delete vcmdq-05-foreign-command 'the late doorbell' "$bell" 'no violation'
delete vcmdq-07-cons-dram 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-07-cons-dram 'cmdqv.cons_dram=on' '/^kernel cmdqv\.cons_dram=on$/' 'foreign-command'
delete vcmdq-07-cons-dram 'the munmap' "$munmap" 'use-after-unmap'
delete vcmdq-07-cons-dram "the other's mmap and store" '/^other:/' 'use-after-free' 2
delete vcmdq-07-cons-dram "the other's store" '/^other: store/' 'use-after-free'
delete vcmdq-07-cons-dram 'the late doorbell' "$bell" 'no violation'
delete vcmdq-08-migrated 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-08-migrated 'the migration' '/^host: migrate/' 'use-after-unmap'
delete vcmdq-08-migrated 'the late doorbell' "$bell" 'no violation'
delete vcmdq-10-destroy-unpin-first 'hw_queue.destroy=unpin-first' \
	'/^kernel hw_queue\.destroy=unpin-first$/' 'no violation'
delete vcmdq-10-destroy-unpin-first 'the delay' '/^delay /' 'no violation'
delete vcmdq-10-destroy-unpin-first 'the unmap' "$unmap" 'no violation'
delete vcmdq-10-destroy-unpin-first 'the munmap' "$munmap" 'use-after-unmap'
delete vcmdq-10-destroy-unpin-first 'the late doorbell' "$bell" 'no violation'
delete vcmdq-12-flush-withheld 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete vcmdq-12-flush-withheld 'the unmap' "$unmap" 'no violation'
delete vcmdq-12-flush-withheld 'the munmap' "$munmap" 'stale-iotlb'
delete vcmdq-12-flush-withheld "the other's mmap and store" '/^other:/' 'stale-iotlb' 2
delete vcmdq-12-flush-withheld "the device's reads" '/^device: dma/' 'no violation' 3
delete vcmdq-13-reclaimed 'hw_queue.pin=off' "$pin" 'no violation'
delete vcmdq-13-reclaimed 'the reclaim' '/^host: reclaim/' 'use-after-unmap'
delete vcmdq-13-reclaimed "the other's mmap and store" '/^other:/' 'use-after-free' 2
delete vcmdq-13-reclaimed "the other's store" '/^other: store/' 'use-after-free'
delete vcmdq-13-reclaimed 'the late doorbell' "$bell" 'no violation'

delete amd-03-flush-withheld 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete amd-03-flush-withheld 'the unmap' '/IOMMU_IOAS_UNMAP/' 'no violation'
delete amd-03-flush-withheld 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-04-foreign-bytes 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete amd-04-foreign-bytes 'the munmap' '/ munmap\(\$queue/' 'stale-iotlb'
delete amd-04-foreign-bytes "the other's mmap and store" '/^other:/' 'stale-iotlb' 2
delete amd-04-foreign-bytes "the other's store" '/^other: store/' 'stale-iotlb'
delete amd-04-foreign-bytes 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-05-foreign-command 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete amd-05-foreign-command 'the munmap' '/ munmap\(\$queue/' 'stale-iotlb'
delete amd-05-foreign-command "the other's mmap and store" '/^other:/' 'stale-iotlb' 2
delete amd-05-foreign-command "the other's store" '/^other: store/' 'stale-iotlb'
delete amd-05-foreign-command 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-06-foreign-write 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete amd-06-foreign-write 'the unmap' '/IOMMU_IOAS_UNMAP/' 'no violation'
delete amd-06-foreign-write 'the munmap' '/ munmap\(\$buffer/' 'stale-iotlb'
delete amd-06-foreign-write "the other's mmap and store" '/^other:/' 'stale-iotlb' 2
delete amd-06-foreign-write 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-07-foreign-event 'unmap.flush=none' '/^kernel unmap\.flush=none$/' 'no violation'
delete amd-07-foreign-event 'the munmap' '/ munmap\(\$buffer/' 'stale-iotlb'
delete amd-07-foreign-event "the other's mmap and store" '/^other:/' 'stale-iotlb' 2
delete amd-07-foreign-event 'the first doorbell' '/^guest: write ring\.CMD_TAIL/' 'no violation'
delete amd-07-foreign-event 'the restart' '/^mmio write/' 'no violation' 2
delete amd-09-no-device 'the unmap' '/IOMMU_IOAS_UNMAP/' 'no violation'
delete amd-09-no-device 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-12-migrated-late 'host.move=deferred' '/^kernel host\.move=deferred$/' 'no violation'
delete amd-12-migrated-late 'the migration' '/^host: migrate/' 'no violation'
delete amd-12-migrated-late 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-14-reclaimed-never 'host.move=deferred' '/^kernel host\.move=deferred$/' 'no violation'
delete amd-14-reclaimed-never 'the reclaim' '/^host: reclaim/' 'no violation'
delete amd-14-reclaimed-never "the other's store" '/^other: store/' 'stale-iotlb'
delete amd-14-reclaimed-never 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'
delete amd-15-destroy 'the host device 0' '/^device bridge/' 'no violation'
delete amd-15-destroy "the vIOMMU's destruction" '/IOMMU_DESTROY, \{id=\$viommu/' 'no violation'
delete amd-15-destroy 'the commands and their doorbell' '/(<- COMPLETION_WAIT, COMP|CMD_TAIL 0x220)/' 'no violation' 2
delete amd-17-unassigned-device 'the command and its doorbell' '/^guest: (ring <-|write ring)/' 'no violation' 2
delete amd-18-detached 'the detach' '/DETACH/' 'no violation'
delete amd-18-detached 'the unmap' '/IOMMU_IOAS_UNMAP/' 'no violation'
delete amd-18-detached 'the late doorbell' '/^guest: write ring\.CMD_TAIL 0x40$/' 'no violation'

rows=$(grep -cE '^\| `(vcmdq|amd)-[^`]*` \| [^|]* \| (no violation|[a-z]+(-[a-z]+)+) \|$' docs/question.md)
[ "$rows" -eq "$count" ] || fail "docs/question.md has $rows rows of deleted lines, not $count"

# The other's mmap alone can't go: what it bound is used.
for name in vcmdq-04-foreign-bytes vcmdq-05-foreign-command vcmdq-07-cons-dram; do
	status=0
	sed '/^other: mmap/d' "traces/flagship/$name.hwq" >"$scratch/copy.hwq"
	"$HWQ" run --table "$scratch/copy.hwq" >"$scratch/out" 2>"$scratch/err" || status=$?
	[ "$status" -eq 2 ] || fail "$name without the other's mmap alone: exit code $status"
	grep -qF "unknown name '\$theirs'" "$scratch/err" || fail "$name: $(cat "$scratch/err")"
done

# The two destructions differ in the kernel's order, and in what they call themselves and expect.
diff <(grep -v '^#' traces/flagship/vcmdq-09-destroy.hwq) \
	<(grep -v '^#' traces/flagship/vcmdq-10-destroy-unpin-first.hwq) >"$scratch/out" || true
if [ "$(grep -c '^[<>]' "$scratch/out")" -ne 5 ] ||
	! grep -q '^> kernel hw_queue' "$scratch/out"; then
	fail 'vcmdq-09 and vcmdq-10 differ in more than the kernel line, title and expect'
fi

for file in traces/flagship/*.hwq; do
	name=$(basename "$file" .hwq)
	if grep -qE '^expect ' "$file" && ! grep -qx 'expect none' "$file" &&
		[[ " ${deleted[*]} " != *" $name "* ]]; then
		fail "$name expects a violation and no line of it is deleted here"
	fi
done

echo "$count lines deleted, $failures failures"
[ "$failures" -eq 0 ]
