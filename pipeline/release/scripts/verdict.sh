# shellcheck shell=sh disable=SC2154
# Tell the waiting activation: keep or roll-back, why (a JSON string), and the downtime in seconds.
cd "$BASE/.deploy" || exit 1
write() { printf '%s\n' "$VERDICT" "$REASON" "$DOWNTIME" >"verdict.$ID.new"; }
# On a full disk the activation's reserve makes room.
{ write 2>/dev/null || { rm -f reserve && write; }; } && mv -T "verdict.$ID.new" "verdict.$ID"
