#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# test.sh [--no-install]: builds with sanitizers, fuzzes each target for 10 s, runs every test but the
# mutants (.ci/nightly).
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
tools/scripts/install-packages.sh "$@"
jobs=$(nproc)

cmake --preset asan
cmake --build --preset asan
cmake --preset fuzz
cmake --build --preset fuzz
ctest --preset fuzz -L fuzz -j "$jobs"

# Last: its closing lines are the summary.
ctest --preset asan --output-on-failure -j "$jobs"
