# shellcheck shell=sh disable=SC2154
# An activation began here and vanished without an end: the release before it is linked again.
set -eu
"$BASE/.deploy/activate" boot
sudo -n /usr/bin/systemctl reset-failed "$SERVICE.service" 2>/dev/null || :
if [ -L "$BASE/current" ]; then sudo -n /usr/bin/systemctl restart "$SERVICE.service"; fi
