#!/bin/sh
# packages.sh: install what bootstrap/debian.txt names and this machine lacks.
# Only root on Debian installs; anyone else is told what is missing, and goes on without.
set -eu
here=$(dirname -- "$0")

present() { # PACKAGE COMMAND
  if [ "$2" != - ] && { command -v "$2" || command -v "/usr/sbin/$2"; } >/dev/null 2>&1; then
    return 0
  fi
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing='' told=''
while read -r package command purpose; do
  case $package in '' | '#'*) continue ;; esac
  present "$package" "$command" && continue
  [ "$command" = - ] && ! command -v dpkg-query >/dev/null && continue # nothing to ask
  missing="$missing $package"
  told="$told
  $package: $purpose"
done <"$here/debian.txt"
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed here; the tests that need them will be skipped:$told"
  if command -v apt-get >/dev/null; then
    echo "An administrator installs them with: apt-get install --no-install-recommends$missing"
  fi
  exit 0
fi
# shellcheck disable=SC2086  # a list of words
"$here/apt.sh" --those-there $missing || echo "The tests that need them will be skipped."
