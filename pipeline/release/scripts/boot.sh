# shellcheck shell=sh disable=SC2154
# At boot, after `activate boot` and before the service: what `current` names is proved. A power cut
# leaves files empty that were written shortly before it; then what served before is linked, or comes
# back from its backup. Run by the unit SERVICE-recover as the deploy user.
set -u
umask 022
cd "$BASE" || exit 1
served() {
  cat .deploy/history.jsonl.1 .deploy/history.jsonl 2>/dev/null | grep '"outcome":"kept"' |
    sed -n 's/^{.*"to": "\([0-9_]*\)".*/\1/p' | sed '1!G;h;$!d'
}

# digest NAME: that of its list, by the deploy that brought it.
digest() {
  cat .deploy/history.jsonl.1 .deploy/history.jsonl 2>/dev/null |
    sed -n "s/^{.*\"kind\": \"deploy\", \"to\": \"$1\".*\"digest\": \"\([0-9a-f]*\)\".*/\1/p" | tail -n 1
}

whole() { verify_tree "$1" "$(digest "$2")" >/dev/null; }

# bring NAME: let releases/NAME be whole, by its backup if need be.
bring() {
  if whole "releases/$1" "$1"; then return; fi
  whole "$BACKUPS/release_$1" "$1" || return
  rm -rf ".deploy/incoming/$1" ".deploy/incoming/damaged_$1"
  cp -a "$BACKUPS/release_$1" ".deploy/incoming/$1" && sync -f ".deploy/incoming/$1" || return
  if [ -d "releases/$1" ]; then mv -T "releases/$1" ".deploy/incoming/damaged_$1" || return; fi
  mv -T ".deploy/incoming/$1" "releases/$1" || return
  rm -rf ".deploy/incoming/damaged_$1"
}

now=$(readlink current 2>/dev/null) || exit 0
now=${now##*/}
if whole "releases/$now" "$now"; then exit 0; fi
echo "$now, which \`current\` names, is damaged:"
verify_tree "releases/$now" "$(digest "$now")" | head -n 20
tried=" "
for name in $now $(served); do
  case "$tried" in *" $name "*) continue ;; esac
  tried="$tried$name "
  [ "$name" = "$now" ] || [ ! -f ".deploy/failed/$name" ] || continue
  bring "$name" || continue
  rm -f .current.boot
  ln -s "releases/$name" .current.boot && mv -T .current.boot current || exit 1
  at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
  [ -z "$(tail -c 1 .deploy/history.jsonl 2>/dev/null)" ] || echo >>.deploy/history.jsonl
  printf '{"id": "boot-%s", "kind": "rollback", "to": "%s", "from": "%s", "by": "%s", %s,"outcome":"kept","reason":"%s","downtime":null,"finished":"%s"}\n' \
    "$at" "$name" "$now" "the host at boot" "\"started\": \"$at\"" \
    "files of $now were lost or damaged" "$at" >>.deploy/history.jsonl
  sync -f .deploy/history.jsonl
  echo "$name is linked"
  exit 0
done
echo "nothing that has served is whole; $now stays linked"
