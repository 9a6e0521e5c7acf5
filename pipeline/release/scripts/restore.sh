# shellcheck shell=sh disable=SC2154
# A release that is only left as a backup comes back, by hard links where the disk is the same.
set -eu
cd "$BASE"
if [ ! -d "releases/$TO" ]; then
  rm -rf ".deploy/incoming/$TO"
  cp -al "$BACKUPS/release_$TO" ".deploy/incoming/$TO" 2>/dev/null || {
    rm -rf ".deploy/incoming/$TO"
    cp -a "$BACKUPS/release_$TO" ".deploy/incoming/$TO"
  }
  mv -T ".deploy/incoming/$TO" "releases/$TO"
fi
printf 'manifest\t%s\t' "$TO"
tr '\n\t' '  ' <"releases/$TO/MANIFEST.json"
echo
