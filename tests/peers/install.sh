#!/bin/sh
# Installs the independent implementations that tests/peers.rs tries the box with, pinned and with hashes, into the
# folder it is given. What is there and made from the same lock files is kept.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
tools=$1
stamp=$(cat "$here/requirements.txt" "$here/package-lock.json" | sha256sum)

if [ "$(cat "$tools/stamp" 2>/dev/null)" = "$stamp" ]; then
  echo "peers are there"
  exit 0
fi
echo "installing peers"
rm -rf "$tools"
mkdir -p "$tools"
python3 -m venv "$tools/venv"
"$tools/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes --no-deps --requirement "$here/requirements.txt"
cp "$here/package.json" "$here/package-lock.json" "$tools/"
(cd "$tools" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
echo "$stamp" > "$tools/stamp"
