#!/bin/sh
# lock.sh [--upgrade]: compile requirements/ from pyproject.toml. Needs .venv (make setup).
# Hashes for every platform, no addresses: an address in git would decide where others download.
set -eu
cd -- "$(dirname -- "$0")/.."
[ -x .venv/bin/uv ] || .venv/bin/python -m pip install --quiet uv
compile() { # OUTPUT ARGUMENT...
  output=$1
  shift
  .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
    --no-header --no-emit-index-url --output-file "$output" "$@"
}
compile requirements/dev.txt pyproject.toml --group dev "$@"
compile requirements/run.txt pyproject.toml --constraint requirements/dev.txt
printf 'hatchling\neditables\n' |
  compile requirements/build.txt - --constraint requirements/dev.txt
echo uv | compile requirements/uv.txt - "$@"
