# shellcheck shell=sh
# Sandbox stand-ins for small system programs; see host.py. Acts by the name it is called under.
say() { echo "$*" >&2; }
case "${0##*/}" in
  sudo)
    # The sandbox has one user, so the command runs as who we are; but only root, and commands
    # that a file of the host's sudoers.d allows word for word, get that far.
    list=
    while :; do
      case "$1" in
        -n | --) shift ;;
        -l) list=1; shift ;;
        -u) shift 2 ;;
        *) break ;;
      esac
    done
    if [ -n "$list" ] && [ $# = 0 ]; then
      sed -n "s/^$USER ALL=/    /p" "$QUSTO_SANDBOX"/host/etc/sudoers.d/* 2>/dev/null
      exit
    fi
    if [ "$USER" != root ] && ! cat "$QUSTO_SANDBOX"/host/etc/sudoers.d/* 2>/dev/null |
      grep -qxF "$USER ALL=(root) NOPASSWD: $*"; then
      say "sudo: a password is required (sandbox: $USER may not run \`$*\`)"
      exit 1
    fi
    [ -z "$list" ] || { echo "$*"; exit; }
    program=$1
    shift
    if [ -x "$QUSTO_SANDBOX/bin/${program##*/}" ]; then
      program="$QUSTO_SANDBOX/bin/${program##*/}"
    fi
    USER=root exec "$program" "$@"
    ;;
  useradd | groupadd)
    for name in "$@"; do :; done
    if grep -qxF "${0##*/} $name" "$QUSTO_SANDBOX/accounts" 2>/dev/null; then
      say "${0##*/}: '$name' already exists"
      exit 9
    fi
    echo "${0##*/} $name" >>"$QUSTO_SANDBOX/accounts"
    ;;
  getent)
    # getent passwd NAME, getent group NAME; useradd --user-group makes both.
    case "$1" in
      passwd) added='useradd' ;;
      group) added='(useradd|groupadd)' ;;
      *) exit 1 ;;
    esac
    grep -qxE "$added $2" "$QUSTO_SANDBOX/accounts" 2>/dev/null || exit 2
    echo "$2:x:999:999::$QUSTO_SANDBOX/host/home/$2:/bin/sh"
    ;;
  visudo)
    # visudo -cf FILE: each line is a comment or a rule.
    for file in "$@"; do :; done
    if [ ! -f "$file" ] ||
      grep -qvE '^(#.*|[a-z_][a-z0-9_-]* ALL=\([a-z]+\) NOPASSWD: /.*)?$' "$file"; then
      say "visudo: $file: syntax error"
      exit 1
    fi
    ;;
  runuser)
    # runuser -u NAME -- COMMAND: there is one user
    shift 3
    exec "$@"
    ;;
  chown | usermod) ;;
esac
