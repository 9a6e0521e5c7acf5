# shellcheck shell=sh disable=SC2154
# The new release's own BEAM starts once, as the service user with the service's environment, and
# lists the pending migrations. If it cannot run here, the old release never stops.
cd "$BASE/.deploy" || exit 1
rm -f .candidate.new
ln -s "../releases/$TO" .candidate.new
own
mv -T .candidate.new candidate

[ "$CREATE" != 1 ] || prove createdb "$CREATE_OUTPUT"
prove pending "$PENDING_OUTPUT"
wait "$syncing"
