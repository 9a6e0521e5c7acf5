# shellcheck shell=sh disable=SC2154
# What setup (as root) and doctor (as the deploy user) ask beside the survey: read-only.
# facts.py reads the output: WORD, a tab, the rest. No path has blanks.
fact() {
  printf '%s' "$1"
  shift
  for value in "$@"; do printf '\t%s' "$value"; done
  echo
}

fact systemd "$(systemctl --version 2>/dev/null | sed -n '1s/[^0-9]*\([0-9]*\).*/\1/p')"
for file in $FILES; do
  if [ -r "$file" ] && sum=$(sha256sum <"$file"); then fact file "$file" "${sum%% *}"; fi
done
fact unit-user "$(sed -n 's/^User=//p' "$UNITS/$SERVICE.service" 2>/dev/null | tail -n 1)"

# Which address another environment of this host answers at: its unit tells, or, written by an older
# version, the last activation of its own.
for unit in "$UNITS"/*.service; do
  name=${unit##*/}
  [ "$name" != "$SERVICE.service" ] || continue
  base=$(sed -n 's|^WorkingDirectory=\(/.*\)/current$|\1|p' "$unit" 2>/dev/null | head -n 1)
  [ -n "$base" ] || continue
  url=$(sed -n 's/^X-QustoHealth=//p' "$unit" | head -n 1)
  if [ -z "$url" ] && [ -f "$base/.deploy/activate" ]; then
    url=$(timeout 5 sed -n 's/^HEALTH_URL=//p' "$base/.deploy/activate" | tr -d "'\"" | head -n 1)
  fi
  fact other "${name%.service}" "$url"
done

# Who listens at our port: anybody may read whose socket it is, root also which process has it.
if main=$(systemctl show -p MainPID --value "$SERVICE.service"); then
  fact owner "$(stat -c %u "/proc/${main:-0}" 2>/dev/null)"
fi
hex=$(printf ':%04X' "$PORT")
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | awk -v port="$hex" \
  '$4 == "0A" && substr($2, length($2) - 4) == port { print $8 }' | sort -u | while read -r uid; do
  pid=
  if command -v ss >/dev/null 2>&1; then
    pid=$(ss -Hltnp "sport = :$PORT" 2>/dev/null | sed -n 's/.*pid=\([0-9]*\).*/\1/p' | head -n 1)
  fi
  unit=
  [ -z "$pid" ] || unit=$(sed -n 's|.*/\([^/]*\.service\)\(/.*\)\{0,1\}$|\1|p' "/proc/$pid/cgroup" | head -n 1)
  name=$(getent passwd "$uid" | cut -d : -f 1)
  fact listener "$uid" "${name:-$uid}" "$pid" "${unit%.service}"
done
