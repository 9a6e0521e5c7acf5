#!/bin/sh
# apt.sh [--those-there] PACKAGE...: install Debian packages, as root, starting none of their
# services. With --those-there a package that this Debian does not have is named, not an error.
# Says what it does, and shows what apt said only when that failed.
set -eu
those_there=no
if [ "$1" = --those-there ]; then those_there=yes && shift; fi
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

apt() { apt-get -q -y -o DPkg::Lock::Timeout=120 "$@" </dev/null >>"$log" 2>&1; }
install() { apt install --no-install-recommends "$@"; }
known() { [ -n "$(apt-cache madison "$1" 2>/dev/null)" ]; }
fail() {
  cat "$log" >&2
  echo "error: apt could not install $*" >&2
  exit 1
}

# The lists may be missing or older than the archive: then once more with new ones. A source that
# fails to answer matters only if a package is missing then.
if ! install "$@"; then
  apt update || :
  if ! install "$@"; then
    # Without its lists apt knows no package at all.
    if [ $those_there = no ] || ! known base-files; then fail "$@"; fi
    for package; do
      shift
      if known "$package"; then set -- "$@" "$package"; else
        echo "This Debian has no package $package; the tests that need it will be skipped."
      fi
    done
    [ $# != 0 ] || exit 0
    install "$@" || fail "$@"
  fi
fi

if [ $sshd_was_here = no ] && [ -e /usr/sbin/sshd ] && command -v systemctl >/dev/null; then
  systemctl --quiet disable ssh.service # or the machine would serve logins from its next boot on
fi
