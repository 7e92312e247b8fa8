#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Broken, wrong and hostile recordings. Broken and wrong ones end with exit code 2 and one line that
# says file:line:column, what, why and what was expected; hostile ones end, with 0, 1 or 2, in
# 10 s (HWQ_LIMIT) and 1 GiB. None ends in a crash, and no summary follows an error.
set -euo pipefail

limit=${HWQ_LIMIT:-10} # s
scratch=$(mktemp -d)
trap 'chmod -R u+rwx "$scratch"; rm -rf "$scratch"' EXIT
cd "$scratch"

sanitized=
grep -q '^HWQ_SANITIZE:.*=..*' "$HWQ_BUILD_DIR/CMakeCache.txt" && sanitized=yes

fail()
{
	echo "FAILED: $*" >&2
	for file in out err; do
		echo "--- std$file" >&2
		head -c 2000 "$file" >&2
	done
	exit 1
}

# The arena's limit is far below the default, and so is the address space: 1 GiB, but for
# sanitizers, which need terabytes of it.
run() # ARGS...
{
	status=0
	(
		[ -n "$sanitized" ] || ulimit -v 1048576
		exec timeout "$limit" "$HWQ" replay --memory-limit 512 "$@"
	) >out 2>err || status=$?
	[ "$status" -ne 124 ] || fail "$*: not done in $limit s"
	[ "$status" -le 2 ] || fail "$*: exit code $status"
}

refused=0
refuse() # PLACE MESSAGE PATH...: exit code 2; the message begins PATH:PLACE and holds MESSAGE
{
	local place=$1 message=$2
	shift 2
	run "$@"
	[ "$status" -eq 2 ] || fail "$*: exit code $status, expected 2"
	[ "$(wc -l <err)" -eq 1 ] || fail "$*: expected one line of error"
	[[ $(<err) == "${!#}:$place: "*", "*", expected "* ]] ||
		fail "$*: expected ${!#}:$place: what, why, what was expected"
	grep -qF -- "$message" err || fail "$*: expected '$message'"
	! grep -qE '^[0-9]+ calls: ' out || fail "$*: a summary after an error"
	refused=$((refused + 1))
}

label='[1.1] 0.000000001'

trace() # TEXT...: a recording of these lines, in x.trace
{
	{
		echo '# hwq-capture 1'
		printf '%s\n' "$@"
	} >x.trace
}

wrong() # WHERE MESSAGE CALL: a recording whose line 3 is wrong where the call has the text WHERE
{
	local before=${3%%"$1"*}
	trace "$label close(9) = -1 EBADF" "$label $3"
	refuse "3:$((${#label} + 2 + ${#before}))" "$2" x.trace
}

# --- words ---
wrong opne "unknown call 'opne', it is not in the language, expected perhaps 'open'" \
	'opne("/dev/iommu", 0x2) = 3'
wrong IOMMU "expected perhaps 'IOMMU_DESTROY'" 'ioctl(3, IOMMU_DESTORY, {size=8, id=0}) = 0'
wrong idd "expected perhaps 'id'" 'ioctl(3, IOMMU_DESTROY, {size=8, idd=0}) = 0'
wrong MOCK "expected perhaps 'MOCK_DOMAIN'" \
	'ioctl(3, IOMMU_TEST_CMD, {size=72, op=MOCK_DOMAN, id=0, last=0}) = 0'
wrong PROT "expected perhaps 'PROT_READ'" 'mmap(0, 0x1000, PROT_REED, MAP_PRIVATE, -1, 0) = 0'
wrong MAP_AN "expected perhaps 'MAP_ANONYMOUS'" \
	'mmap(0, 0x1000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOSU, -1, 0) = 0'
wrong MADV "expected perhaps 'MADV_DONTNEED'" 'madvise(0, 0x1000, MADV_DONTNED) = 0'
wrong EINV 'unknown error' 'close(3) = -1 EINVALL'

