#!/bin/sh
# Checks the shell scripts FILE..., installing the checker where that is possible.
set -eu
if ! command -v shellcheck >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    "$(dirname -- "$0")/apt.sh" shellcheck
  else
    echo "shellcheck is not installed here; not checked: $*"
    exit 0
  fi
fi
exec shellcheck "$@"
