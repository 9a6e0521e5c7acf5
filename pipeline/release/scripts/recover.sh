# shellcheck shell=sh disable=SC2154
# An activation began here and vanished without an end: what served before it serves again. A
# variable and not another word: an older version's script would take that for a new activation.
# The host's own rescue may be at it; then there is nothing left to do.
flock -w 240 "$BASE/.deploy/activation.lock" true
RESCUE=1 "$BASE/.deploy/activate" boot || [ "$?" = 10 ]
