# shellcheck shell=sh disable=SC2154,SC2034
# From a bare host to one that can be deployed to; run as root, as often as one likes.
# Prints `same PATH` or `changed PATH` for each thing; with PLAN=1 it only says so.
#
# The deploy user owns its directories, and could put a link into them at any moment. So whatever
# lies there is made by that user itself (`as_deploy`), and root gives away only what that user, or
# nobody, could have put there (`give`).
set -eu
umask 022
cd /

changed() { printf 'changed\t%s\n' "$1"; [ "$PLAN" != 1 ]; }
same() { printf 'same\t%s\n' "$1"; }
refuse() { echo "refused: $1" >&2; exit 6; }

# Our own standard input is the environment file: nobody else gets it.
as_deploy() { timeout 60 runuser -u "$DEPLOY_USER" -- "$@" </dev/null; }

# user NAME SHELL HOME
user() {
  if getent passwd "$1" >/dev/null; then
    same "user $1"
  elif changed "user $1"; then
    useradd --system --user-group --shell "$2" --home-dir "$3" "$1"
  fi
}

# give DIRECTORY OWNER MODE: the directory that we are in is the one that is given, whatever its
# path leads to by then.
give() (
  real=$1
  if trusted "${1%/*}"; then real=$(readlink -f "$1"); fi
  cd -P "$1"
  [ "$(pwd -P)" = "$real" ] || refuse "$1 leads to $(pwd -P)"
  if [ "$(stat -c %U .)" = "$2" ] || as_deploy test -O . || trusted ..; then
    :
  elif [ "$(stat -c %u .)" = 0 ] &&
    { [ -z "$(ls -A)" ] || [ "$(stat -c %d .)" != "$(stat -c %d ..)" ]; }; then
    : # empty, or a disk of its own
  elif [ "$(stat -c %U .)" != "$OLD_USER" ]; then
    refuse "$1 belongs to $(stat -c %U .), not to $2; if that is meant: chown $2: $1"
  fi
  chown "$2:" .
  chmod "$3" .
)

# directory PATH OWNER MODE
directory() {
  if [ -L "$1" ] && ! trusted "${1%/*}"; then refuse "$1 is a link, where a directory belongs"; fi
  if [ "$(stat -L -c '%U %a' "$1" 2>/dev/null)" = "$2 $3" ]; then
    same "$1/"
  elif changed "$1/"; then
    if [ ! -d "$1" ]; then
      above=${1%/*}
      while [ ! -d "$above/" ]; do above=${above%/*}; done
      if trusted "$above/"; then mkdir -p "$1"; else as_deploy mkdir -p "$1"; fi
    fi
    give "$1" "$2" "$3"
  fi
}

# place PATH MODE TEXT: whole or not at all
place() {
  if [ -f "$1" ] && [ "$(stat -c %a "$1")" = "$2" ] && printf '%s' "$3" | cmp -s - "$1"; then
    same "$1"
  elif changed "$1"; then
    mkdir -p "${1%/*}"
    trusted "${1%/*}" || refuse "${1%/*} can be changed by others than root"
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

for program in curl flock runuser sha256sum sudo systemctl timeout visudo; do
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
home=$(getent passwd "$DEPLOY_USER" | cut -d : -f 6)
if [ -n "$home" ] && [ "$home" != / ]; then DEPLOY_HOME=$home; fi
keys=$DEPLOY_HOME/.ssh/authorized_keys
directory "$DEPLOY_HOME" "$DEPLOY_USER" 755
directory "$DEPLOY_HOME/.ssh" "$DEPLOY_USER" 700
if getent passwd "$DEPLOY_USER" >/dev/null &&
  as_deploy timeout 10 grep -qxF "$DEPLOY_KEY" "$keys" 2>/dev/null; then
  same "$keys"
elif changed "$keys"; then
  # shellcheck disable=SC2016
  as_deploy timeout 10 sh -c '
    umask 077
    if [ -L "$1" ] || { [ -e "$1" ] && [ ! -f "$1" ]; }; then
      echo "refused: $1 is not a file, and a key is written through nothing else" >&2
      exit 6
    fi
    [ -z "$(tail -c 1 "$1" 2>/dev/null)" ] || echo >>"$1"
    printf "%s\n" "$2" >>"$1" && chmod 600 "$1"
  ' sh "$keys" "$DEPLOY_KEY"
fi
for path in "$BASE" "$BASE/releases" "$BASE/.deploy" "$BASE/.deploy/incoming" "$BACKUPS"; do
  directory "$path" "$DEPLOY_USER" 755
done
[ -z "$DUMPS" ] || directory "$DUMPS" "$SERVICE_USER" 755
