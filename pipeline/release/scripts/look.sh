# shellcheck shell=sh disable=SC2154,SC2034,SC2153
# ask: how service and activation are at this moment; answer: what the service answers to its health
# check, and of what version it says it is; look: print all in one line of tab-separated fields
# (health.py). Many times while the new release boots on the same cores, so each of the two questions
# costs one process, and the rest is the shell's own doing.
nl='
'
tab=$(printf '\t')
blanks=" $tab$nl$(printf '\r')"
end=$(printf '\036') # of one answer; no text of an application has it

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

# answer: set $code and $body to the health, and $system to the version's answer. curl asks no more
# when it has no answer to the first.
answer() {
  read -r uptime _ </proc/uptime
  answers=$(curl -s --fail-early -m "$HEALTH_TIMEOUT" -w "$end%{http_code}$end" "$HEALTH_URL" \
    ${VERSION_URL:+"$VERSION_URL"})
  # Fields, since `${answers#*"$end"}` takes seconds for an answer of 100 kB.
  set -f
  IFS=$end
  # shellcheck disable=SC2086
  set -- $answers
  unset IFS
  set +f
  body=${1-} code=${2-} system=${3-}
}

look() {
  flat "$body"
  body=$flat
  flat "$system"
  system=$flat
  [ "$code" = 200 ] || system=
  flat "$service"
  printf 'seen\t%s\t%.400s\t%s\t%.600s\t%.2000s\n' \
    "${uptime%.*}${uptime#*.}" "$flat" "$code" "$body" "$system"
}
