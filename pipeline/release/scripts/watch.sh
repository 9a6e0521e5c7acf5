# shellcheck shell=sh disable=SC2154
# Print what the activation does and how the service looks, until it ends. Changes nothing, so it
# may be run again after a dropped line. Journal lines are passed on as they are; while a verdict
# is awaited, each look at the service is one line `seen` of tab-separated fields (health.py).
cd "$BASE/.deploy" || exit 1
shown=0
absent=0

# tell: print the lines of our journal that were not shown yet, and set $last to the newest phase.
tell() {
  last=
  number=0
  while IFS= read -r line; do
    number=$((number + 1))
    case "$line" in
      "id$tab$ID") ;;
      "id$tab"*) return ;; # of the activation before
      "phase$tab"*)
        last=${line#*"$tab"}
        last=${last%%"$tab"*}
        ;;
    esac
    if [ "$number" -gt "$shown" ]; then
      printf '%s\n' "$line"
      shown=$number
    fi
  done <journal
}

while :; do
  pause=0.1
  last=
  [ ! -f journal ] || tell
  case "$last" in kept | rolled-back | rollback-failed) exit 0 ;; esac
  # After the journal: a service that is looked at has been started.
  ask
  if [ "$last" = waiting ]; then
    # Told already: only the end is of interest.
    if [ -f "verdict.$ID" ]; then pause=0.02; else look; fi
  fi
  # A unit that is being stopped (`deactivating`) still rolls back: it has not vanished.
  case "$activation" in
    *ActiveState=active* | *ActiveState=activating* | *ActiveState=deactivating*) absent=0 ;;
    *)
      # The unit may end between our reading of its journal and this question: look again.
      absent=$((absent + 1))
      [ "$absent" -lt 5 ] || exit 1
      ;;
  esac
  sleep "$pause"
done
