# shellcheck shell=sh disable=SC2154
# Stop the service and start it as if it had never failed. Not `systemctl restart`: a BEAM that boots,
# as one in a loop of crashes does all the time, takes no notice of one TERM (control.sh). Whoever
# listens at the port in between is told; a proxy in front, too.
trap '' HUP INT TERM PIPE # between the stop and the start
front=
held=
ask # whose the service is, while it runs
stop_service || exit 1
vacant || :
printf 'strangers\t%s\n' "$strangers"
[ -z "$front" ] || printf 'front\t%s\n' "$code"
[ -z "$held" ] || printf 'held\t%s\n' "$held"
start_service
