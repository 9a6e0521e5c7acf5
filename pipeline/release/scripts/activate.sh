# shellcheck shell=sh disable=SC2154,SC2317,SC2034,SC2153
# The activation transaction. The lines above set the variables; `activation.py` writes them.
# Runs on the server as the deploy user, under systemd (systemd-run), so that it outlives the
# connection that started it. POSIX sh: dash and busybox run it alike.
#
#   activate         stop, migrate, link, start, wait for the client's verdict; keep or roll back
#   activate boot    after a reboot: put right what an activation cut short, before the service
#   RESCUE=1 activate boot    the same while the host runs, so the service is started, too
#
# Without a verdict by the deadline, or when any step fails, it rolls back by itself. The way back
# needs no inode and no block of the disk, and nothing that fails beside it ends it: so no
# redirection of a special builtin (`:`, `exec`), whose failure ends the shell.
set -u
umask 022
trap '' HUP INT PIPE
cd "$BASE/.deploy" || exit 1

[ -f activation.lock ] || true >activation.lock
exec 9<activation.lock
# The rescue of an activation that has just failed may hold it for a moment.
if ! flock -w 2 9; then
  echo "another activation of $ENVIRONMENT is running" >&2
  exit 75
fi

service=
now=0
stopped=0 # when; 0: nothing was stopped
migrating=no
kept=no
held=
front= # yes: a proxy stands at health.url
why=
was_serving=no
ours=

# Set $now to the hundredths of a second since boot: monotonic, and takes no process (proc(5)).
clock() {
  if read -r up _ </proc/uptime; then
    now=${up%.*}${up#*.}
  else
    now=$((now + 20)) # a turn of the loops below
  fi
}

# 1234 -> 12.34
seconds() { echo "$(($1 / 100)).$(printf '%02d' $(($1 % 100)))"; }

# note WORD TEXT: a line of the journal.
note() { printf '%s\t%s\n' "$1" "$2" >>journal; }

# A phase is on disk before it begins.
phase() {
  clock
  note "phase$tab$1" "$now"
  sync journal 2>/dev/null || sync
  echo "$1"
}

# quote TEXT: set $quoted to it as a JSON string.
quote() { quoted="\"$(printf '%s' "$1" | tr -d '\042\134' | tr -c '[:print:]' '?')\""; }

# point RELEASE LINK: `current` leads to the release. The link was made before the stop, and
# rename(2) replaces the other in one step; `ln -sfn` does so only in newer GNU versions.
point() {
  leads_to "$1" && return
  mv -T "$BASE/$2" "$BASE/current" ||
    { rm -f "$BASE/$2" && ln -s "releases/$1" "$BASE/$2" && mv -T "$BASE/$2" "$BASE/current"; }
  leads_to "$1"
}

leads_to() { [ "$(readlink "$BASE/current")" = "releases/$1" ]; }

prepare_link() {
  rm -f "$BASE/$2"
  ln -s "releases/$1" "$BASE/$2"
}

# serves: whether the service runs, answers, and the answer is its own. Sets $trouble.
serves() {
  ask
  value ActiveState
  trouble="the service is ${value:-in an unknown state}"
  [ "$value" = active ] || return 1
  answer "$1"
  trouble="no answer from $HEALTH_URL"
  [ "$code" = 000 ] || trouble="HTTP $code from $HEALTH_URL"
  [ "$code/$ended" = 200/0 ] || return 1
  owner
  trouble="$HEALTH_URL is answered by $owner"
  case "$owner" in other*) [ "$front" = yes ] ;; esac # behind a proxy it cannot be its own
}

# broken: whether the service that was started ended, or was replaced ($by_hand); $why says it.
# What systemd does not tell is not taken for an end.
broken() {
  ask
  why=
  by_hand=no
  value NRestarts
  restarts=${value:-0}
  value SubState
  case "$restarts$value" in
    0auto-restart* | [1-9]*) why="the service ended, and systemd restarts it" ;;
  esac
  value ActiveState
  case "$value" in
    failed) why="the service failed" ;;
    inactive | deactivating)
      by_hand=yes
      why="the service was stopped"
      ;;
  esac
  value InvocationID
  if [ -z "$why" ] && [ -n "$ours" ] && [ -n "$value" ] && [ "$value" != "$ours" ]; then
    by_hand=yes
    why="somebody else restarted the service meanwhile"
  fi
  [ -n "$why" ]
}

# record END-OF-A-JSON-OBJECT: add a line to the history, also after one that a full disk cut short.
record() {
  [ -z "$(tail -c 1 history.jsonl 2>/dev/null)" ] || echo >>history.jsonl
  printf '%s,%s\n' "$INTENT" "$1" >>history.jsonl
}

# close OUTCOME REASON(a JSON string) DOWNTIME(seconds or null)
close() {
  phases=$(sed -n 's/^phase\t\([a-z-]*\)\t\([0-9]*\)$/["\1",\2]/p' journal | tr '\n' ',')
  finished=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  told="\"outcome\":\"$1\",\"reason\":$2,\"downtime\":$3,\"finished\":\"$finished\""
  record "$told,\"phases\":[${phases%,}]}"
  sync history.jsonl 2>/dev/null || sync
  phase "$1"
  rm -f "verdict.$ID" reserve "$BASE/.current.back" "$BASE/.current.new"
}

