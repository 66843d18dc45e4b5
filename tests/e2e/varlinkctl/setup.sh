#!/bin/sh
# Fetches systemd's varlinkctl for the test of the control protocol: unpacks Debian's packages into
# DIRECTORY, installs nothing, needs no root, and prints the command. On Debian and its kin:
#
#   HOLDFAST_VARLINKCTL=$(tests/e2e/varlinkctl/setup.sh DIRECTORY) npm test -- varlinkctl
#
# Where systemd is 257 or later HOLDFAST_VARLINKCTL=varlinkctl does without.
# DEBIAN_MIRROR and DEBIAN_KEYRING say where else the packages and the keys are to be found.
set -eu

[ $# = 1 ] || { echo "usage: $0 DIRECTORY" >&2; exit 2; }
mkdir -p "$1"
directory=$(cd "$1" && pwd)
command=$directory/varlinkctl

if ! [ -x "$command" ]; then
  apt=$directory/apt
  mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs" "$directory/root"
  : >"$apt/status"
  mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
  keyring=${DEBIAN_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
  echo "deb [signed-by=$keyring] $mirror trixie main" >"$apt/sources.list"
  cd "$apt/debs"
  # Nothing of the machine's own package state is read or changed.
  set -- -qq -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
    -o Dir::State="$apt" -o Dir::State::Lists="$apt/lists" -o Dir::State::Status="$apt/status" \
    -o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)"
  apt-get "$@" update >&2
  apt-get "$@" download systemd libsystemd-shared libc6 libacl1 libaudit1 libblkid1 libcap2 \
    libcap-ng0 libcrypt1 libmount1 libpam0g libpcre2-8-0 libseccomp2 libselinux1 libssl3t64 \
    zlib1g libzstd1 >&2
  for package in *.deb; do dpkg-deb -x "$package" "$directory/root"; done

  root=$directory/root
  loader=$(ls "$root"/usr/lib*/ld-linux-*.so.* "$root"/usr/lib/ld-linux-*.so.* 2>/dev/null | head -n 1)
  shared=$(dirname "$(ls "$root"/usr/lib/*/systemd/libsystemd-shared-*.so)")
  cat >"$command.new" <<END
#!/bin/sh
exec '$loader' --library-path '$shared:$(dirname "$shared")' '$root/usr/bin/varlinkctl' "\$@"
END
  chmod 755 "$command.new"
  "$command.new" --version >&2
  mv "$command.new" "$command"
  rm -rf "$apt"
fi
echo "$command"
