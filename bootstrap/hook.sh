#!/bin/sh
# What pre-commit and prek start from their clone of this repository, in the top directory of the
# repository that is being committed to. The first run sets up .venv in the clone.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd -P)
# Git's variables name the repository of the commit; setting up must not see them.
for name in $(git rev-parse --local-env-vars); do
  [ "$name" = GIT_INDEX_FILE ] || unset "$name" # which says what is committed
done
# A clone that was moved or copied has a .venv of another place.
made_here() {
  for file in "$here"/.venv/installed-*; do
    if read -r _ _ place 2>/dev/null <"$file" && [ "$place" = "$here" ]; then return 0; fi
  done
  return 1
}
made_here || (unset GIT_INDEX_FILE && "$here/bootstrap/venv.sh" run >&2)
PRE_COMMIT=1 # pre-commit sets it, its relatives may not
export PRE_COMMIT
exec "$here/.venv/bin/python" -P -m pipeline.commit "$@"
