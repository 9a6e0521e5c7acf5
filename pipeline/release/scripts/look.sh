# shellcheck shell=sh disable=SC2154
# look: print how the service is at this moment, one line of tab-separated fields (health.py).
one_line() { tr '\n\t\r' '   ' | head -c "$1"; }

look() {
  read -r uptime _ </proc/uptime
  state=$(systemctl show -p ActiveState,SubState,MainPID,InvocationID,NRestarts \
    "$SERVICE.service" | one_line 400)
  answer=$(curl -s -m "$HEALTH_TIMEOUT" -w '\n%{http_code}' "$HEALTH_URL")
  code=$(printf '%s' "$answer" | tail -n 1)
  body=$(printf '%s' "$answer" | sed '$d' | one_line 600)
  system=
  if [ "$code" = 200 ] && [ -n "$VERSION_URL" ]; then
    system=$(curl -s -m "$HEALTH_TIMEOUT" "$VERSION_URL" | one_line 2000)
  fi
  printf 'seen\t%s\t%s\t%s\t%s\t%s\n' \
    "${uptime%.*}${uptime#*.}" "$state" "$code" "$body" "$system"
}
