#!/bin/sh
# TensorFlow Serving wants keys and certificates inside one text file: ssl-config.sh SECRET_FOLDER TARGET CLIENTS
# CLIENTS is true if each client must show a certificate that ca.crt has signed.
set -eu
inline() { printf '%s: "' "$1"; awk '{printf "%s\\n", $0}' "$2"; printf '"\n'; }
umask 077
{
  inline server_key "$1/tls.key"
  inline server_cert "$1/tls.crt"
  if [ "$3" = true ]; then inline custom_ca "$1/ca.crt"; fi
  echo "client_verify: $3"
} > "$2"
