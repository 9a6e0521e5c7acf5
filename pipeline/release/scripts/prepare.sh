# shellcheck shell=sh disable=SC2154
# After the upload, before the outage: verify, put in place, back up, prove that it can run here.
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
(
  cd "$incoming"
  echo "$DIGEST  SHA256SUMS" | sha256sum -c --status || { echo "SHA256SUMS differs" >&2; exit 4; }
  sha256sum -c --quiet SHA256SUMS >&2 || exit 4
  found=$(find . -type f ! -name MANIFEST.json ! -path ./SHA256SUMS | wc -l)
  listed=$(grep -vc '  \./.*MANIFEST\.json$' SHA256SUMS)
  [ "$found" -eq "$listed" ] || { echo "$found files, but $listed are listed" >&2; exit 4; }
) || { echo "the upload does not match its manifest" >&2; exit 4; }
mv -T "$incoming" "releases/$TO"
echo "verified"
