# shellcheck shell=sh disable=SC2154
# The environment file's text comes on standard input, so that it is in no argument list.
if [ "$WITH_ENV" = 1 ]; then
  if [ "$PLAN" = 1 ]; then
    if cmp -s - "$ENV_FILE"; then same "$ENV_FILE"; else changed "$ENV_FILE" || :; fi
  else
    mkdir -p "${ENV_FILE%/*}"
    chmod 755 "${ENV_FILE%/*}"
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
[ "$PLAN" != 1 ] || exit 0
if [ "$units_changed" = 1 ]; then systemctl daemon-reload; fi
for unit in "$SERVICE" "$SERVICE-recover"; do
  systemctl is-enabled --quiet "$unit.service" 2>/dev/null ||
    systemctl enable --quiet "$unit.service"
done
