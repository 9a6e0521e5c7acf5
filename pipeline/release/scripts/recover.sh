# shellcheck shell=sh disable=SC2154
# An activation began here and vanished without an end: the release before it is linked again.
set -eu
# One that had only begun has stopped nothing: what serves goes on.
verb=start
if grep -q '^phase' "$BASE/.deploy/journal"; then verb=restart; fi
"$BASE/.deploy/activate" boot
sudo -n /usr/bin/systemctl reset-failed "$SERVICE.service" 2>/dev/null || :
if [ -L "$BASE/current" ]; then sudo -n /usr/bin/systemctl "$verb" "$SERVICE.service"; fi
