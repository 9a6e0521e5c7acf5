# shellcheck shell=sh disable=SC2154
# What is on the host: read-only. survey.py reads the output: WORD, a tab, the rest.
say() { printf '%s\t%s\n' "$1" "$2"; }

say clock "$(date +%Y%m%d_%H%M%S)"
say epoch "$(date +%s)"
say arch "$(uname -m)"
say libc "$(getconf GNU_LIBC_VERSION 2>/dev/null)"
# As sudo itself lists the rules for us (sudo.py); it wraps nothing when COLUMNS is large.
if rules=$(COLUMNS=1000 sudo -n -l 2>&1 </dev/null); then
  printf '%s\n' "$rules" | sed -n 's/^ *(/sudo\t(/p; s/.*!authenticate.*/sudo\t!authenticate/p'
else
  say sudo-said "$(printf '%s\n' "$rules" | sed -n '/[^[:space:]]/{p;q;}')"
fi
for program in curl flock sha256sum rsync tar sudo; do
  command -v "$program" >/dev/null 2>&1 && say have "$program"
done
ready=yes
for directory in "$BASE/.deploy" "$BASE/releases" "$BACKUPS"; do
  if [ ! -d "$directory" ]; then
    ready=no
  elif [ ! -w "$directory" ]; then
    ready=no
    say unwritable "$directory$(mkdir "$directory/.writable" 2>&1 | sed 's/.*:/:/')"
  fi
done
[ "$ready" = no ] || say ready yes
if [ -L "$BASE/current" ]; then
  say current "$(readlink "$BASE/current")"
elif [ -e "$BASE/current" ]; then
  say problem "$BASE/current is not a link"
fi
for directory in "$BASE"/releases/*/; do
  [ -d "$directory" ] || continue
  directory=${directory%/}
  name=${directory##*/}
  say release "$name"
  [ ! -f "$directory/MANIFEST.json" ] || {
    printf 'manifest\t%s\t' "$name"
    head -c 65536 "$directory/MANIFEST.json" | tr '\n\t' '  '
    echo
  }
done
for directory in "$BACKUPS"/release_*/; do
  [ -d "$directory" ] || continue
  directory=${directory%/}
  say backup "${directory##*/release_}"
done
for file in "$BACKUPS"/database/before_*.dump; do
  [ -f "$file" ] || continue
  name=${file##*/before_}
  printf 'dump\t%s\t%s\n' "${name%.dump}" "$(stat -c %s "$file")"
done
for file in "$BASE"/.deploy/failed/*; do
  [ -f "$file" ] && say failed "${file##*/}"
done
# logrotate has put the older records into .1. A line that no record of ours can be is cut, by cut,
# which unlike tail and sed holds no line in memory.
cat "$BASE/.deploy/history.jsonl.1" "$BASE/.deploy/history.jsonl" 2>/dev/null |
  LC_ALL=C cut -b 1-65536 | tail -n "$LINES_OF_HISTORY" | sed 's/^/history\t/'
[ ! -f "$BASE/.deploy/journal" ] || {
  sed -n 's/^\(id\|kind\|to\|from\|after\|watching\)\t/journal\t&/p' "$BASE/.deploy/journal"
  phase=$(sed -n 's/^phase\t\([a-z-]*\)\t.*/\1/p' "$BASE/.deploy/journal" | tail -n 1)
  say phase "${phase:-begun}"
}
# Both units with one question; a systemd that does not answer is no unit that is not there.
nl='
'
if units=$(systemctl show -p LoadState,ActiveState,SubState,MainPID,NRestarts,InvocationID,ActiveEnterTimestamp \
  "$SERVICE.service" "$UNIT.service" 2>&1); then
  printf '%s\n' "${units%%"$nl$nl"*}" | sed 's/^/unit\t/'
  case "${units#*"$nl$nl"}" in
    *ActiveState=active* | *ActiveState=activating* | *ActiveState=deactivating*)
      say activating yes
      ;;
  esac
else
  say silent "$(printf '%s\n' "$units" | tail -n 1)"
fi
if [ -d "$BASE" ]; then
  say disk "$(df -Pk "$BASE" | awk 'NR == 2 { print $4 }')"
  say inodes "$(df -Pi "$BASE" | awk 'NR == 2 { print $4 }')"
fi
# Where the backups lie, if that is another file system.
if [ -d "$BACKUPS" ] && [ "$(stat -c %d "$BACKUPS")" != "$(stat -c %d "$BASE")" ]; then
  say backups-disk "$(df -Pk "$BACKUPS" | awk 'NR == 2 { print $4 }')"
fi
