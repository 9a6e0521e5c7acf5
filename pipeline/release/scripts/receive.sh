# shellcheck shell=sh disable=SC2154
# A release out of the serving one and standard input, a .tar.gz of what differs; the rest becomes
# hard links. `prepare` checks afterwards that together they are the release.
set -eu
cd "$BASE/.deploy/incoming"
rm -rf release
cp -al "$BASE/releases/$FROM" release 2>/dev/null || {
  rm -rf release
  cp -a "$BASE/releases/$FROM" release
}
cd release
# Links have no digest, so all of them come anew.
find . -type l -exec rm -f {} +
# tar removes a file before it writes another of that name, so that nothing is written through a
# hard link into the release that serves.
tar -xpmzf -
export LC_ALL=C
sed 's/^.\{66\}//' SHA256SUMS | sort >../wanted
find . -type f ! -path ./MANIFEST.json ! -path ./SHA256SUMS | sort | comm -23 - ../wanted >../surplus
rm -f ../wanted
if [ -s ../surplus ]; then
  tr '\n' '\0' <../surplus | xargs -0 rm -f
  find . -depth -type d -exec rmdir {} + 2>/dev/null || :
fi
rm -f ../surplus
