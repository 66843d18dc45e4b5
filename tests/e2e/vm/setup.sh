#!/bin/sh
# Makes the virtual machine of vm_test.ts: a small Debian with systemd and a kernel as two files in
# DIRECTORY, to be held in memory whole. Prints DIRECTORY's full path. On Debian and its kin, with
# mmdebstrap, cpio and qemu-system-x86 installed:
#
#   HOLDFAST_VM=$(tests/e2e/vm/setup.sh DIRECTORY) npm test -- vm
#
# RELEASE is Debian's, trixie (systemd 257) if not said; bookworm has systemd 252.
# DEBIAN_MIRROR and DEBIAN_KEYRING say where else the packages and the keys are to be found.
set -euf

[ $# = 1 ] || [ $# = 2 ] || { echo "usage: $0 DIRECTORY [RELEASE]" >&2; exit 2; }
for tool in mmdebstrap cpio qemu-system-x86_64; do
  command -v $tool >/dev/null ||
    { echo "$tool is needed: apt-get install mmdebstrap cpio qemu-system-x86" >&2; exit 1; }
done
mkdir -p "$1"
directory=$(cd "$1" && pwd)
release=${2:-trixie}

if ! [ -e "$directory/root.cpio" ]; then
  # Of the kernel's modules only those for virtio and for a disk's file system.
  # Everything is in the archive before it is made, in a namespace if not by root.
  mmdebstrap --quiet --variant=essential --format=null \
    ${DEBIAN_KEYRING:+--keyring="$DEBIAN_KEYRING"} \
    --include=systemd,systemd-sysv,util-linux,procps,passwd,mount,e2fsprogs,linux-image-amd64 \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=*/modules/*/kernel/*' \
    $(for module in fs/ext4 fs/jbd2 fs/mbcache lib/crc lib/libcrc crypto/crc drivers/block/virtio \
      drivers/virtio/ drivers/char/virtio; do
      echo "--dpkgopt=path-include=*/modules/*/kernel/$module*"
    done) \
    --customize-hook='cp "$1"/boot/vmlinuz-* "$1/kernel"' \
    --customize-hook="download /kernel $directory/kernel" \
    --customize-hook='rm -r "$1/kernel" "$1"/boot/* "$1"/var/cache/apt "$1"/var/lib/apt' \
    --customize-hook='set -e; ln -s lib/systemd/systemd "$1/init"; echo machine >"$1/etc/hostname"
      : >"$1/etc/machine-id"
      cd "$1" && find . -xdev ! -path "./dev/*" ! -path ./root.cpio -print0 |
      cpio --null --create --format=newc --quiet >root.cpio' \
    --customize-hook="download /root.cpio $directory/root.cpio.new" \
    "$release" - ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} </dev/null >&2

  # /dev/kvm may be there and yet not work, as within some virtual machines: a kernel without a root
  # panics at once, and that ends qemu.
  echo tcg >"$directory/accelerator"
  if timeout 20 qemu-system-x86_64 -accel kvm -kernel "$directory/kernel" -append panic=-1 \
    -no-reboot -display none -nodefaults 2>/dev/null; then
    echo kvm >"$directory/accelerator"
  fi
  mv "$directory/root.cpio.new" "$directory/root.cpio"
fi
echo "$directory"
