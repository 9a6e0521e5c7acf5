#!/bin/sh
# bare.sh SUITE USER COMMAND: run COMMAND as the first thing on a bare Debian machine.
#
#   bootstrap/bare.sh bookworm root  'make demo'
#   bootstrap/bare.sh trixie   alice 'make test ARGS=tests/unit/sandbox'
#
# Bare: python3, git, make, ca-certificates and nothing else, with this machine's package sources.
# The committed state of this checkout is cloned into it. Needs root on Debian, and overlayfs.
# The base is kept in ~/.cache/qusto-pipeline; what COMMAND leaves is thrown away. Real hosts
# cannot be booted in there: their tests are skipped.
set -eu
suite=$1 user=$2 command=$3
cd -- "$(dirname -- "$0")/.."
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "error: bare machines are made by debootstrap, as root on Debian" >&2
  exit 2
fi
command -v debootstrap >/dev/null || bootstrap/apt.sh debootstrap
cache=${XDG_CACHE_HOME:-$HOME/.cache}/qusto-pipeline
base=$cache/bare-$suite

# shellcheck disable=SC2016  # apt's own variables
make_base() {
  echo "Making a bare Debian $suite in $base"
  mirror=$(apt-get indextargets --format '$(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "main" && !/security/ { print $2; exit }')
  new=$(mktemp -d "$cache/bare-XXXXXX")
  if ! debootstrap --variant=minbase --include=python3,git,make,ca-certificates \
    "$suite" "$new" "$mirror" >"$new.log" 2>&1; then
    tail "$new.log" >&2
    echo "error: debootstrap could not make a Debian $suite" >&2
    rm -rf "$new"
    exit 1
  fi
  chmod 755 "$new"
  mv -T "$new" "$base"
  rm "$new.log"
}

mkdir -p "$cache"
exec 9>"$base.lock"
flock 9
[ -d "$base" ] || make_base
exec 9>&-

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
git clone -q . "$work/project"
[ -z "$(git status --porcelain)" ] || echo "note: without what is not committed"
# shellcheck source=/dev/null
here=$(. /etc/os-release && echo "$VERSION_CODENAME")
npmrc=$(npm config get globalconfig 2>/dev/null || :)
export base suite here user command work npmrc
# All of it in namespaces of its own: its mounts and processes end with it.
# shellcheck disable=SC2016  # the inner shell's variables
unshare --mount --pid --fork --kill-child --propagation private sh -euc '
  mkdir "$work/disk"
  mount -t tmpfs -o size=8g bare "$work/disk"
  mkdir "$work/disk/up" "$work/disk/work" "$work/disk/root"
  root=$work/disk/root
  mount -t overlay bare -o "lowerdir=$base,upperdir=$work/disk/up,workdir=$work/disk/work" "$root"
  mount -t proc proc "$root/proc"
  mount -t sysfs sysfs "$root/sys"
  mount --rbind /dev "$root/dev"
  # What this machine needs in order to download: names, sources, certificates, indexes.
  cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
  rm -f "$root/etc/apt/sources.list"
  for file in /etc/apt/sources.list /etc/apt/sources.list.d/debian.sources; do
    [ ! -f "$file" ] || sed "s/\b$here\b/$suite/g" "$file" >"$root$file"
  done
  for file in /etc/apt/apt.conf.d/*; do
    [ -e "$root$file" ] || cp "$file" "$root$file"
  done
  certificates=/etc/ssl/certs/ca-certificates.crt
  cp --remove-destination -L "$certificates" "$root$certificates"
  [ ! -f /etc/pip.conf ] || grep -v find-links /etc/pip.conf >"$root/etc/pip.conf"
  home=/root
  if [ "$user" != root ]; then
    chroot "$root" useradd -m -s /bin/bash "$user"
    home=/home/$user
  fi
  for file in "$npmrc" ~/.npmrc; do
    [ ! -f "$file" ] || grep -vE "nodedir|cafile" "$file" >>"$root$home/.npmrc" || :
  done
  cp -r "$work/project" "$root$home/"
  chroot "$root" chown -R "$user:" "$home"
  exec env -i HOME="$home" USER="$user" LOGNAME="$user" LANG=C.UTF-8 TERM="${TERM:-dumb}" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PIP_CERT="$certificates" SSL_CERT_FILE="$certificates" NODE_EXTRA_CA_CERTS="$certificates" \
    chroot --userspec="$user:$user" "$root" sh -c "cd ~/project && $command"
'
