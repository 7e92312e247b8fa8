#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A scenario with something wrong in it: exit code 2, nothing on stdout that looks like a result, and
# one line on stderr, `file:line:column: what, why, expected ...`, that points at the wrong word and
# names the nearest valid one where there is one. Each is one change of a scenario that runs.
# shellcheck disable=SC2016 # a $ here is one of scenarios
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$HWQ_SOURCE_DIR"
origin=traces/flagship/vcmdq-05-foreign-command.hwq
copy=$scratch/x.hwq
failures=0
count=0

fail()
{
	echo "FAILED: $*" >&2
	failures=$((failures + 1))
}

run() # PLACE MESSAGE: the copy is refused there, with a message that begins so and expects something
{
	local status=0 got
	count=$((count + 1))
	"$HWQ" run "$copy" >"$scratch/out" 2>"$scratch/err" </dev/null || status=$?
	got=$(cat "$scratch/err")
	got=${got//"$copy"/x.hwq}
	[ "$status" -eq 2 ] || fail "$name: exit code $status, expected 2"
	[ "$(wc -l <"$scratch/err")" -eq 1 ] || fail "$name: $(wc -l <"$scratch/err") lines, expected 1"
	if grep -qE 'as expected|no violation|^case|BUG' "$scratch/out"; then
		fail "$name: stdout claims a result: $(tail -n 1 "$scratch/out")"
	fi
	# Unquoted: the place may be a pattern.
	# shellcheck disable=SC2053
	[[ $got == x.hwq:$1:\ "$2"* ]] || fail "$name: $got, expected x.hwq:$1: $2..."
	[[ $got =~ ^x\.hwq:[1-9][0-9]*:[1-9][0-9]*:\ [^,]+,\ .+,\ expected\ [^\ ] ]] ||
		fail "$name: $got, expected file:line:column: what, why, expected ..."
}

place_of() # WORD: line:column of its first occurrence in a changed line, else in any
{
	W=$1 awk '
	FNR == NR { known[$0] = 1; next }
	/^#/ || !(at = index($0, ENVIRON["W"])) { next }
	!($0 in known) { place = FNR ":" at; exit }
	any == "" { any = FNR ":" at }
	END { print place != "" ? place : any }
	' "$origin" "$copy"
}

# The copy made with SED is refused at the first WORD in it.
refused() # SED WORD MESSAGE
{
	name=$1
	sed -E "$1" "$origin" >"$copy"
	! cmp -s "$origin" "$copy" || fail "$1 changes nothing"
	run "$(place_of "$2")" "$3"
}

# The same where something is missing: at LINE (a pattern), COLUMN being that behind its last byte.
lacking() # SED LINE MESSAGE
{
	local line length
	name=$1
	sed -E "$1" "$origin" >"$copy"
	! cmp -s "$origin" "$copy" || fail "$1 changes nothing"
	line=$(grep -nm 1 -e "$2" "$copy" | cut -d: -f1)
	length=$(sed -n "${line}p" "$copy" | tr -d '\n' | wc -c)
	run "$line:$((length + 1))" "$3"
}

unknown() # SED WHAT WORD NEAREST
{
	refused "$1" "$3" "unknown $2 '$3', it is not in the language, expected perhaps '$4'"
}

status=0
"$HWQ" run "$origin" >/dev/null || status=$?
[ "$status" -eq 0 ] || fail "$origin as it is: exit code $status"

# --- unknown words ---

unknown 's/^profile/profil/' directive profil profile
unknown 's/^kernel/kernal/' directive kernal kernel
unknown 's/^expect/expct/' directive expct expect
unknown 's/^title/titel/' directive titel title
unknown 's/^device v/devise v/' directive devise device
unknown 's/^queue/que/' directive que queue
unknown 's/^run 5us/after 1us rum 5us/' directive rum ram
unknown 's/^vmm: munmap/vmn: munmap/' actor vmn vmm
unknown 's/^other: mmap/othr: mmap/' actor othr other
unknown 's/^guest: write vcmdq0.PROD_INDX 4/gest: write vcmdq0.PROD_INDX 4/' actor gest guest
unknown 's/^vmm: munmap.*/host: migrate vmn $queue = 0/' actor vmn vmm
unknown 's/^vmm: munmap/vmm: munnmap/' call munnmap munmap
unknown 's/IOMMU_HWPT_ALLOC/IOMMU_HWTP_ALLOC/' ioctl IOMMU_HWTP_ALLOC IOMMU_HWPT_ALLOC
unknown 's/(IOAS_UNMAP.*) length=/\1 lenght=/' field lenght length
unknown 's/TLBI_NH_VA/TLBI_NH_V/' command TLBI_NH_V TLBI_NH_VA
unknown 's/commands TLBI_NH_ASID/commands TLBI_NH_ASDI/' command TLBI_NH_ASDI TLBI_NH_ASID
unknown 's/asid=1 va/asd=1 va/' operand asd asid
unknown 's/pin=off/pin=of/' 'kernel option' hw_queue.pin=of hw_queue.pin=off
unknown 's/hw_queue.pin=off/hw_queue.destroy=unpinfirst/' 'kernel option' \
	hw_queue.destroy=unpinfirst hw_queue.destroy=unpin-first
unknown 's/foreign-command/foreign-comand/' violation foreign-comand foreign-command
unknown 's/PROD_INDX 4/PROD_INDEX 4/' register PROD_INDEX PROD_INDX
unknown 's/read vcmdq0.CONS_INDX/read vcmdq0.CONS_IDX/' register CONS_IDX CONS_INDX
unknown 's/dma vfio0 read/dma vfio0 raed/' direction raed read
unknown 's/(dma vfio0 read iova=0x40000000 =) ok/\1 okk/' outcome okk ok
refused 's/^profile grace/profile grece/' grece "unknown profile 'grece', "
refused 's/^guest: write/guest: wriet/' wriet "bad guest line 'wriet', "
unknown 's/^vmm: munmap.*/host: migrat vmm $queue = 0/' 'host line' migrat migrate
refused 's/dma vfio0/dma vfio1/' vfio1 "unknown device 'vfio1', "
refused 's/vcmdq0.PROD_INDX 4/vcmdq1.PROD_INDX 4/' vcmdq1 "unknown queue in 'vcmdq1.PROD_INDX', "
refused 's/(store .theirs) commands/\1 byts/' byts "bad store 'byts', "
refused 's/engine=vcmdq0/engine=vcmdq7/' engine=vcmdq7 "bad expectation 'engine=vcmdq7', "
refused 's/^run 5us/fault port=smmu access=comand-fetch action=abort/' access=comand \
	"unknown kind of access 'comand-fetch', it is not in the language, expected perhaps 'command-fetch'"
refused 's/^run 5us/fault port=smmu access=command-fetch action=explode/' action=explode \
	"bad fault 'explode', "
refused 's/^run 5us/delay 5us behind CMD_SYNC/' behind "bad delay 'behind', "

# --- names, and what must come before ---

refused 's/munmap\(\$queue/munmap($queu/' '$queu,' "unknown name '\$queu', "
refused 's/store \$theirs/store $their/' '$their ' "unknown name '\$their', "
refused 's/gpa=0x40000000 va=\$queue/gpa=0x40000000 va=$quee/' 'va=$quee' "unknown name '\$quee', "
refused '/^other: mmap/d' '$theirs' "unknown name '\$theirs', "
refused '/^queue vcmdq0/d' vcmdq0.CONFIG "unknown queue in 'vcmdq0.CONFIG', "
refused '/^profile/d' vfio0 'no hardware yet, nothing says which, '
refused 's/^run 5us/profile grace2/' grace2 "second profile 'grace2', "

# --- values ---

for duration in 5 5usec us -5us 5.5.5us; do
	refused "s/^run 5us/run $duration/" "$duration" "bad duration '$duration', "
	refused "s/^run 5us/after $duration run 5us/" "$duration run" "bad duration '$duration', "
	refused "s/^run 5us/at $duration run 5us/" "$duration run" "bad duration '$duration', "
	refused "s/^run 5us/delay $duration at x/" "$duration at" "bad duration '$duration', "
done
refused 's/^expect/at 1ns expect/' expect "no time for 'expect', it happens at no instant, expected "
refused 's/PROD_INDX 4/PROD_INDX four/' four "bad value 'four', "
refused 's/gpa=0x40000000 va/gpa=0x4000000g va/' gpa=0x4000000g "bad value '0x4000000g', "
refused 's/asid=1 va/asid=x va/' 'x va=' "bad value 'x', "
refused 's/asid=1 va/asid=65536 va/' 65536 "bad value '65536', it does not fit"
refused 's/vmid=7/vmid=0x10000/' 0x10000 "bad value '0x10000', it does not fit"
refused 's/asid=1 va/asid va/' ' va=0x1000' "operand 'asid' has no value, "
refused 's/sid=0x10$/sid=0x1000/' sid=0x1000 "bad device 'sid=0x1000', "
refused 's/entries=128/entrys=128/' entrys=128 "bad queue 'entrys=128', "
refused 's/length=0x1000$/size=0x1000/' size=0x1000 "bad guest memory 'size=0x1000', "
refused 's/^vmm: munmap.*/vmm: read($fd, "00", 24) = 24/' '"00"' \
	'bad buffer, it shows 1 bytes of the 24 that are read, '
refused 's/^(other: store .theirs) .*/\1 bytes "0"/' '0"' 'half a byte, '
refused 's/^(other: store .theirs) .*/\1 bytes 12/' 12 'no string, '

# --- missing and left-over words ---

lacking 's/^run 5us/run/' '^run' "bad duration '', "
lacking 's/^kernel .*/kernel/' '^kernel' "unknown kernel option '', "
lacking 's/^profile .*/profile/' '^profile' "unknown profile '', "
lacking 's/^expect .*/expect/' '^expect' "unknown violation '', "
lacking 's/PROD_INDX 4/PROD_INDX/' 'PROD_INDX$' "bad value '', "
lacking 's/(TLBI_NH_VA.*, CMD_SYNC)$/\1,/' ',$' "unknown command '', "
lacking 's/^run 5us/fault port=smmu access=command-fetch/' '^fault' "bad fault '', "
lacking 's/(dma vfio0 read iova=0x40000000 =) ok/\1/' '^device:' "unknown outcome '', "
refused 's/^profile grace/profile grace hopper/' hopper "left over 'hopper', "
refused 's/pin=off/pin=off now/' now "left over 'now', "
refused 's/^run 5us/run 5us twice/' twice "left over 'twice', "
refused 's/sid=0x10$/sid=0x10 ats=1/' ats=1 "bad device 'ats=1', "
refused 's/entries=128/entries=128 wrap=1/' wrap=1 "left over 'wrap=1', "
refused 's/PROD_INDX 4/PROD_INDX 4 twice/' twice "left over 'twice', "
refused 's/CONS_INDX = 2/CONS_INDX = 2 or more/' or "left over 'or', "
refused 's/(dma .* = ok)/\1 now/' now "left over 'now', "
refused 's/engine=vcmdq0/engine=vcmdq0 twice/' twice "bad expectation 'twice', "
refused 's/^expect .*/expect none now/' now "bad expectation 'now', "
refused 's/(munmap.*) = 0/\1 = 0 now/' now 'misplaced error, '

# --- the first line, and files that end early ---

for header in '# hwq-scenario 2' '# hwq-capture 1' '# hwq-scenario' '#hwq-scenario 1' ''; do
	name="header '$header'"
	{ echo "$header"; sed 1d "$origin"; } >"$copy"
	run 1:1 "unknown header, line 1 names the format, expected '# hwq-scenario 1'"
done
name='no header'
sed 1d "$origin" >"$copy"
run 1:1 'unknown header, '
name='an empty file'
: >"$copy"
run 1:1 'empty file, '

cut_after() # WORD MESSAGE: the file ends right behind the first WORD
{
	name="cut after $1"
	W=$1 awk '{
		if (!/^#/ && (at = index($0, ENVIRON["W"]))) {
			printf "%s", substr($0, 1, at - 1 + length(ENVIRON["W"]))
			exit
		}
		print
	}' "$origin" >"$copy"
	run "$(($(wc -l <"$copy") + 1)):*" "$2"
}

