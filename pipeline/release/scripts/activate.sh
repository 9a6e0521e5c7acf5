# shellcheck shell=sh disable=SC2154,SC2317
# The activation transaction. The lines above set the variables; `activation.py` writes them.
# Runs on the server as the deploy user, under systemd (systemd-run), so that it outlives the
# connection that started it. POSIX sh: dash and busybox run it alike.
#
#   activate         stop, migrate, link, start, wait for the client's verdict; keep or roll back
#   activate boot    after a reboot: put right what an activation cut short, before the service
#
# Without a verdict by the deadline, or when any step fails, it rolls back by itself.
set -u
umask 022
trap '' HUP INT PIPE
cd "$BASE/.deploy" || exit 1

exec 9>activation.lock
if ! flock -n 9; then
  echo "another activation of $ENVIRONMENT is running" >&2
  exit 75
fi

# Set $now to the hundredths of a second since boot: monotonic, and takes no process (proc(5)).
clock() {
  read -r now _ </proc/uptime
  now=${now%.*}${now#*.}
}

# 1234 -> 12.34
seconds() { echo "$(($1 / 100)).$(printf '%02d' $(($1 % 100)))"; }

# Children must not inherit the lock: a service started under it would hold it for ever.
ctl() { sudo -n /usr/bin/systemctl "$@" 9>&-; }

# A BEAM that is told to stop while it boots forgets it, and systemd would wait for the whole
# TimeoutStopSec (docs/decisions/0003). So it is told again until it has stopped.
stop_service() {
  {
    trap - TERM # which we take no notice of while we roll back
    while sleep 2; do ctl kill --signal=TERM "$SERVICE.service"; done
  } 9>&- >/dev/null 2>&1 &
  reminder=$!
  ctl stop "$SERVICE.service"
  ended=$?
  kill "$reminder"
  wait "$reminder" 2>/dev/null
  return "$ended"
}

# A phase is on disk before it begins.
phase() {
  clock
  printf 'phase\t%s\t%s\n' "$1" "$now" >>journal
  sync journal 2>/dev/null || sync
  echo "$1"
}

# rename(2) replaces the link in one step; `ln -sfn` does so only in newer GNU versions.
link_to() {
  rm -f "$BASE/.current.new"
  ln -s "releases/$1" "$BASE/.current.new" && mv -T "$BASE/.current.new" "$BASE/current"
}

invocation() { systemctl show -p InvocationID --value "$SERVICE.service" 9>&-; }

probe() { curl -fsS -o /dev/null -m "$HEALTH_TIMEOUT" "$HEALTH_URL" 2>/dev/null 9>&-; }

# record END-OF-A-JSON-OBJECT: add a line to the history, also after one that a full disk cut short.
record() {
  [ -z "$(tail -c 1 history.jsonl 2>/dev/null)" ] || echo >>history.jsonl
  printf '%s,%s\n' "$INTENT" "$1" >>history.jsonl
}

# close OUTCOME REASON(a JSON string) DOWNTIME(seconds or null)
close() {
  rm -f reserve # room for the last lines, should the disk have run full meanwhile
  phases=$(sed -n 's/^phase\t\([a-z-]*\)\t\([0-9]*\)$/["\1",\2]/p' journal | tr '\n' ',')
  finished=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  ended="\"outcome\":\"$1\",\"reason\":$2,\"downtime\":$3,\"finished\":\"$finished\""
  record "$ended,\"phases\":[${phases%,}]}"
  sync history.jsonl 2>/dev/null || sync
  phase "$1"
  rm -f "verdict.$ID"
}

mark_failed() {
  mkdir -p failed
  [ "$KIND" = rollback ] || : >"failed/$TO"
}

# roll_back REASON(a JSON string)
roll_back() {
  trap '' TERM
  reason=$1
  phase rolling-back
  mark_failed
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
  link_to "$FROM"
  ctl reset-failed "$SERVICE.service" 2>/dev/null
  if ctl start "$SERVICE.service"; then
    clock
    limit=$((now + HEALTH_DEADLINE * 100))
    while [ "$now" -lt "$limit" ]; do
      if probe; then
        clock
        close rolled-back "$reason" "$(seconds $((now - stopped)))"
        exit 10
      fi
      systemctl is-failed --quiet "$SERVICE.service" 9>&- && break
      sleep 0.2
      clock
    done
  fi
  close rollback-failed "$reason" null
  exit 11
}

terminated() {
  # While the host goes down nothing can be started; the boot unit finishes (see `boot`).
  case "$(systemctl is-system-running 2>/dev/null 9>&-)" in
    stopping | offline) exit 1 ;;
  esac
  roll_back '"the activation was terminated on the server"'
}

