# shellcheck shell=sh disable=SC2154,SC2153
# Replaces the environment file by standard input, whole or not at all, if it still is as it was
# read. Run as root; owner and mode stay. The text is in no argument list.
set -eu
umask 022
file=$(readlink -f "$ENV_FILE")
mkdir -p "${file%/*}"
trusted "${file%/*}" || { echo "${file%/*} can be changed by others than root" >&2; exit 6; }
umask 077
[ -f "$file" ] || file_before=/dev/null
seen=$(sha256sum <"${file_before:-$file}")
if [ "${seen%% *}" != "$SEEN" ]; then
  echo "$ENV_FILE was changed by somebody else meanwhile" >&2
  exit 4
fi
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
arrived=$(sha256sum <"$new")
if [ "${arrived%% *}" != "$WANTED" ]; then
  echo "the text did not arrive whole" >&2
  exit 5
fi
if [ -f "$file" ]; then
  chown "$(stat -c %u:%g "$file")" "$new"
  chmod "$(stat -c %a "$file")" "$new"
fi
sync "$new" 2>/dev/null || sync
mv -T "$new" "$file"
trap - EXIT
