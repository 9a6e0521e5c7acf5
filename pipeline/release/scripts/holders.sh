# shellcheck shell=sh disable=SC2154
# Who holds the lock: `free`, or the holder's own words and the processes that hold it for him.
# With RELEASE=1 these are ended; they are the deploy user's own, and do nothing but hold it.
lock="$BASE/.deploy/lock"
[ -f "$lock" ] || { echo free; exit 0; }
if flock -n "$lock" true; then
  echo free
  exit 0
fi
printf 'holder\t%s\n' "$(cat "$BASE/.deploy/holder" 2>/dev/null)"
for link in /proc/[0-9]*/fd/9; do
  [ "$(readlink "$link" 2>/dev/null)" = "$lock" ] || continue
  pid=${link#/proc/}
  pid=${pid%%/*}
  printf 'process\t%s\n' "$pid"
  if [ "$RELEASE" = 1 ]; then kill "$pid"; fi
done
