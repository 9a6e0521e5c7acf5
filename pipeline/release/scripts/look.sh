# shellcheck shell=sh disable=SC2154,SC2034,SC2153
# look: print how service and activation are, and what the service answers, in one line of
# tab-separated fields (health.py). Many times while the new release boots on the same cores, so
# each of the two questions costs one process, and the rest is the shell's own doing.
blanks=" $tab$nl$(printf '\r\013\014')"
good=no

# ask: set $service, $activation and $rescue to the properties of the three units.
ask() {
  all=$(properties "$SERVICE.service" "$UNIT.service" "$SERVICE-rescue.service")
  service=${all%%"$nl$nl"*}
  activation=${all#*"$nl$nl"}
  rescue=${activation#*"$nl$nl"}
  activation=${activation%%"$nl$nl"*}
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

# question: set $code, $body and $ended to the health. Once it is good, its text is of no interest,
# and the version is asked with it: $system. Text of the application stands between lines of ours,
# of which the first and the last are counted, so that nothing in it is taken for one.
question() {
  system=
  if [ "$good" = no ] || [ -z "$VERSION_URL" ]; then
    answer "$HEALTH_TIMEOUT"
  else
    read -r uptime _ </proc/uptime
    body=
    fetch "$HEALTH_TIMEOUT" --fail-early -o /dev/null "$HEALTH_URL" "$VERSION_URL"
    said=${said#"$nl"}
    connection "${said%%"$nl"*}"
    case "$said" in
      *"$nl"*"$nl"*)
        system=${said#*"$nl"}
        system=${system%"$nl"*}
        [ "$ended" = 0 ] || system=
        ended=0
        ;;
    esac
  fi
  good=no
  [ "$code/$ended" != 200/0 ] || good=yes
}

look() {
  owner=
  [ "$code" != 200 ] || owner
  flat "$body"
  body=$flat
  flat "$system"
  system=$flat
  flat "$service"
  printf 'seen\t%s\t%.400s\t%s\t%s\t%.300s\t%.600s\t%.2000s\n' \
    "${uptime%.*}${uptime#*.}" "$flat" "$code" "$ended" "$owner" "$body" "$system"
}
