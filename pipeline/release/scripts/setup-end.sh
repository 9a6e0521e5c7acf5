# shellcheck shell=sh disable=SC2154
# The environment file's text comes on standard input, so that it is in no argument list.
if [ "$WITH_ENV" = 1 ]; then
  if [ "$PLAN" = 1 ]; then
    if cmp -s - "$ENV_FILE"; then same "$ENV_FILE"; else changed "$ENV_FILE" || :; fi
  else
    mkdir -p "${ENV_FILE%/*}"
    trusted "${ENV_FILE%/*}" || refuse "${ENV_FILE%/*} can be changed by others than root"
    chmod 755 "${ENV_FILE%/*}"
    rm -f "$ENV_FILE.new"
    (umask 077 && cat >"$ENV_FILE.new")
    chmod 600 "$ENV_FILE.new"
    if cmp -s "$ENV_FILE.new" "$ENV_FILE"; then
      rm -f "$ENV_FILE.new"
      same "$ENV_FILE"
    elif [ -f "$ENV_FILE" ] && [ "$REPLACE_ENV" != 1 ]; then
      rm -f "$ENV_FILE.new"
      printf 'kept\t%s\n' "$ENV_FILE"
    else
      changed "$ENV_FILE"
      mv -T "$ENV_FILE.new" "$ENV_FILE"
    fi
  fi
elif [ -f "$ENV_FILE" ]; then
  same "$ENV_FILE"
else
  printf 'absent\t%s\n' "$ENV_FILE"
fi
[ -L "$BASE/current" ] || printf 'first\t%s\n' "$BASE"
if [ -n "$OLD_USER" ] && changed "$SERVICE runs as $SERVICE_USER, not as $OLD_USER; restarted"; then
  # Before any unit of the new user starts: systemd then hands it the state directory.
  if systemctl is-active --quiet "$SERVICE.service"; then was_active=1; else was_active=; fi
  systemctl stop "$SERVICE.service"
fi
[ "$PLAN" != 1 ] || exit 0
if [ "$units_changed" = 1 ]; then systemctl daemon-reload; fi
[ -z "${was_active:-}" ] || systemctl start "$SERVICE.service"
for unit in "$SERVICE" "$SERVICE-recover"; do
  systemctl is-enabled --quiet "$unit.service" 2>/dev/null ||
    systemctl enable --quiet "$unit.service"
done
