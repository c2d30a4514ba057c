#!/bin/sh
# TensorFlow Serving wants key and certificate inside one text file: ssl-config.sh SECRET_FOLDER TARGET
set -eu
inline() { printf '%s: "' "$1"; awk '{printf "%s\\n", $0}' "$2"; printf '"\n'; }
umask 077
{ inline server_key "$1/tls.key"; inline server_cert "$1/tls.crt"; echo 'client_verify: false'; } > "$2"