# The reserve is room for the last lines, should the disk have run full; its inode becomes the mark.
mark_failed() {
  if [ "$KIND" = rollback ] || ! mv -T reserve "failed/$TO" 2>/dev/null; then rm -f reserve; fi
  [ "$KIND" = rollback ] || true >"failed/$TO"
}

# roll_back REASON(a JSON string)
roll_back() {
  trap '' TERM
  reason=$1
  mark_failed
  note reason "$reason"
  phase rolling-back
  # It would go on beside the release before.
  [ "$migrating" = no ] || ctl stop "$SERVICE-migrate.service"
  if [ "$stopped" = 0 ]; then
    close rolled-back "$reason" 0
    exit 10
  fi
  stop_service
  if [ -z "$FROM" ]; then
    rm -f "$BASE/current"
    close rolled-back "$reason" null
    exit 10
  fi
  for _ in 1 2 3 4 5; do
    ! point "$FROM" .current.back || break
    sleep 0.2
  done
  # Also where the link could not be changed: better that than nothing.
  started=no
  for _ in 1 2 3 4 5; do
    if start_service; then
      started=yes
      break
    fi
    sleep 0.2
  done
  if [ -n "$held" ] && [ "$was_serving" = no ]; then
    note unproven "$FROM"
    close rolled-back "$reason" null
    exit 10
  fi
  trouble="the service did not start"
  clock
  limit=$((now + HEALTH_DEADLINE * 100))
  while [ "$started" = yes ] && [ "$now" -lt "$limit" ]; do
    if serves "$HEALTH_TIMEOUT" && leads_to "$FROM"; then
      clock
      close rolled-back "$reason" "$(seconds $((now - stopped)))"
      exit 10
    fi
    value ActiveState
    [ "$value" != failed ] || break
    sleep 0.2
    clock
  done
  leads_to "$FROM" || trouble="the link \`current\` could not be changed"
  quote "$FROM: $trouble"
  note trouble "$quoted"
  close rollback-failed "$reason" null
  exit 11
}

terminated() {
  [ "$kept" = no ] || exit 0 # only the watch ends
  # While the host goes down nothing can be started; the boot unit finishes (see `boot`).
  case "$(systemctl is-system-running 2>/dev/null 9>&-)" in
    stopping | offline) exit 1 ;;
  esac
  roll_back '"the activation was terminated on the server"'
}

# verdict_came: whether one is there; sets $verdict, $reason and $downtime.
verdict_came() {
  [ -f "verdict.$ID" ] || return 1
  verdict=
  reason='"no reason was given"'
  downtime=null
  { read -r verdict; read -r reason; read -r downtime; } <"verdict.$ID"
  [ -n "$verdict" ]
}

# migrate: run the migrations; end them at the limit, or when a verdict to roll back comes.
migrate() {
  # The unit runs what `candidate` leads to, which a command that has lost its lock may have moved.
  if [ "$(readlink candidate)" != "../releases/$TO" ]; then
    { rm -f .candidate.own && ln -s "../releases/$TO" .candidate.own &&
      mv -T .candidate.own candidate; } || roll_back '"the migration could not be prepared"'
  fi
  phase migrating
  migrating=yes
  clock
  limit=$((now + MIGRATE_TIMEOUT * 100))
  {
    trap - TERM
    while [ "$now" -lt "$limit" ] && [ ! -f "verdict.$ID" ]; do
      sleep 0.2
      clock
    done
    ctl stop "$SERVICE-migrate.service"
  } 9>&- >/dev/null 2>&1 &
  guard=$!
  written=$(stat -c '%i %y' "$MIGRATE_OUTPUT" 2>/dev/null)
  words=$(ctl start "$SERVICE-migrate.service" 2>&1)
  ended=$?
  kill -KILL "$guard" 2>/dev/null
  wait "$guard" 2>/dev/null
  migrating=no
  # What an earlier migration has left there is not this one's.
  ran=no
  if [ "$written" != "$(stat -c '%i %y' "$MIGRATE_OUTPUT" 2>/dev/null)" ]; then
    ran=yes
    note migrated "$MIGRATE_OUTPUT"
  fi
  if verdict_came && [ "$verdict" != keep ]; then roll_back "$reason"; fi
  [ "$ended" != 0 ] || return 0
  clock
  [ "$now" -lt "$limit" ] ||
    roll_back "\"the migration was ended after $MIGRATE_TIMEOUT s (migrate_timeout)\""
  [ "$ran" = no ] || roll_back '"the migration failed"'
  quote "the migration did not start: $(printf '%s\n' "$words" | head -n 1)"
  roll_back "$quoted"
}

