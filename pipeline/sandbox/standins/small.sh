# shellcheck shell=sh
# Sandbox stand-in for small system programs; see host.py. Acts by the name it is called under.
case "${0##*/}" in
  sudo)
    # Runs the command as who we are: the sandbox has one user. System paths become stand-ins.
    while :; do
      case "$1" in
        -n | --) shift ;;
        -u) shift 2 ;;
        *) break ;;
      esac
    done
    program=$1
    shift
    [ ! -x "$QUSTO_SANDBOX/bin/${program##*/}" ] || program="$QUSTO_SANDBOX/bin/${program##*/}"
    exec "$program" "$@"
    ;;
  useradd)
    for name in "$@"; do :; done
    echo "$name" >>"$QUSTO_SANDBOX/users"
    ;;
  getent)
    [ "$1" = passwd ] && grep -qx "$2" "$QUSTO_SANDBOX/users" 2>/dev/null
    ;;
  visudo)
    # visudo -cqf FILE: each line is a comment or a rule.
    for file in "$@"; do :; done
    ! grep -qvE '^(#.*|[a-z_][a-z0-9_-]* ALL=\(root\) NOPASSWD: /.*)?$' "$file"
    ;;
  chown | usermod) ;;
esac
