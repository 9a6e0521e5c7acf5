# shellcheck shell=sh disable=SC2154,SC2034
# Restart the service, as if it had never failed. What listened at its port before and still does is
# not the new process: said first, for the looks that follow.
port=$HEALTH_PORT
listening
remember
printf 'strangers\t%s\n' "$strangers"
sudo -n /usr/bin/systemctl reset-failed "$SERVICE.service" 2>/dev/null
sudo -n /usr/bin/systemctl restart "$SERVICE.service"
