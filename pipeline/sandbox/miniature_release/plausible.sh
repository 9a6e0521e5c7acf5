# bin/plausible of the miniature release (no Elixir on this machine); see miniature.py.
# The line above names the Python that runs it.
# shellcheck shell=sh disable=SC2154
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
migration=20250101000000_create_sites
case "$1 $2" in
  "start ") exec "$python" -I "$root/server.py" "$root" ;;
  *pending_streaks*)
    if grep -qx "$migration" "$DATA_DIR/schema" 2>/dev/null; then
      echo "No pending migrations!"
    else
      echo "Plausible.Repo [priv/repo/migrations] streak up to version 20250101000000:"
      echo "  * $migration"
    fi
    ;;
  *migrate*) echo "$migration" >>"$DATA_DIR/schema" ;;
  *)
    echo "usage: plausible start | eval EXPRESSION" >&2
    exit 1
    ;;
esac
