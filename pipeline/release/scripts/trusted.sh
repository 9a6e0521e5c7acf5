# shellcheck shell=sh disable=SC2154
# trusted DIRECTORY: whether root alone can change it and every directory above it, up to ROOT. Below
# any other one root follows no path: whoever owns it may put a link there at any moment.
trusted() (
  cd -P "$1" 2>/dev/null || exit 1
  top=$(cd -P "$ROOT" && pwd -P)
  while :; do
    mode=$(stat -c %a .)
    [ "$(stat -c %u .)" = "$(id -u)" ] || exit 1
    case "$mode" in *[2367] | *[2367]?) exit 1 ;; esac
    here=$(pwd -P)
    if [ "$here" = "$top" ] || [ "$here" = / ]; then exit 0; fi
    cd -P .. || exit 1
  done
)
