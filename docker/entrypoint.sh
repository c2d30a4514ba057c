#!/bin/sh
# numba writes beside what it reads: its built-in cache goes to a folder that is writable when the root is not.
set -eu
mkdir -p "$NUMBA_CACHE_DIR"
cp -R --preserve=timestamps /opt/numba-cache/. "$NUMBA_CACHE_DIR"
exec "$@"