# --- shapes ---
wrong close 'close() has 2 arguments here, expected 1' 'close(3, 4) = 0'
wrong close 'close() has 0 arguments here, expected 1' 'close() = 0'
wrong '{' 'it is not a number' 'close({size=1}) = 0'
wrong '"' 'it is not a number' 'close("3") = 0'
wrong '?' 'bad result' 'close(3) = ?'
wrong '$' 'bad result' 'close(3) = $x'
wrong 0 'exit() does not return' 'exit(1) = 0'
wrong '=' 'a call has a name' '= 0'
trace "$label close(9) = -1 EBADF" 'close(3) = 0'
refuse 3:1 'no label' x.trace

# --- structs ---
wrong '{' "field 'out_ioas_id' is missing" 'ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0}) = 0'
wrong '{' "field 'size' is missing" 'ioctl(3, IOMMU_DESTROY, {id=0}) = 0'
wrong out_ "lies past the struct's size 8" \
	'ioctl(3, IOMMU_IOAS_ALLOC, {size=8, flags=0, out_ioas_id=0}) = 0'
wrong id=1 "field 'id' is there twice" 'ioctl(3, IOMMU_DESTROY, {size=8, id=0, id=1}) = 0'
wrong 0x1 'needs more than its 4 bytes' 'ioctl(3, IOMMU_DESTROY, {size=8, id=0x100000000}) = 0'
wrong 0x1 'needs more than its 4 bytes' \
	'ioctl(3, IOMMU_DESTROY, {size=8 => 0x100000000, id=0}) = 0'
wrong ZERO 'it is not a number' 'ioctl(3, IOMMU_DESTROY, {size=8, id=ZERO}) = 0'
wrong '"' 'it is not a number' 'ioctl(3, IOMMU_TEST_CMD, {size=72, op="x", id=0, last=0}) = 0'
wrong '1->' 'no pointer whose contents count' 'ioctl(3, IOMMU_DESTROY, {size=8, id=1->"00"}) = 0'
wrong '"' "reach past the struct's size 8" 'ioctl(3, IOMMU_DESTROY, {size=8, id=0, tail="00"}) = 0'
wrong '0"' 'number of hex digits is odd' 'ioctl(3, IOMMU_DESTROY, {size=9, id=0, tail="0"}) = 0'
wrong '"0000' 'there are 2 after the call and 1 before' \
	'ioctl(3, IOMMU_DESTROY, {size=9, id=0, tail="00" => "0000"}) = 0'
wrong '{' 'unexpected struct' 'ioctl(3, VFIO_CHECK_EXTENSION, {argsz=4}) = 0'
wrong '{a=1' 'struct too deep' 'ioctl(3, IOMMU_DESTROY, {a={a={a={a={a=1}}}}}) = 0'

# --- lines and files ---
trace '# hwq-capture 1'
refuse 2:1 'second header' x.trace
trace '# process x'
refuse 2:1 'bad context line' x.trace
trace '# memory 0x1-0x2 rw-p file'
refuse 2:1 'bad context line' x.trace
trace '# memory 0x1000-0x2000 rw-p file' '# process 1 of 0: fd 0 closed, fd 1 closed, fd 2 closed'
refuse 2:1 'misplaced context line' x.trace
trace '# kernel: Linux 6.1.0'
refuse 2:1 'the shim does not model this kernel' x.trace
echo "$label close(3) = -1 EBADF" >x.trace
refuse 1:1 'unknown header' x.trace
echo '# hwq-capture 2' >x.trace
refuse 1:1 'unknown header' x.trace
: >x.trace
refuse 1:1 'empty file' x.trace
refuse 1:1 'empty file' /dev/null
trace "$(printf '\001\002')"
refuse 2:1 'control character' x.trace
printf '\213\377\200binary' >x.trace
refuse 1:1 'begins no UTF-8 character' x.trace
head -c 1000 "$HWQ_SOURCE_DIR/traces/captures/random/seed-001.trace.zst" >x.trace.zst
run x.trace.zst
[ "$status" -eq 2 ] || fail "truncated zstd: exit code $status"
grep -q '^x.trace.zst:[0-9]*:[0-9]*: truncated zstd data, ' err || fail 'truncated zstd data'
trace "$label close(9) = -1 EBADF" "#$(head -c 1048576 /dev/zero | tr '\0' x)"
refuse 3:1048577 'line too long' x.trace
trace "$label ioctl(3, IOMMU_DESTROY, {size=8, id"
truncate -s -1 x.trace
refuse 2:54 'early end of the line' x.trace
refuse 1:1 'no such file' missing.trace
mkdir empty
refuse 1:1 'no traces' empty
if [ "$(id -u)" -ne 0 ]; then
	mkdir closed
	chmod 0 closed
	refuse 1:1 "directory can't be read" closed
	cp "$HWQ_SOURCE_DIR/traces/captures/iommufd/iommufd.cmd_fail.trace" closed.trace
	chmod 0 closed.trace
	refuse 1:1 'Permission denied' closed.trace
