# shellcheck shell=sh disable=SC2154
# What the serving release consists of (difference.py): its files that are programs, an empty line,
# and its list of digests, shortened; in one line.
if [ -f "$BASE/current/SHA256SUMS" ]; then
  printf 'contents\t'
  {
    (cd "$BASE/current/" && find . -type f -perm -100)
    echo
    cut -c 1-16,67- "$BASE/current/SHA256SUMS"
  } | gzip -c | base64 | tr -d '\n'
  echo
fi
