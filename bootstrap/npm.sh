#!/bin/sh
# npm.sh: install the node packages of the sample app and of the tests as their lock files say,
# where they are not.
set -eu
cd -- "$(dirname -- "$0")/.."
if ! command -v npm >/dev/null; then
  echo "npm is not installed here; the tests that need it will be skipped."
  exit 0
fi
for package in examples/qusto/assets examples/qusto/tracker tests/schemas; do
  # npm writes this file last.
  done=$package/node_modules/.package-lock.json
  if [ -e "$done" ] && [ -z "$(find "$package/package-lock.json" -newer "$done")" ]; then continue; fi
  echo "Installing the node packages of $package"
  npm ci --prefix "$package" --no-audit --no-fund --loglevel=error ||
    echo "npm could not; the tests that need them will be skipped."
done
