# shellcheck shell=sh disable=SC2154,SC2034
# Print what the activation does and how the service looks, until it ends. Changes nothing, so it
# may be run again after a dropped line. Journal lines are passed on as they are; while a verdict
# is awaited, each look at the service is one line `seen` of tab-separated fields (health.py). When
# there is nothing to say for a while (a migration may take long), a line `alive` says that.
cd "$BASE/.deploy" || exit 1
shown=0
absent=0
read -r uptime _ </proc/uptime
spoke=${uptime%.*}

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
      "strangers$tab"*) strangers=${line#*"$tab"} ;;
    esac
    if [ "$number" -gt "$shown" ]; then
      printf '%s\n' "$line"
      spoke=${uptime%.*}
      shown=$number
    fi
  done <journal
}

# vanished: whether the activation's unit is gone, by the newest `ask`, and the one that puts right
# a killed activation, too. One that is being stopped (`deactivating`) still rolls back. It may end
# between our reading of its journal and this question, so it counts from the fifth time on.
vanished() {
  case "$activation$rescue" in
    *ActiveState=active* | *ActiveState=activating* | *ActiveState=deactivating*) absent=0 ;;
    *) absent=$((absent + 1)) ;;
  esac
  [ "$absent" -ge 5 ]
}

# settle: let 0.2 s pass, or less if there is a verdict; mostly it comes as soon as a pass is told,
# and is gone again when it has been carried out.
settle() {
  for _ in 1 2 3 4 5; do
    sleep 0.04
    tell
    if [ "$last" != waiting ] || [ -f "verdict.$ID" ]; then return; fi
  done
}

# Often at first, to see the first pass soon, and ever more seldom: what still boots needs the cores.
turn=0
passes=0
while :; do
  pause=0.1
  looking=no
  last=
  [ ! -f journal ] || tell
  case "$last" in
    kept) break ;; # what is left to do comes after us
    rolled-back | rollback-failed) exit 0 ;;
  esac
  if [ "$last" = waiting ] && [ -f "verdict.$ID" ]; then
    pause=0.02 # told already: only the end is of interest
  elif [ "$last" = waiting ]; then
    looking=yes
    question
    turn=$((turn + 1))
    if [ "$good" = yes ]; then
      passes=$((passes + 1))
      # A host that is well for longer waits for others, perhaps for long.
      if [ "$passes" = 1 ]; then pause=0.02; elif [ "$passes" -le 5 ]; then pause=; else pause=0.2; fi
    else
      passes=0
      # How the units are is asked less often than whether there is an answer.
      [ $((turn % 4)) = 1 ] || looking=later
      if [ "$turn" -le 10 ]; then pause=0.05; elif [ "$turn" -gt 30 ]; then pause=0.2; fi
    fi
  fi
  if [ "$looking" != later ]; then
    ask
    if [ "$looking" = yes ]; then
      look
      spoke=${uptime%.*}
    fi
    ! vanished || exit 1
  fi
  read -r uptime _ </proc/uptime
  if [ "$((${uptime%.*} - spoke))" -ge 10 ]; then
    echo alive
    spoke=${uptime%.*}
  fi
  if [ -n "$pause" ]; then sleep "$pause"; else settle; fi
done
