#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install-packages.sh [--no-install]: installs those Debian packages of packages.txt that are
# missing.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

case ${1-} in
'') ;;
--no-install)
	echo "packages: not checked, not installed (--no-install); packages.txt lists them"
	exit 0
	;;
*)
	echo "usage: $(basename "$0") [--no-install]" >&2
	exit 2
	;;
esac

mapfile -t packages < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$here/packages.txt")

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	echo "packages: no Debian system; install the like of these, then pass --no-install:" >&2
	echo "  ${packages[*]}" >&2
	exit 1
fi

missing=()
for package in "${packages[@]}"; do
	status=$(dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null || true)
	grep -qx installed <<<"$status" || missing+=("$package")
done
[ "${#missing[@]}" -gt 0 ] || exit 0

run=()
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "packages: missing, and neither root nor sudo to install them:" >&2
		echo "  ${missing[*]}" >&2
		exit 1
	fi
	run=(sudo)
fi
echo "packages: about to install ${missing[*]}"
run+=(env DEBIAN_FRONTEND=noninteractive apt-get -q)
if ! { "${run[@]}" update && "${run[@]}" install -y --no-install-recommends "${missing[@]}"; }; then
	echo "packages: could not install ${missing[*]}" >&2
	exit 1
fi
