# shellcheck shell=sh disable=SC2154,SC2034
# From a bare host to one that can be deployed to; run as root, as often as one likes.
# Prints `same PATH` or `changed PATH` for each thing; with PLAN=1 it only says so.
set -eu
umask 022

changed() { printf 'changed\t%s\n' "$1"; [ "$PLAN" != 1 ]; }
same() { printf 'same\t%s\n' "$1"; }

# user NAME SHELL HOME
user() {
  if getent passwd "$1" >/dev/null; then
    same "user $1"
  elif changed "user $1"; then
    useradd --system --user-group --shell "$2" --home-dir "$3" "$1"
  fi
}

# directory PATH OWNER MODE
directory() {
  if [ "$(stat -c '%U %a' "$1" 2>/dev/null)" = "$2 $3" ]; then
    same "$1/"
  elif changed "$1/"; then
    mkdir -p "$1"
    chown "$2:$2" "$1"
    chmod "$3" "$1"
  fi
}

# place PATH MODE TEXT: whole or not at all
place() {
  if [ -f "$1" ] && [ "$(stat -c %a "$1")" = "$2" ] && printf '%s' "$3" | cmp -s - "$1"; then
    same "$1"
  elif changed "$1"; then
    mkdir -p "${1%/*}"
    rm -f "$1.new"
    printf '%s' "$3" >"$1.new"
    chmod "$2" "$1.new"
    case "$1" in
      */sudoers.d/*)
        visudo -cqf "$1.new" || { rm -f "$1.new"; echo "visudo refused $1" >&2; exit 1; }
        ;;
    esac
    mv -T "$1.new" "$1"
    units_changed=1
  fi
}

# gone PATH: what an earlier setting had put there
gone() {
  [ -e "$1" ] || return 0
  if changed "$1 (removed)"; then
    rm -f "$1"
    units_changed=1
  fi
}

for program in curl flock sha256sum sudo systemctl visudo; do
  command -v "$program" >/dev/null 2>&1 || { printf 'missing\t%s\n' "$program"; missing=1; }
done
[ -z "${missing:-}" ] || exit 4

units_changed=0
user "$DEPLOY_USER" /bin/sh "$DEPLOY_HOME"
user "$SERVICE_USER" /usr/sbin/nologin "$STATE"
if getent group systemd-journal >/dev/null; then
  case " $(id -nG "$DEPLOY_USER" 2>/dev/null) " in
    *" systemd-journal "*) same "$DEPLOY_USER reads the journal" ;;
    *)
      if changed "$DEPLOY_USER reads the journal"; then
        usermod -a -G systemd-journal "$DEPLOY_USER"
      fi
      ;;
  esac
fi
directory "$DEPLOY_HOME" "$DEPLOY_USER" 755
directory "$DEPLOY_HOME/.ssh" "$DEPLOY_USER" 700
if grep -qxF "$DEPLOY_KEY" "$DEPLOY_HOME/.ssh/authorized_keys" 2>/dev/null; then
  same "$DEPLOY_HOME/.ssh/authorized_keys"
elif changed "$DEPLOY_HOME/.ssh/authorized_keys"; then
  printf '%s\n' "$DEPLOY_KEY" >>"$DEPLOY_HOME/.ssh/authorized_keys"
  chown "$DEPLOY_USER:$DEPLOY_USER" "$DEPLOY_HOME/.ssh/authorized_keys"
  chmod 600 "$DEPLOY_HOME/.ssh/authorized_keys"
fi
mkdir_parents() { [ "$PLAN" = 1 ] || mkdir -p "${1%/*}"; }
mkdir_parents "$BASE"
mkdir_parents "$BACKUPS"
for path in "$BASE" "$BASE/releases" "$BASE/.deploy" "$BASE/.deploy/incoming" "$BACKUPS"; do
  directory "$path" "$DEPLOY_USER" 755
done
[ -z "$DUMPS" ] || directory "$DUMPS" "$SERVICE_USER" 755
