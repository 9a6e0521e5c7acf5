# shellcheck shell=sh disable=SC2154
# Put the activation script in place and start it under PID 1; the fixed unit name is a mutex.
cd "$BASE/.deploy" || exit 1
# A client that was away for long has lost the lock, and somebody else may have it by now.
if flock -n lock true || ! grep -qF "$TOKEN" holder; then
  exit 76
fi
if ! { printf '%s' "$ACTIVATION" >activate.new && chmod 755 activate.new &&
  mv -T activate.new activate; }; then
  rm -f activate.new
  exit 77
fi
sudo -n /usr/bin/systemd-run --collect --quiet --uid="$DEPLOY_USER" --service-type=exec \
  --property=OnFailure="$SERVICE-rescue.service" --unit="$UNIT" "$BASE/.deploy/activate" || exit 75
