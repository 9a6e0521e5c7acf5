# shellcheck shell=sh disable=SC2154
# The deploy user's authorized_keys: add a key beside another, or take one away. The file is
# replaced whole, with its mode; one that would not hold KEEP any more stays as it is.
set -eu
umask 077
cd "$HOME/.ssh"
[ -f authorized_keys ] || { echo "$HOME/.ssh/authorized_keys is not there" >&2; exit 4; }
cp -p authorized_keys authorized_keys.new
if [ -n "$ADD" ]; then
  if grep -qF "${ADD#* }" authorized_keys; then
    rm -f authorized_keys.new
    echo "there"
    exit 0
  fi
  # With the options (from=, restrict) of the line that it shall replace.
  awk -v old="$BESIDE" -v new="$ADD" '
    { print }
    !done && (at = index($0, old)) { line = substr($0, 1, at - 1) new; done = 1 }
    END { print done ? line : new }
  ' authorized_keys >authorized_keys.new
else
  awk -v old="${REMOVE#* }" 'index($0, old) == 0' authorized_keys >authorized_keys.new
fi
if ! grep -qF "${KEEP#* }" authorized_keys.new; then
  rm -f authorized_keys.new
  echo "no line of authorized_keys would hold the key that must stay" >&2
  exit 5
fi
sync authorized_keys.new 2>/dev/null || sync
mv -T authorized_keys.new authorized_keys
echo "changed"
