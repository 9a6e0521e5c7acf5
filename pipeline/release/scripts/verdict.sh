# shellcheck shell=sh disable=SC2154
# Tell the waiting activation: keep or roll-back, why (a JSON string), and the downtime in seconds.
cd "$BASE/.deploy" || exit 1
printf '%s\n' "$VERDICT" "$REASON" "$DOWNTIME" >"verdict.$ID.new" &&
  mv -T "verdict.$ID.new" "verdict.$ID"
