#!/bin/sh
# Builds the plug-in: build.sh OUTPUT.so [directory of patd_plugin.h]. `cargo xtask plugins build` calls it with the first.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
output=$1
include=${2:-$here/../../crates/abi/include}
# What matters here: one export (hidden visibility and the version script), no undefined symbols, no writable tables after
# loading (relro, now), a canary on the stack, and warnings read as errors when WERROR=1.
exec "${CC:-cc}" -std=c11 -O2 -g -Wall -Wextra -Wconversion -pedantic ${WERROR:+-Werror} \
  -fPIC -fvisibility=hidden -fstack-protector-strong -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 \
  -ffile-prefix-map="$here=." -I "$include" \
  -shared -Wl,--version-script="$here/exports.map" -Wl,-z,defs -Wl,-z,relro,-z,now -Wl,-z,noexecstack \
  -pthread -o "$output" "$here/plugin.c" "$here/file.c" "$here/json.c"