# stand_by: after a kept release, for WATCH seconds, the right to roll back by ourselves. A stop or
# start by hand is none of our business; an end, or 15 s without health, is.
stand_by() {
  kept=yes
  clock
  until=$((now + WATCH * 100))
  well=$now
  while [ "$now" -lt "$until" ]; do
    sleep 1
    leads_to "$TO" || return
    if broken; then
      [ "$by_hand" = no ] || return
      break
    fi
    ! serves "$HEALTH_TIMEOUT" || well=$now
    clock
    if [ $((now - well)) -ge 1500 ]; then
      why="not healthy for 15 s: $trouble"
      break
    fi
  done
  [ -n "$why" ] || return
  [ -z "$FROM" ] || [ -d "$BASE/releases/$FROM" ] || return
  [ -z "$FROM" ] || prepare_link "$FROM" .current.back
  stopped=$now
  quote "after it had been kept: $why"
  roll_back "$quoted"
}

last_phase() { sed -n 's/^phase\t\([a-z-]*\)\t[0-9]*$/\1/p' journal | tail -n 1; }

if [ "${1:-}" = boot ]; then
  [ -f journal ] || exit 0
  # None: it was cut short when it had begun, and had stopped nothing.
  last=$(last_phase)
  case "$last" in
    kept | rolled-back | rollback-failed) exit 0 ;;
  esac
  clock
  if grep -q "^phase${tab}stopping" journal; then stopped=$now; fi
  [ "$last" != migrating ] || migrating=yes
  verdict_came || verdict=
  if [ "${RESCUE:-}" = 1 ]; then
    if [ "$verdict" = keep ] && leads_to "$TO" && serves "$HEALTH_TIMEOUT"; then
      close kept "$reason" "$downtime"
      exit 0
    fi
    killed='"the activation was killed on the server"'
    # It may have come back before it ended, and have had no room to say so.
    if [ -n "$FROM" ] && leads_to "$FROM" && serves "$HEALTH_TIMEOUT"; then
      [ "$migrating" = no ] || ctl stop "$SERVICE-migrate.service"
      mark_failed
      note reason "$killed"
      phase rolling-back
      close rolled-back "$killed" null
      exit 10
    fi
    roll_back "$killed"
  fi
  if [ "$verdict" = keep ] && leads_to "$TO"; then
    close kept '"kept; the host rebooted before it could say so"' null
    exit 0
  fi
  mark_failed
  note reason '"the host rebooted during the activation"'
  phase rolling-back
  if [ -n "$FROM" ]; then point "$FROM" .current.back; else rm -f "$BASE/current"; fi
  close rolled-back '"the host rebooted during the activation"' null
  exit 0
fi

# Old ones only: Ctrl-C may have written ours already.
for old in verdict.*; do
  case "$old" in "verdict.$ID" | "verdict.$ID.new") ;; *) rm -f "$old" ;; esac
done
! serves 3 || was_serving=yes
value InvocationID
printf 'id\t%s\nkind\t%s\nto\t%s\nfrom\t%s\nbefore\t%s\nserving\t%s\n' \
  "$ID" "$KIND" "$TO" "$FROM" "$value" "$was_serving" >journal.new
mv -T journal.new journal || exit 77
trap terminated TERM
# All that takes room or an inode comes before the stop.
if ! record '"outcome":"begun"}' || ! mkdir -p failed || ! head -c 65536 /dev/zero >reserve ||
  ! prepare_link "$TO" .current.new || { [ -n "$FROM" ] && ! prepare_link "$FROM" .current.back; }; then
  roll_back '"the disk is full, or cannot be written"'
fi

[ "$MIGRATE" != before-stop ] || migrate

clock
stopped=$now
phase stopping
stop_service || roll_back '"the service did not stop"'
if ! vacant; then
  quote "with the service stopped, somebody else holds port $HEALTH_PORT ($HEALTH_URL): $held"
  roll_back "$quoted"
fi
note strangers "$strangers"
[ -z "$front" ] || note front "$code"

[ "$MIGRATE" != after-stop ] || migrate

phase linking
point "$TO" .current.new || roll_back '"the link could not be changed"'

phase starting
start_service || roll_back '"the service did not start"'
ask
value InvocationID
ours=$value
note after "$ours"
phase waiting

clock
deadline=$((now + VERDICT_SECONDS * 100))
turns=0
while [ "$now" -lt "$deadline" ]; do
  if verdict_came; then
    [ "$verdict" = keep ] || roll_back "$reason"
    leads_to "$TO" || roll_back '"somebody else changed the link current meanwhile"'
    if broken; then quote "$why" && roll_back "$quoted"; fi
    if [ "$WATCH" -gt 0 ]; then note watching "$(($(date +%s) + WATCH))"; fi
    close kept "$reason" "$downtime"
    [ "$WATCH" = 0 ] || stand_by
    exit 0
  fi
  # Not at every turn, and ever more seldom: the new release boots on the same cores.
  turns=$((turns + 1))
  if [ $((turns % 8)) = 0 ] && broken; then quote "$why" && roll_back "$quoted"; fi
  if [ "$turns" -le 40 ]; then sleep 0.05; elif [ "$turns" -le 120 ]; then sleep 0.1; else sleep 0.2; fi
  clock
done
roll_back '"no verdict came before the deadline"'
