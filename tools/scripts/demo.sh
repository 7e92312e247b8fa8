#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# demo.sh [--no-install]: builds hwq, runs the experiments on a VCMDQ, and replays
# calls that were recorded on a real kernel.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools/scripts/install-packages.sh "$@"

# Quiet unless it fails.
mkdir -p build
log=build/demo.log
{ cmake --preset release && cmake --build --preset release; } >"$log" 2>&1 || {
	cat "$log" >&2
	exit 1
}

echo "build/release/hwq run traces/flagship"
build/release/hwq run traces/flagship
echo "build/release/hwq replay traces/captures/iommufd"
exec build/release/hwq replay traces/captures/iommufd
