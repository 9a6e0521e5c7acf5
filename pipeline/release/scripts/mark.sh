# shellcheck shell=sh disable=SC2154
# The release failed on another host of the fleet, so it is not to be chosen here either.
mkdir -p "$BASE/.deploy/failed" && : >"$BASE/.deploy/failed/$TO"
