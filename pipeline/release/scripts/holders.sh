# shellcheck shell=sh disable=SC2154
# Who holds the lock: `free`, or the holder's own words. With RELEASE=1 the processes that hold
# it are ended; they are the deploy user's own, and do nothing else.
lock="$BASE/.deploy/lock"
[ -f "$lock" ] || { echo free; exit 0; }
code=0
flock -n "$lock" true || code=$?
case $code in
  0) echo free; exit 0 ;;
  1) ;;
  *) exit "$code" ;;
esac
printf 'holder\t%s\n' "$(cat "$BASE/.deploy/holder" 2>/dev/null)"
[ "$RELEASE" = 1 ] || exit 0
for link in /proc/[0-9]*/fd/9; do
  [ "$(readlink "$link" 2>/dev/null)" = "$lock" ] || continue
  pid=${link#/proc/}
  pid=${pid%%/*}
  kill "$pid"
done
