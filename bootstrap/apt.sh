#!/bin/sh
# apt.sh PACKAGE...: install Debian packages, as root, starting none of their services.
# Says what it does, and shows what apt said only when that failed.
set -eu
echo "Installing the Debian packages: $*"
export DEBIAN_FRONTEND=noninteractive

log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=no
trap 'rm -f "$log"; [ $made_policy = no ] || rm -f "$policy"' EXIT
trap 'exit 130' INT TERM HUP

# A service that a package brings (sshd) is for test hosts, not for this machine.
if [ ! -e "$policy" ]; then
  made_policy=yes
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
fi
sshd_was_here=no
if [ -e /usr/sbin/sshd ]; then sshd_was_here=yes; fi

install() { apt-get install -q -y --no-install-recommends "$@" </dev/null >>"$log" 2>&1; }
update() { apt-get update -q >>"$log" 2>&1; }

# The lists may be missing or older than the archive: then once more with new ones.
if ! install "$@" && ! { update && install "$@"; }; then
  cat "$log" >&2
  echo "error: apt could not install $*" >&2
  exit 1
fi

if [ $sshd_was_here = no ] && [ -e /usr/sbin/sshd ] && command -v systemctl >/dev/null; then
  systemctl --quiet disable ssh.service # or the machine would serve logins from its next boot on
fi
