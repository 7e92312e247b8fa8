#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# hwq run --qemu-events: the lines that QEMU's models print for the same commands, registers and faults.
set -euo pipefail

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failed=0

# The events of a scenario.
events() # FILE OPTION...
{
	"$HWQ" run --table --qemu-events "$scratch/events" "$@" >"$scratch/out" 2>&1 || { cat "$scratch/out"; exit 1; }
}

# Each line of stdin comes in the events, in this order.
expect() # WHAT
{
	local at=0 line found
	while IFS= read -r line; do
		found=$(tail -n "+$((at + 1))" "$scratch/events" | grep -nxF -m 1 -- "$line" | cut -d: -f1) || true
		if [ -z "$found" ]; then
			echo "FAILED: $1: no line after $at says '$line'"
			failed=1
			return
		fi
		at=$((at + found))
	done
}

# What Linux left in its queue under QEMU: ranges are told in aligned pieces.
events "$HWQ_SOURCE_DIR/traces/smmuv3/stage2.hwq"
expect "recorded commands" <<'END'
smmuv3_read_mmio addr: 0x0 val:0xd441019 size: 0x4(0)
smmuv3_write_mmio addr: 0x98 val:0x15ef size: 0x4(0)
smmuv3_cmdq_consume prod=5615 cons=5610 prod.wrap=0 cons.wrap=0
smmuv3_cmdq_opcode <--- SMMU_CMD_SYNC
smmuv3_cmdq_consume prod=5615 cons=5611 prod.wrap=0 cons.wrap=0
smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_S2_IPA
smmuv3_range_inval vmid=10 asid=-1 addr=0x60023000 tg=1 num_pages=0x1 ttl=3 leaf=1 stage=2
smmuv3_range_inval vmid=10 asid=-1 addr=0x60024000 tg=1 num_pages=0x4 ttl=3 leaf=1 stage=2
smmuv3_range_inval vmid=10 asid=-1 addr=0x60028000 tg=1 num_pages=0x8 ttl=3 leaf=1 stage=2
smmuv3_range_inval vmid=10 asid=-1 addr=0x60030000 tg=1 num_pages=0x8 ttl=3 leaf=1 stage=2
smmuv3_read_mmio addr: 0x9c val:0x15ef size: 0x4(0)
smmuv3_record_event SMMU_EVT_F_PERMISSION sid=0x20
smmuv3_record_event SMMU_EVT_F_TRANSLATION sid=0x20
END

# Opcode 0 stops the queue; the error is told with the next event, and so is its acknowledgement.
cat >"$scratch/stop.hwq" <<'END'
# hwq-scenario 1
profile grace bare
mmio write smmu.CMDQ_BASE 0x100200004
mmio write smmu.CR0 0x8
mmio write smmu.CMDQ_PROD 0x12
run 1ms
mmio read smmu.GERROR = 1
mmio write smmu.GERRORN 1
mmio write cmdqv+0x4 0x0
expect none
END
events "$scratch/stop.hwq"
expect "a queue that stops" <<'END'
smmuv3_write_mmio addr: 0x98 val:0x12 size: 0x4(0)
smmuv3_cmdq_consume prod=2 cons=0 prod.wrap=1 cons.wrap=0
smmuv3_cmdq_opcode <--- UNKNOWN
smmuv3_cmdq_consume_error Error on UNKNOWN command execution: 1
smmuv3_write_gerror toggled=0x1, new GERROR=0x1
smmuv3_read_mmio addr: 0x60 val:0x1 size: 0x4(0)
smmuv3_write_gerrorn acked=0x1, new GERRORN=0x1
smmuv3_write_mmio addr: 0x64 val:0x1 size: 0x4(0)
tegra241_cmdqv_write_mmio offset: 0x4 val: 0x0 size: 0x4
END

if [ "$(grep -c smmuv3_write_gerror "$scratch/events")" != 2 ]; then
	echo "FAILED: one error and one acknowledgement are told otherwise"
	failed=1
fi

# Commands of VCMDQs have no events, a guest's or the host's; those of the main queue have.
events "$HWQ_SOURCE_DIR/traces/flagship/vcmdq-05-foreign-command.hwq" --kernel cmdqv.bypass_vcmdq=on
expect "the driver of an SMMU" <<'END'
smmuv3_cmdq_opcode <--- SMMU_CMD_CFGI_STE_RANGE
smmuv3_cmdq_cfgi_ste_range start=0x0 - end=0xffffffff
smmuv3_cmdq_opcode <--- SMMU_CMD_TLBI_NSNH_ALL
smmuv3_cmdq_tlbi_nsnh
smmuv3_cmdq_opcode <--- SMMU_CMD_CFGI_STE
smmuv3_cmdq_cfgi_ste streamid= 0x10
END
if grep -q 'TLBI_NH_ASID\|tlbi_nh_asid' "$scratch/events"; then
	echo "FAILED: a guest's own command is told"
	failed=1
fi

events "$HWQ_SOURCE_DIR/traces/amd/hazard-1-flush-coverage-safe.hwq"
expect "the driver of an AMD IOMMU" <<'END'
amdvi_mmio_read AMDVI_MMIO_EXT_FEATURES addr 0x30, size 8 offset 0x30
amdvi_mmio_write AMDVI_MMIO_COMMAND_TAIL addr 0x2008, size 4, val 0x10, offset 0x2008
amdvi_command_exec command buffer head at 0x0 command buffer tail at 0x20 command buffer base at 0x100200000
amdvi_all_inval Invalidation of all IOMMU cache requested
amdvi_command_exec command buffer head at 0x10 command buffer tail at 0x20 command buffer base at 0x100200000
amdvi_completion_wait completion wait requested with store address 0x100202000 and store data 0x1
amdvi_devtab_inval device table entry for devid: 00:02.0 invalidated
END

if "$HWQ" run --qemu-events "$scratch/missing/events" "$scratch/stop.hwq" >"$scratch/out" 2>&1; then
	echo "FAILED: a file that can't be written is accepted"
	failed=1
fi
grep -q 'missing/events: cannot be written' "$scratch/out" || failed=1
exit "$failed"
