# shellcheck shell=sh disable=SC2154
# Print what the activation does and how the service looks, until it ends. Changes nothing, so it
# may be run again after a dropped line. Journal lines are passed on as they are; while a verdict
# is awaited, each look at the service is one line `seen` of tab-separated fields (health.py).
cd "$BASE/.deploy" || exit 1
tab=$(printf '\t')
shown=0
absent=0
while :; do
  pause=0.1
  total=0
  if grep -qx "id$tab$ID" journal 2>/dev/null; then total=$(wc -l <journal); fi
  if [ "$total" -gt "$shown" ]; then
    sed -n "$((shown + 1)),${total}p" journal
    shown=$total
  fi
  # Only of the lines that were passed on: more may have come since they were counted.
  last=
  [ "$total" = 0 ] ||
    last=$(head -n "$total" journal | sed -n 's/^phase\t\([a-z-]*\)\t.*/\1/p' | tail -n 1)
  case "$last" in
    kept | rolled-back | rollback-failed) exit 0 ;;
    waiting)
      # Told already: only the end is of interest.
      if [ -f "verdict.$ID" ]; then
        pause=0.02
      else
        look
      fi
      ;;
  esac
  # A unit that is being stopped (`deactivating`) still rolls back: it has not vanished.
  case "$(systemctl is-active "$UNIT.service")" in
    active | activating | deactivating) absent=0 ;;
    *)
      # The unit may end between our reading of its journal and this question: look again.
      absent=$((absent + 1))
      [ "$absent" -lt 5 ] || exit 1
      ;;
  esac
  sleep "$pause"
done
