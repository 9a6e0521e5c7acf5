# shellcheck shell=sh disable=SC2154
# The backup of the serving release: hard links, so it takes no space and outlives a clean-up.
set -eu
if [ -n "$FROM" ] && [ ! -d "$BACKUPS/release_$FROM" ]; then
  rm -rf "$BACKUPS/.partial_$FROM"
  cp -al "$BASE/releases/$FROM" "$BACKUPS/.partial_$FROM" 2>/dev/null || {
    rm -rf "$BACKUPS/.partial_$FROM"
    cp -a "$BASE/releases/$FROM" "$BACKUPS/.partial_$FROM"
  }
  mv -T "$BACKUPS/.partial_$FROM" "$BACKUPS/release_$FROM"
  echo "backed-up"
fi