cut_after 'IOMMU_IOAS_UNMAP, {ioas_id' ''
cut_after 'munmap($queue, 0x1' ''
cut_after 'store $theirs comm' "bad store 'comm', "
cut_after 'TLBI_NH_ASID asid=' "bad value '', "
cut_after 'expect foreign-com' 'unknown violation '
cut_after 'entries' 'bad queue '
# Hardware that the driver refuses, unless there is no driver; on the command line, too.
sed 's/^\(cmdqs.log2 *\)= 19/\1= 6/' profiles/grace >"$scratch/small"
refused 's/^profile grace/profile .\/small/' ./small "profile '"
grep -qF "refused by the driver, its command queue has 64 entries or fewer (IDR1.CMDQS), " "$scratch/err" ||
	fail "$name: $(cat "$scratch/err")"
for option in 'profile grace' 'run 1us'; do
	name="--profile of refused hardware, with the line '$option'"
	printf '# hwq-scenario 1\n%s\n' "$option" >"$copy"
	count=$((count + 1))
	status=0
	"$HWQ" run --profile "$scratch/small" "$copy" >"$scratch/out" 2>"$scratch/err" || status=$?
	if ! { [ "$status" -eq 2 ] && grep -qE '^--profile:1:1: profile .*, .*, expected ' "$scratch/err"; }; then
		fail "$name: exit code $status, $(cat "$scratch/err")"
	fi
