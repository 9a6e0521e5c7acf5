# shellcheck shell=sh disable=SC2154
# Have the database dumped before anything is stopped, and look at what came of it.
set -u
# The dump is named by the release that `candidate` leads to, so that one of another is not there.
prove dump "$OUTPUT"
found=$(stat -c '%a %s' "$DUMP" 2>/dev/null) || { echo "$DUMP is not there" >&2; exit 1; }
case "$found" in
  '600 0') echo "$DUMP is empty" >&2; exit 1 ;;
  '600 '*) printf 'dumped\t%s\n' "${found#600 }" ;;
  *) echo "$DUMP has mode ${found% *}, not 600" >&2; exit 1 ;;
esac
