# shellcheck shell=sh disable=SC2154
# The new release's own BEAM starts once, as the service user with the service's environment, and
# lists the pending migrations. If it cannot run here, the old release never stops.
set -eu
cd "$BASE/.deploy"
rm -f .candidate.new
ln -s "../releases/$TO" .candidate.new
mv -T .candidate.new candidate
code=0
if [ "$CREATE" = 1 ]; then
  sudo -n /usr/bin/systemctl start "$SERVICE-createdb.service" || code=$?
  sed 's/^/pending\t/' "$CREATE_OUTPUT" 2>/dev/null || :
  [ "$code" = 0 ] || exit "$code"
fi
sudo -n /usr/bin/systemctl start "$SERVICE-pending.service" || code=$?
sed 's/^/pending\t/' "$PENDING_OUTPUT" 2>/dev/null || :
exit "$code"
