#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `hwq replay` on a changed recording: exit code 1, and the first difference in full: file, line and
# call, field, both values and the rule. The same whatever the terminal may be. unit.flip changes
# everything; here is a sample.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"
captures=$HWQ_SOURCE_DIR/traces/captures/iommufd
limit=--memory-limit=512

fail()
{
	echo "FAILED: $*" >&2
	cat out err >&2
	exit 1
}

count=0
flip() # CAPTURE SED LINE FIELD EXPECTED GOT RULE: as changed by SED, LINE differs, and only it
{
	local status=0
	sed "$2" "$captures/$1.trace" >x.trace
	! cmp -s "$captures/$1.trace" x.trace || fail "$2 changes nothing"
	"$HWQ" replay $limit x.trace >out 2>err || status=$?
	[ "$status" -eq 1 ] || fail "$2: exit code $status, expected 1"
	[ ! -s err ] || fail "$2: something on stderr"
	[ "$(sed -n 1p out)" = "x.trace:$3: $(sed -n "$3p" x.trace)" ] || fail "$2: line $3"
	[ "$(sed -n 2p out)" = "  field     $4" ] || fail "$2: field $4"
	[ "$(sed -n 3p out)" = "  expected  $5" ] || fail "$2: expected $5"
	[ "$(sed -n 4p out)" = "  got       $6" ] || fail "$2: got $6"
	[[ $(sed -n 5p out) == "  rule      $7"* ]] || fail "$2: rule $7"
	tail -n 1 out | grep -qE '^[0-9]+ calls: [0-9]+ equal, 1 differ, 0 unverifiable$' ||
		fail "$2: last line"
	count=$((count + 1))
}

queue=iommufd_viommu.mock_viommu.hw_queue
vdevice=iommufd_viommu.mock_viommu.vdevice_alloc
line_of() # CAPTURE PATTERN: the number of the first line that has it
{
	grep -nm 1 "$2" "$captures/$1.trace" | cut -d: -f1
}

line=$(line_of $queue 'IOAS_UNMAP.* = -1 EBUSY')
flip $queue "${line}s/-1 EBUSY/0/" "$line" result 0 '-1 EBUSY' 'iommufd 2.8'
line=$(line_of $queue 'HW_QUEUE_ALLOC.* = -1 EIO')
flip $queue "${line}s/EIO/EINVAL/" "$line" result '-1 EINVAL' '-1 EIO' 'iommufd 7.6'
line=$(line_of $queue 'out_hw_queue_id=0 => 10')
flip $queue "${line}s/=> 10/=> 9/" "$line" out_hw_queue_id 9 10 \
	'iommufd 5.4 (IOMMU_HW_QUEUE_ALLOC), no refusal'
line=$(line_of $queue 'iova=0 => 0x1001000')
flip $queue "${line}s/=> 0x1001000/=> 0x1002000/" "$line" iova 0x1002000 0x1001000 'iommufd 2.4'
line=$(line_of $queue 'fork() = 1268')
flip $queue "${line}s/= 1268/= 1300/" "$line" result 1300 'the child that acts is 1268' 'none'
line=$(line_of $queue 'MAP_FIXED')
flip $queue "${line}s/-1, 0x0) = .*/-1, 0x0) = -1 ENOMEM/" "$line" result '-1 ENOMEM' \
	"$(sed -n "${line}s/.* = //p" "$captures/$queue.trace")" 'none'
line=$(line_of $vdevice 'read(5, "000000000000000099000000"')
flip $vdevice "${line}s/99000000/98000000/" "$line" 'buffer, byte 8' '..."98000000"' \
	'..."99000000"' 'none'
line=$(line_of $vdevice 'poll(5, 0x1 => 0x1')
flip $vdevice "${line}s/=> 0x1/=> 0x0/" "$line" revents 0 1 'none'
line=$(line_of $vdevice 'waitpid(1259, 0x0')
flip $vdevice "${line}s/0x0/0x100/" "$line" status 256 0 'none'

# Colour or none, terminal or pipe, any locale: the same bytes.
cp out first
for setting in NO_COLOR=1 NO_COLOR= CLICOLOR_FORCE=1 TERM=dumb LC_ALL=C; do
	env "$setting" "$HWQ" replay $limit x.trace >out 2>err && fail "$setting: exit code 0"
	cmp -s first out || fail "$setting: another output"
done

# All of a file's differences are counted, the first 20 are shown; --quiet leaves those.
sed 's/ = 0$/ = 1/' "$captures/iommufd.cmd_length.trace" >x.trace
sed 's/ = -1 EINVAL$/ = -1 EIO/' -i x.trace
status=0
"$HWQ" replay $limit --quiet x.trace >out || status=$?
[ "$status" -eq 1 ] || fail "many differences: exit code $status"
[ "$(grep -c '^  field ' out)" -eq 20 ] || fail 'expected 20 differences in full'
total=$(sed -n '$s/.* \([0-9]*\) differ.*/\1/p' out)
grep -qx "$((total - 20)) more differences are not shown" out || fail 'expected the rest counted'

echo "$count changes found"
