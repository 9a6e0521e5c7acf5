# shellcheck shell=sh disable=SC2154
# prove WHAT OUTPUT: start the unit SERVICE-WHAT; tell how that went, in the words of this run alone.
# proof.py reads the output: WORD, a tab, the rest.
prove() {
  unit="$SERVICE-$1.service"
  printf 'step\t%s\n' "$1"
  before=$(systemctl show -p InvocationID --value "$unit" || :)
  written=$(stat -c '%i %y' "$2" 2>/dev/null || :)
  code=0
  words=$(sudo -n /usr/bin/systemctl start "$unit" 2>&1) || code=$?
  after=$(systemctl show -p InvocationID --value "$unit" || :)
  printf 'ended\t%s\n' "$code"
  systemctl show -p LoadState,Result,ExecMainStatus "$unit" | sed 's/^/unit\t/'
  [ -z "$words" ] || printf '%s\n' "$words" | sed 's/^/words\t/'
  # systemd forgets a unit that has ended well, and its invocation with it.
  if [ "$code" = 0 ] || [ "$after" != "$before" ]; then
    printf 'ran\t%s\n' "$after"
    if [ "$written" != "$(stat -c '%i %y' "$2" 2>/dev/null)" ]; then
      head -c 1000000 "$2" | sed 's/^/output\t/'
    fi
    if [ "$code" != 0 ]; then
      journalctl --no-pager -q -o cat -n 400 "INVOCATION_ID=$after" + \
        "_SYSTEMD_INVOCATION_ID=$after" 2>/dev/null | sed 's/^/journal\t/'
    fi
  fi
  [ "$code" = 0 ] || exit "$code"
}
