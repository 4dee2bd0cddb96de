#!/bin/bash
# fetch_corpus.sh FOLDER: the text that the demo model is trained on, from Debian 12 packages (their
# licences stand in docs/DEMO_MODEL.md). Downloads and unpacks them; installs nothing.
set -euo pipefail
folder=${1:?usage: fetch_corpus.sh FOLDER}
packages=(debian-policy debian-reference-en developers-reference installation-guide-amd64 maint-guide
    python3.11-doc linux-doc-6.1)

mkdir -p "$folder"
folder=$(realpath "$folder")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get -q download "${packages[@]}" && for deb in *.deb; do dpkg -x "$deb" .; done)
doc=$work/usr/share/doc
cp "$doc/debian-policy/policy.txt.gz" "$work/usr/share/debian-reference/debian-reference.en.txt.gz" \
    "$work/usr/share/developers-reference/developers-reference.txt.gz" \
    "$doc/installation-guide-amd64/en/install.en.txt.gz" \
    "$doc/maint-guide/maint-guide.en.txt.gz" "$folder/"
mkdir -p "$folder/python" "$folder/linux"
cp -r "$doc"/python3.11/html/_sources/{extending,faq,howto,reference,tutorial,using} "$folder/python/"
(cd "$doc/linux-doc-6.1" && find . \( -name '*.rst' -o -name '*.rst.gz' \) -not -path '*/translations/*' \
    -exec cp --parents {} "$folder/linux/" \;)
du -sh "$folder"