last_phase() { sed -n 's/^phase\t\([a-z-]*\)\t[0-9]*$/\1/p' journal | tail -n 1; }

if [ "${1:-}" = boot ]; then
  [ -f journal ] || exit 0
  # None: it was cut short when it had begun, and had stopped nothing.
  case "$(last_phase)" in
    kept | rolled-back | rollback-failed) exit 0 ;;
  esac
  read -r verdict _ 2>/dev/null <"verdict.$ID" || verdict=
  if [ "$verdict" = keep ] && [ "$(readlink "$BASE/current")" = "releases/$TO" ]; then
    close kept '"kept; the host rebooted before it could say so"' null
    exit 0
  fi
  phase rolling-back
  mark_failed
  if [ -n "$FROM" ]; then link_to "$FROM"; else rm -f "$BASE/current"; fi
  close rolled-back '"the host rebooted during the activation"' null
  exit 0
fi

stopped=0
# Old ones only: Ctrl-C may have written ours already.
for old in verdict.*; do
  case "$old" in "verdict.$ID" | "verdict.$ID.new") ;; *) rm -f "$old" ;; esac
done
printf 'id\t%s\nkind\t%s\nto\t%s\nfrom\t%s\nbefore\t%s\n' \
  "$ID" "$KIND" "$TO" "$FROM" "$(invocation)" >journal.new
mv -T journal.new journal
trap terminated TERM
if ! record '"outcome":"begun"}' || ! head -c 65536 /dev/zero >reserve; then
  roll_back '"the disk is full"'
fi

if [ "$MIGRATE" = before-stop ]; then
  phase migrating
  ctl start "$SERVICE-migrate.service" || roll_back '"the migration failed"'
fi

clock
stopped=$now
phase stopping
stop_service || roll_back '"the service did not stop"'

if [ "$MIGRATE" = after-stop ]; then
  phase migrating
  ctl start "$SERVICE-migrate.service" || roll_back '"the migration failed"'
fi

phase linking
link_to "$TO" || roll_back '"the link could not be changed"'

phase starting
ctl reset-failed "$SERVICE.service" 2>/dev/null
ctl start "$SERVICE.service" || roll_back '"the service did not start"'
printf 'after\t%s\n' "$(invocation)" >>journal
phase waiting

clock
deadline=$((now + VERDICT_SECONDS * 100))
turns=0
while [ "$now" -lt "$deadline" ]; do
  if [ -f "verdict.$ID" ]; then
    { read -r verdict; read -r reason; read -r downtime; } <"verdict.$ID"
    if [ "$verdict" = keep ]; then
      close kept "$reason" "$downtime"
      exit 0
    fi
    roll_back "$reason"
  fi
  # Not at every turn, and ever more seldom: the new release boots on the same cores.
  turns=$((turns + 1))
  if [ $((turns % 8)) = 0 ] && systemctl is-failed --quiet "$SERVICE.service" 9>&-; then
    roll_back '"the service failed"'
  fi
  if [ "$turns" -le 40 ]; then sleep 0.05; elif [ "$turns" -le 120 ]; then sleep 0.1; else sleep 0.2; fi
  clock
done
roll_back '"no verdict came before the deadline"'
