# shellcheck shell=sh disable=SC2154
# Which releases and backups are not as they were built: read-only. WANTED holds one line each:
# its directory, a blank and the digest of its list (or nothing).
printf '%s\n' "$WANTED" | while read -r directory digest; do
  if ! differing=$(verify_tree "$directory" "$digest"); then
    printf '%s\n' "$differing" | sed "s|: FAILED.*||; s|^|damaged	$directory	|"
  fi
done
