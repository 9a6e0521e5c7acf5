# shellcheck shell=sh disable=SC2154
# Remove what retention names, never what `current` leads to; a last look before each removal.
set -u
current=$(readlink "$BASE/current" 2>/dev/null)
for name in $RELEASES; do
  [ "releases/$name" != "$current" ] || continue
  rm -rf "${BASE:?}/releases/$name" "$BASE/.deploy/failed/$name" && echo "removed	releases/$name"
done
for name in $OLD_BACKUPS; do
  rm -rf "${BACKUPS:?}/release_$name" && echo "removed	backups/release_$name"
done
rm -rf "$BASE/.deploy/incoming"
mkdir -p "$BASE/.deploy/incoming"