done
name='bare hardware that a driver would refuse'
printf '# hwq-scenario 1\nprofile ./small bare\n' >"$copy"
"$HWQ" run "$copy" >"$scratch/out" 2>"$scratch/err" || fail "$name: $(cat "$scratch/err")"

name='a cut zstd file'
copy=$scratch/x.hwq.zst
zstd -q "$origin" -o "$copy"
truncate -s -9 "$copy"
count=$((count + 1))
status=0
"$HWQ" run "$copy" >"$scratch/out" 2>"$scratch/err" || status=$?
if ! { [ "$status" -eq 2 ] && grep -q 'x\.hwq\.zst:[0-9]*:[0-9]*: .*, expected ' "$scratch/err"; }; then
	fail "$name: exit code $status, $(cat "$scratch/err")"
fi
! grep -q 'as expected' "$scratch/out" || fail "$name: stdout claims a result"

# One bad file among good ones: no table, no count.
name='a bad file in a directory'
mkdir "$scratch/all"
cp "$origin" "$scratch/all/1.hwq"
sed 's/^run/rum/' "$origin" >"$scratch/all/2.hwq"
count=$((count + 1))
status=0
"$HWQ" run "$scratch/all" >"$scratch/out" 2>"$scratch/err" || status=$?
[ "$status" -eq 2 ] || fail "$name: exit code $status, expected 2"
! grep -qE 'as expected|^case' "$scratch/out" || fail "$name: stdout claims a result"

echo "$count wrong scenarios, $failures failures"
[ "$failures" -eq 0 ]
