# shellcheck shell=sh disable=SC2154
# The database as it is before the migrations of the release that is being prepared, from the
# command `backup_database`; run by the unit SERVICE-dump as the service user. Whole or not at all.
set -u
umask 077
cd "$DUMPS" || exit 1
to=$(readlink "$CANDIDATE")
to=${to##*/}
case "$to" in
  '' | *[!0-9_]*) echo "no release is being prepared" >&2; exit 1 ;;
esac
trap 'rm -f .partial; exit 1' HUP INT TERM
code=0
rm -f .partial
/bin/sh -c "$COMMAND" >.partial </dev/null || code=$?
if [ "$code" != 0 ] || [ ! -s .partial ]; then
  rm -f .partial
  [ "$code" != 0 ] || echo "backup_database printed nothing" >&2
  exit "$((code ? code : 1))"
fi
sync .partial 2>/dev/null || sync
mv -T .partial "before_$to.dump" || exit 1
# Names decide the order. The newest is the one of this deploy, and stays.
for old in before_*.dump; do echo "$old"; done | sort -r | tail -n "+$((KEEP + 1))" |
  while read -r old; do rm -f "$old"; done
