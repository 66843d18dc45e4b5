#!/bin/sh
# Does within the virtual machine what machine.ts asks for over a virtio port: a request is a line with
# seconds and a script in base64, its answer one with the exit status, what was written and what was
# complained of. These go by files, so that a process which a script leaves behind holds nobody up.
# When nobody can ask any more the machine ends.
set -u
port=/dev/vport0p1
modprobe --all --quiet virtio_pci virtio_console
[ -c $port ] || exit 1
exec 3<>$port
directory=$(mktemp -d)
echo ready >&3
while read -r seconds script <&3; do
  echo "$script" | base64 -d >"$directory/script"
  timeout -k 5 "$seconds" sh "$directory/script" \
    </dev/null >"$directory/stdout" 2>"$directory/stderr" 3>&-
  status=$?
  echo "$status:$(base64 -w 0 "$directory/stdout"):$(base64 -w 0 "$directory/stderr")" >&3
done
exec poweroff -f
