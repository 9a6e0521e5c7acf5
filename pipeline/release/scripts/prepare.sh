# shellcheck shell=sh disable=SC2154,SC2034
# After the upload, before the outage: verify and put in place. `prove.sh` goes on from here.
set -eu
cd "$BASE"
incoming=.deploy/incoming/release
tarball=".deploy/incoming/$TO.tar.gz"
if [ -f "$tarball" ]; then
  rm -rf "$incoming"
  mkdir "$incoming"
  tar -xzf "$tarball" -C "$incoming"
  rm -f "$tarball"
fi
differing=$(verify_tree "$incoming" "$DIGEST") || { echo "$differing" >&2; exit 4; }
(
  cd "$incoming"
  found=$(find . -type f ! -name MANIFEST.json ! -path ./SHA256SUMS | wc -l)
  listed=$(grep -vc '  \./.*MANIFEST\.json$' SHA256SUMS)
  [ "$found" -eq "$listed" ] || { echo "$found files, but $listed are listed" >&2; exit 4; }
)
own
mv -T "$incoming" "releases/$TO"
echo "verified"
# A release that is only in memory would be empty files after a power cut. It is written while the
# release is proved, so that nobody waits for it; `-f` takes its whole file system, and the backup's.
{ sync -f "releases/$TO" && sync -f "$BACKUPS"; } 2>&1 &
syncing=$!