fi
# What stood before the error is replayed, and no file after it.
mkdir both
trace "$label close(9) = -1 EBADF"
mv x.trace both/a.trace
trace "$label clos(9) = -1 EBADF"
mv x.trace both/b.trace
cp both/a.trace both/c.trace
run both
[ "$status" -eq 2 ] || fail "both: exit code $status"
grep -q '^both/b.trace:2:19: unknown call ' err || fail 'both: expected the place in b.trace'
[ "$(<out)" = 'both/a.trace: 1 calls, 0 differ, 0 unverifiable' ] || fail 'both: only a.trace ends'

# --- the command line ---
usage() # MESSAGE ARG...: exit code 2, nothing on stdout
{
	local message=$1
	shift
	status=0
	timeout "$limit" "$HWQ" "$@" >out 2>err || status=$?
	[ "$status" -eq 2 ] || fail "$*: exit code $status, expected 2"
	[ ! -s out ] || fail "$*: something on stdout"
	grep -qF -- "$message" err || fail "$*: expected '$message'"
}
usage 'usage: hwq COMMAND'
usage "unknown command 'repaly', expected one of: run replay exec bench" repaly
usage 'Unknown option --bad-option' replay --bad-option both/a.trace
usage 'no PATH is given' replay
usage "unknown target 'kernel', expected 'shim'" replay --target kernel both/a.trace
usage '--memory-limit must be between 1 and' replay --memory-limit 0 both/a.trace
usage '--memory-limit must be between 1 and' replay --memory-limit 17592186044417 both/a.trace
usage '--memory-limit' replay --memory-limit many both/a.trace

# --- hostile recordings ---
hostile=0
survive() # CODE LAST: x.trace ends with this exit code; its last line of output matches LAST
{
	run -q x.trace
	[ "$status" -eq "$1" ] || fail "$(sed -n 2p x.trace) ...: exit code $status, expected $1"
	if [ "$1" -eq 2 ]; then
		[[ $(<err) == x.trace:*:*": "*", "*", expected "* ]] || fail 'no place'
		grep -q "$2" err || fail "expected '$2'"
		! grep -qE '^[0-9]+ calls: ' out || fail 'a summary after an error'
	else
		[ ! -s err ] || fail 'something on stderr'
		tail -n 1 out | grep -qE "^$2\$" || fail "expected '$2'"
	fi
	hostile=$((hostile + 1))
}

