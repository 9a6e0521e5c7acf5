# shellcheck shell=sh disable=SC2154
# A release comes back from its backup, as a copy: the backup stays one of its own.
set -eu
cd "$BASE"
rm -rf ".deploy/incoming/$TO"
reflink=
if cp --reflink=auto --version >/dev/null 2>&1; then reflink=--reflink=auto; fi
# shellcheck disable=SC2086
cp -a $reflink "$BACKUPS/release_$TO" ".deploy/incoming/$TO" || {
  rm -rf ".deploy/incoming/$TO"
  exit 5
}
sync -f ".deploy/incoming/$TO"
own
# The damaged one, where there is one, is in nobody's way and goes with the next clean-up.
if [ -d "releases/$TO" ]; then mv -T "releases/$TO" ".deploy/incoming/damaged_$TO"; fi
mv -T ".deploy/incoming/$TO" "releases/$TO"
rm -rf ".deploy/incoming/damaged_$TO"
printf 'manifest\t%s\t' "$TO"
tr '\n\t' '  ' <"releases/$TO/MANIFEST.json"
echo
