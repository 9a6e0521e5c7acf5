# shellcheck shell=sh disable=SC2154
# End the watch over a release that was kept: the next command takes its place. One that has begun to
# roll back is not disturbed by the signal, and goes on.
pid=$(systemctl show -p MainPID --value "$UNIT.service")
[ "${pid:-0}" = 0 ] || kill -TERM "$pid" 2>/dev/null
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  case "$(systemctl is-active "$UNIT.service")" in
    active | activating | deactivating) sleep 0.5 ;;
    *) break ;;
  esac
done
