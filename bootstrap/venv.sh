#!/bin/sh
# venv.sh run|dev: make .venv what requirements/ says, or find that it is.
#   run   what inv and fab need
#   dev   that, and the linters and test tools
set -eu
cd -- "$(dirname -- "$0")/.."
group=$1
python=.venv/bin/python
here=$(pwd -P)

# Settings for other installations would send the packages elsewhere, or nowhere.
unset PIP_PREFIX PIP_TARGET PYTHONHOME PYTHONPATH
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
cache=${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}
if ! mkdir -p "$cache" 2>/dev/null || [ ! -w "$cache" ]; then export PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1; fi

# What is installed ends with the place: programs and the editable install name it.
wanted="$(cat pyproject.toml requirements/*.txt bootstrap/venv.sh | cksum) $here"
fresh() { [ "$(cat ".venv/installed-$1" 2>/dev/null)" = "$wanted" ]; }
made_here() { cat .venv/installed-* 2>/dev/null | cut -d' ' -f3- | grep -qxF -e "$here"; }

if "$python" -c '' 2>/dev/null && { fresh dev || fresh "$group"; }; then exit 0; fi

# Debian's python3 alone has no pip, but anybody may download the package that carries it.
debian_pip() { # DIRECTORY
  (
    cd "$1"
    apt-get download python3-pip-whl || {
      mkdir -p lists/partial archives/partial
      options="-o Dir::State::Lists=$1/lists -o Dir::Cache=$1"
      # shellcheck disable=SC2086  # a list of words
      apt-get $options update && apt-get $options download python3-pip-whl
    }
    dpkg-deb -x python3-pip-whl_*.deb .
  ) >"$1/log" 2>&1 && ls "$1"/usr/share/python-wheels/pip-*.whl
}

make_venv() {
  base=$(bootstrap/python.sh)
  echo "Making .venv with $base"
  if command -v uv >/dev/null; then
    uv venv --quiet --clear --python "$base" .venv
  elif "$base" -c 'import ensurepip' 2>/dev/null; then
    "$base" -m venv --clear .venv
  elif "$base" -c 'import pip' 2>/dev/null; then
    "$base" -m venv --clear --without-pip .venv
    "$base" -m pip --python "$python" install --quiet --disable-pip-version-check pip
  elif scratch=$(mktemp -d) && wheel=$(debian_pip "$scratch"); then
    "$base" -m venv --clear --without-pip .venv
    "$python" "$wheel/pip" install --quiet --no-index --no-deps "$wheel"
    rm -rf "$scratch"
  else
    rm -rf "$scratch"
    echo "error: $base has neither venv nor pip; install python3-venv (Debian: apt-get install python3-venv), pip or uv" >&2
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

case $group in
  run) set -- -r requirements/run.txt -r requirements/build.txt ;;
  dev) set -- -r requirements/dev.txt ;;
  *) echo "usage: venv.sh run|dev" >&2 && exit 2 ;;
esac
if ! made_here || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  make_venv
fi
rm -f .venv/installed-*
uv=$(command -v .venv/bin/uv || command -v uv || :)
if [ -z "$uv" ]; then
  echo "Installing uv in it"
  if with_pip --no-deps --require-hashes -r requirements/uv.txt; then
    uv=.venv/bin/uv
  else
    echo "no uv for this machine; pip does it, slower"
  fi
fi
echo "Installing in it the packages of requirements/$group.txt"
install --no-deps --require-hashes "$@"
echo "Installing this project in it"
install --no-deps --no-build-isolation --editable .
echo "$wanted" >".venv/installed-$group"
