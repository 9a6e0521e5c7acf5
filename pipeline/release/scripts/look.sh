# shellcheck shell=sh disable=SC2154,SC2034,SC2153
# ask: how service and activation are at this moment; answer: what the service answers to its health
# check; look: print both in one line of tab-separated fields (health.py). Many times a second while
# the new release boots on the same cores, so each costs one process and the rest is the shell's own.
nl='
'
tab=$(printf '\t')
blanks=" $tab$nl$(printf '\r')"

# ask: set $service and $activation to the properties of both units.
ask() {
  both=$(systemctl show -p ActiveState,SubState,MainPID,InvocationID,NRestarts \
    "$SERVICE.service" "$UNIT.service")
  service=${both%%"$nl$nl"*}
  activation=${both#*"$nl$nl"}
}

# flat TEXT: set $flat to its words in one line. No word is taken for a pattern.
flat() {
  set -f
  IFS=$blanks
  # shellcheck disable=SC2086
  set -- $1
  flat=$*
  unset IFS
  set +f
}

answer() {
  read -r uptime _ </proc/uptime
  answer=$(curl -s -m "$HEALTH_TIMEOUT" -w '\n%{http_code}' "$HEALTH_URL")
  code=${answer##*"$nl"}
}

look() {
  flat "${answer%"$nl"*}"
  body=$flat
  system=
  if [ "$code" = 200 ] && [ -n "$VERSION_URL" ]; then
    flat "$(curl -s -m "$HEALTH_TIMEOUT" "$VERSION_URL")"
    system=$flat
  fi
  flat "$service"
  printf 'seen\t%s\t%.400s\t%s\t%.600s\t%.2000s\n' \
    "${uptime%.*}${uptime#*.}" "$flat" "$code" "$body" "$system"
}
