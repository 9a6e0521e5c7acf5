#!/bin/sh
# venv.sh run|dev: make .venv what requirements/ says, or find that it is.
#   run   what inv and fab need
#   dev   that, and the linters and test tools
set -eu
cd -- "$(dirname -- "$0")/.."
group=$1
python=.venv/bin/python

stamp() { cat pyproject.toml requirements/*.txt bootstrap/venv.sh | cksum; }
fresh() { [ "$(cat ".venv/installed-$1" 2>/dev/null)" = "$wanted" ]; }

wanted="$PWD $(stamp)"
if "$python" -c '' 2>/dev/null && { fresh dev || fresh "$group"; }; then exit 0; fi

make_venv() {
  base=$(bootstrap/python.sh)
  if command -v uv >/dev/null; then
    uv venv --quiet --clear --python "$base" .venv
  elif "$base" -c 'import ensurepip' 2>/dev/null; then
    "$base" -m venv --clear .venv
  elif "$base" -c 'import pip' 2>/dev/null; then
    "$base" -m venv --clear --without-pip .venv
    "$base" -m pip --python .venv/bin/python install --quiet pip
  elif [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    bootstrap/apt.sh python3-venv
    "$(bootstrap/python.sh)" -m venv --clear .venv
  else
    echo "error: $base cannot make virtual environments; an administrator runs: apt-get install python3-venv" >&2
    exit 2
  fi
}

# Both install the same: exact versions, hashes checked, nothing resolved anew.
with_uv() { "$uv" pip install --quiet --python "$python" "$@"; }
with_pip() { "$python" -m pip install --quiet --disable-pip-version-check "$@"; }
install() {
  if [ -n "$uv" ] && with_uv "$@"; then return; fi
  if [ -n "$uv" ]; then echo "uv could not; trying pip, which has settings of its own"; fi
  "$python" -c 'import pip' 2>/dev/null || "$python" -m ensurepip
  with_pip "$@"
}

echo "Setting up .venv ($group)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || make_venv
rm -f .venv/installed-*
uv=$(command -v .venv/bin/uv || command -v uv || :)
if [ -z "$uv" ]; then
  if with_pip --no-deps --require-hashes -r requirements/uv.txt; then
    uv=.venv/bin/uv
  else
    echo "no uv for this machine; pip does it, slower"
  fi
fi
case $group in
  run) install --no-deps --require-hashes -r requirements/run.txt -r requirements/build.txt ;;
  dev) install --no-deps --require-hashes -r requirements/dev.txt ;;
  *) echo "usage: venv.sh run|dev" >&2 && exit 2 ;;
esac
install --no-deps --no-build-isolation --editable .
echo "$wanted" >".venv/installed-$group"
