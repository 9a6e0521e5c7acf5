# shellcheck shell=sh disable=SC2154
# In front of every script that changes something under the lock, which calls `own` once more before
# its last step. A client that was away for long has lost the lock, and another command may have it.
own() {
  taken=0
  flock -n "$BASE/.deploy/lock" true || taken=$?
  case "$taken:$(cat "$BASE/.deploy/holder" 2>/dev/null)" in
    1:*"$TOKEN"*) ;;
    *)
      echo "the lock is not held by this command any more" >&2
      exit 76
      ;;
  esac
}
own
