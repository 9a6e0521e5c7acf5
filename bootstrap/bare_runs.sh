#!/bin/sh
# bare_runs.sh: the README's two commands on bare Debians 12 and 13, as root and as a user.
# Fails if one of them does; the last lines say which, and how long each took.
set -u
cd -- "$(dirname -- "$0")/.." || exit
told=$(mktemp)
trap 'rm -f "$told"' EXIT
failed=0
for command in 'make demo' 'make test'; do
  for suite in bookworm trixie; do
    for user in root alice; do
      echo "=== Debian $suite, $user: $command"
      began=$(date +%s)
      if bootstrap/bare.sh "$suite" "$user" "$command"; then verdict='ok    '; else
        verdict=FAILED failed=1
      fi
      echo "$verdict $suite $user: $command, $(($(date +%s) - began)) s" >>"$told"
    done
  done
done
cat "$told"
exit $failed
