#!/bin/bash
# install_packages.sh GROUP...: installs what tools/packages.txt lists for these groups and is not
# there yet. As root, or by sudo.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=()
for group in "$@"; do
    while read -r name; do
        wanted+=("$name")
    done < <(awk -v group="$group" '$1 == group { print $2 }' tools/packages.txt)
done

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    echo "this is no Debian-like system: going on with what is installed. Needed are the" \
        "counterparts of: ${wanted[*]}" >&2
    exit 0
fi

missing=()
for name in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$name")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "packages are missing; install them as root, then run this again:" \
            "apt-get install ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "installing ${missing[*]}"
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -q install -y --no-install-recommends "${missing[@]}" </dev/null