device="$label open(\"/dev/iommu\", 0x2) = 3
$label ioctl(3, IOMMU_IOAS_ALLOC, {size=12, flags=0, out_ioas_id=0 => 1}) = 0
$label ioctl(3, IOMMU_TEST_CMD, {size=72, op=MOCK_DOMAIN, id=1, mock_domain.out_stdev_id=0 => 2, \
mock_domain.out_hwpt_id=0 => 4, mock_domain.out_idev_id=0 => 3, last=0}) = 0
$label ioctl(3, IOMMU_HWPT_ALLOC, {size=48, flags=3, dev_id=3, pt_id=1, out_hwpt_id=0 => 5, \
data_type=0, data_len=0, data_uptr=0, fault_id=0}) = 0
$label ioctl(3, IOMMU_VIOMMU_ALLOC, {size=40, flags=0, type=0xdeadbeef, dev_id=3, hwpt_id=5, \
out_viommu_id=0 => 6, data_len=0, data_uptr=0}) = 0
$label mmap(0x100000000000, 0x40000000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED|MAP_ANONYMOUS, \
-1, 0x0) = 0x100000000000
$label ioctl(3, IOMMU_IOAS_MAP, {size=40, flags=7, ioas_id=1, user_va=0x100000000000, \
length=0x20000000, iova=0x1000000}) = 0"

repeat() # COUNT FORMAT: a recording of COUNT lines; FORMAT has one %d, from 2 on
{
	echo '# hwq-capture 1' >x.trace
	seq 2 $(($1 + 1)) | sed "s/\(.*\)/$2/" >>x.trace
}

# Lengths that overflow, or that no memory has.
trace "$label mmap(0, 0xffffffffffffffff, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = -1 ENOMEM" \
	"$label mmap(0, 0x7ff000000000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x1000" \
	"$label mmap(0, 0x1000, PROT_READ, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0xfffffffffffff000" \
	"$label munmap(0, 0xffffffffffffffff) = -1 EINVAL"
survive 1 '4 calls: .*'
trace "$label memfd_create(\"x\", 0x0) = 3" \
	"$label ftruncate(3, 0x7fffffffffffffff) = 0" \
	"$label mmap(0x100000000000, 0x40000000, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_FIXED, 3, \
0xfffffffffffff000) = 0x100000000000" \
	"$label ftruncate(3, 0) = 0"
survive 0 '4 calls: 4 equal, 0 differ, 0 unverifiable'
trace "$device" "$label ioctl(3, IOMMU_HW_QUEUE_ALLOC, {size=40, flags=0, viommu_id=6, \
type=0xdeadbeef, index=0, out_hw_queue_id=0, nesting_parent_iova=0x1000000, \
length=0x8000000000000000}) = -1 ENOMEM"
survive 0 '8 calls: 8 equal, .*'
# 2^27 bits of a bitmap, then all of the address space.
trace "$device" "$label ioctl(3, IOMMU_TEST_CMD, {size=72, op=DIRTY, id=5, dirty.flags=0, \
dirty.iova=0, dirty.length=0x4000000000, dirty.page_size=2048, dirty.uptr=0x100000000000, \
dirty.out_nr_dirty=0, last=0}) = 0" \
	"$label ioctl(3, IOMMU_HWPT_SET_DIRTY_TRACKING, {size=16, flags=1, hwpt_id=5}) = 0" \
	"$label ioctl(3, IOMMU_HWPT_GET_DIRTY_BITMAP, {size=48, hwpt_id=5, flags=0, iova=0, \
length=0x4000000000, page_size=2048, data=0x100000000000}) = 0" \
	"$label ioctl(3, IOMMU_HWPT_GET_DIRTY_BITMAP, {size=48, hwpt_id=5, flags=0, iova=0, \
length=0xfffffffffffff800, page_size=2048, data=0x100000000000}) = 0"
survive 1 '11 calls: .*'
# 2^19 entries to invalidate, and 2^32 of 2^32 bytes.
trace "$device" "$label ioctl(3, IOMMU_HWPT_ALLOC, {size=48, flags=0, dev_id=3, pt_id=5, \
out_hwpt_id=0 => 7, data_type=0xdead, data_len=8, data_uptr=0x7ffff0000000->\"efbead0b00000000\", \
fault_id=0}) = 0" \
	"$label ioctl(3, IOMMU_HWPT_INVALIDATE, {size=32, hwpt_id=7, data_uptr=0x100000000000, \
data_type=0xdeadbeef, entry_len=8, entry_num=524288}) = 0" \
	"$label ioctl(3, IOMMU_HWPT_INVALIDATE, {size=32, hwpt_id=7, data_uptr=0x100000000000, \
data_type=0xdeadbeef, entry_len=0xffffffff, entry_num=0xffffffff => 0}) = -1 EINVAL"
survive 0 '10 calls: 10 equal, .*'
trace "$device" "$label ioctl(3, IOMMU_TEST_CMD, {size=72, op=CREATE_ACCESS, id=1, \
create_access.out_access_fd=0 => 4, create_access.flags=0, last=0}) = 0" \
	"$label ioctl(3, IOMMU_TEST_CMD, {size=72, op=ACCESS_RW, id=4, access_rw.iova=0x1000000, \
access_rw.length=0x1000000, access_rw.uptr=0x100020000000, access_rw.flags=0, last=0}) = 0" \
	"$label ioctl(3, IOMMU_TEST_CMD, {size=72, op=ACCESS_RW, id=4, access_rw.iova=0x1000000, \
access_rw.length=0xffffffffffffffff, access_rw.uptr=0x100020000000, access_rw.flags=0, last=0}) = 0"
survive 1 '10 calls: .*'
trace "$device" "$label read(3, \"\", 0xffffffffffffffff) = -1 EINVAL"
survive 2 "no room in the process for the call's buffer"
trace "$label ioctl(3, IOMMU_DESTROY, {size=0xffffffff, id=0}) = -1 EBADF"
survive 0 '1 calls: 1 equal, .*'

