# shellcheck shell=sh disable=SC2154
# What the failing process said: read-only. WHAT is `migrate` or `service`.
if [ "$WHAT" = migrate ]; then
  tail -n 40 "$MIGRATE_OUTPUT" 2>/dev/null
elif [ -n "$INVOCATION" ]; then
  journalctl --no-pager -q -o cat -n 50 "_SYSTEMD_INVOCATION_ID=$INVOCATION" 2>&1
else
  journalctl --no-pager -q -o cat -n 50 -u "$SERVICE.service" 2>&1
fi
