# shellcheck shell=sh disable=SC2154
# The backup of the serving release. It shares no file with what serves (COPY=copy), so that what
# damages the one leaves the other; where the file system can, a reflink takes no room.
set -u
release=$BASE/releases/$FROM
backup=$BACKUPS/release_$FROM
half=$BACKUPS/.partial_$FROM
rm -rf "$BACKUPS"/.partial_* # of commands that were cut off
file() { stat -c %d:%i "$1/SHA256SUMS" 2>/dev/null; }
if [ -d "$backup" ] && [ "$COPY" = copy ] && [ "$(file "$release")" = "$(file "$backup")" ]; then
  : # hard links, of an older version of these scripts or of another setting: made again
elif [ -d "$backup" ]; then
  exit 0
fi
reflink=
if cp --reflink=auto --version >/dev/null 2>&1; then reflink=--reflink=auto; fi
if [ "$COPY" = copy ] || ! cp -al "$release" "$half" 2>/dev/null; then
  rm -rf "$half"
  # shellcheck disable=SC2086
  cp -a $reflink "$release" "$half" || {
    rm -rf "$half" # half a copy would keep the disk full
    exit 5
  }
fi
own
rm -rf "$backup" && mv -T "$half" "$backup" || exit 5
echo "backed-up"