# Processes.
repeat 100000 "$label fork() = \1"
survive 1 '100000 calls: 4095 equal, 95905 differ, 0 unverifiable'
repeat 100000 '[\1.\1] 0.000000001 close(3) = -1 EBADF'
survive 2 'more processes than the limit'
repeat 100000 '[\1.\1] 0.000000001 fork() = \1'
survive 2 'more processes than the limit'
trace "$label exit(0) = ?" "$label close(3) = -1 EBADF"
survive 2 'a process acts after its exit'
trace "$label fork() = 2" "$label waitpid(2, 0x0, 0) = 2"
survive 1 '2 calls: 1 equal, 1 differ, 0 unverifiable'
repeat 1000 "$label fork() = 2\n[1.\1] 0.000000001 waitpid(2, 0x0, 0) = 2"
survive 2 'too many calls sleep at once'
trace "$device" "$label ioctl(3, IOMMU_FAULT_QUEUE_ALLOC, {size=16, flags=0, out_fault_id=0 => 7, \
out_fault_fd=0 => 4}) = 0" \
	"$label poll(4, 0x1 => 0x1, -1) = 1" \
	"$label poll(4, 0x1, 2147483647) = 0"
survive 1 '10 calls: 9 equal, 1 differ, 0 unverifiable'

# Descriptors and mappings.
repeat 100000 "$label open(\"\/dev\/iommu\", 0x2) = \1"
survive 1 '100000 calls: .*'
repeat 70000 "$label mmap(\100000000, 0x1000, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x1000"
sed -i 's/mmap(\([0-9]*\)00000000/mmap(0x\10000000/' x.trace
survive 1 '70000 calls: .*'
# More of the emulator's memory than its limit.
repeat 70000 "$label mmap(0x\10000000, 0x1000, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_ANONYMOUS, -1, 0) = 0x\10000000"
run -q --memory-limit 4 x.trace
[ "$status" -eq 2 ] || fail "memory limit: exit code $status"
grep -q 'needs more memory than the limit' err || fail 'memory limit'

# Lost output is no success.
trace "$label close(9) = -1 EBADF"
for option in -q --json; do
	status=0
	"$HWQ" replay $option x.trace >/dev/full 2>err || status=$?
	[ "$status" -eq 3 ] || fail "/dev/full: exit code $status, expected 3"
	grep -q "the output can't be written" err || fail '/dev/full'
done

echo "$refused inputs refused with their place, $hostile hostile ones survived"
