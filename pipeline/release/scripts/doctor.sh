# shellcheck shell=sh disable=SC2154
# What only a try can tell, as the deploy user; changes nothing. Appended to facts.sh.
# first TEXT: set $first to its first line that is not empty.
first() { first=$(printf '%s\n' "$1" | sed -n '/[^[:space:]]/{p;q;}'); }

set -f
printf '%s\n' "$SUDO_LINES" | while IFS= read -r line; do
  # shellcheck disable=SC2086
  words=$(sudo -n -l $line 2>&1 </dev/null) && continue
  first "$words"
  fact refused "$line" "$first"
done
# The list does not tell all (a tty or a password may be wanted): one line is run that has nothing to
# do as things are.
case "$(systemctl show -p ActiveState --value "$SERVICE.service")" in
  active) verb=start ;;
  inactive | failed) verb=stop ;;
  *) verb= ;;
esac
if [ -n "$verb" ]; then
  line="/usr/bin/systemctl $verb $SERVICE.service"
  # shellcheck disable=SC2086
  if words=$(sudo -n $line 2>&1 </dev/null); then
    fact ran "$line"
  else
    first "$words"
    fact ran-not "$line" "$first"
  fi
fi
set +f

for unit in "$SERVICE" "$SERVICE-pending" "$SERVICE-migrate" "$SERVICE-createdb" "$SERVICE-recover"; do
  fact unit "$unit" "$(systemctl show -p LoadState --value "$unit.service")" \
    "$(systemctl show -p NeedDaemonReload --value "$unit.service" 2>/dev/null)"
done

if [ -f "$ENV_FILE" ]; then
  fact env there
  if [ -r "$ENV_FILE" ] && [ "$(id -u)" != 0 ]; then fact env-open "$(stat -c %a "$ENV_FILE")"; fi
elif [ -e "$ENV_FILE" ]; then
  fact env "is not a file"
elif [ -d "${ENV_FILE%/*}" ] && [ ! -x "${ENV_FILE%/*}" ]; then
  fact env unknown
else
  fact env missing
fi
# systemd says so at each start when it drops a line; the value is nobody's business.
invocation=$(systemctl show -p InvocationID --value "$SERVICE.service")
[ -z "$invocation" ] || journalctl --no-pager -q -o cat "INVOCATION_ID=$invocation" 2>/dev/null |
  sed -n "s/.*Ignoring invalid environment assignment '\([A-Za-z0-9_ ]*\).*/dropped	\1/p" | sort -u
for directory in /tmp "$BACKUPS"; do
  [ -w "$directory" ] || fact unwritable "$directory"
done

fact active "$(systemctl show -p ActiveState --value "$SERVICE.service")"
code=$(curl -q --noproxy '*' -sS -o /dev/null -m "$HEALTH_TIMEOUT" --max-filesize 1000000 \
  -w '%{http_code}' "$HEALTH_URL" 2>&1) && ended=0 || ended=$?
first "$code"
fact probe "$ended" "$first"
