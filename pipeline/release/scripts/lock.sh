# shellcheck shell=sh disable=SC2154
# Appended before survey.sh by a command that changes something: take the lock, say who holds it,
# and go on holding it until the client lets go, dies or is cut off (its end of our input closes).
if [ ! -d "$BASE/.deploy" ]; then
  printf 'unready\t%s\n' "$BASE/.deploy"
  exit 3
fi
exec 9>>"$BASE/.deploy/lock"
code=0
flock -n 9 || code=$?
case $code in
  0) ;;
  1) # taken; any other code is a flock that could not be run
    printf 'locked\t%s\n' "$(cat "$BASE/.deploy/holder" 2>/dev/null)"
    exit 75
    ;;
  *) exit "$code" ;;
esac
printf '%s\n' "$HOLDER" >"$BASE/.deploy/holder"
