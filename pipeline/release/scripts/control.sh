# shellcheck shell=sh disable=SC2154,SC2034,SC2153
# Stopping and starting the service, for the activation and for `fab restart`; after probe.sh.

# Children must not inherit the lock: a service started under it would hold it for ever.
ctl() { sudo -n /usr/bin/systemctl "$@" 9>&-; }

# A BEAM that is told to stop while it boots forgets it, and systemd would wait for the whole
# TimeoutStopSec (docs/decisions/0003). So it is told again until it has stopped.
stop_service() {
  {
    trap - TERM # of which the script may take no notice
    while sleep 2; do ctl kill --signal=TERM "$SERVICE.service"; done
  } 9>&- >/dev/null 2>&1 &
  reminder=$!
  ctl stop "$SERVICE.service"
  ended=$?
  kill -KILL "$reminder" # TERM would be lost on one that has not come to its trap yet
  wait "$reminder" 2>/dev/null
  return "$ended"
}

ask() { service=$(properties "$SERVICE.service"); }

# start_service: as if it had never failed before.
start_service() {
  ctl reset-failed "$SERVICE.service" 2>/dev/null
  ctl start "$SERVICE.service"
}

# vacant: whether nobody else answers or listens at health.url now that the service is stopped;
# else $held says who. A gateway's error comes from a proxy that leads to the service.
vacant() {
  port=$HEALTH_PORT
  listening
  if [ "$HEALTH_LOCAL" = 1 ] && [ -z "$heard" ]; then return; fi
  remember
  for _ in 1 2; do
    answer 3
    [ -n "$far" ] || return 0
    case "$code" in
      502 | 503 | 504)
        front=yes
        return
        ;;
    esac
    sleep 0.3
  done
  owner
  held=${owner#other }
  if [ "$held" = afar ]; then held="another host ($far)"; fi
  return 1
}
