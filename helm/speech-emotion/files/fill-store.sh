#!/bin/sh
# Fill an empty model store with the versions of this image: fill-store.sh STORE MODEL[,MODEL...]
# Two pods may do so at once; a version appears whole, and models.config last.
set -eu
store=$1 models=$2 source=${3:-/opt/models}
if [ ! -e "$store/models.config" ]; then
  part=$(mktemp -d "$store/.fill.XXXXXX")
  trap 'rm -rf "$part"' EXIT
  cp -R "$source/." "$part"
  chmod -R ug+rwX,o+rX "$part"  # by the group too: the cluster may choose another user next time
  for folder in "$source"/*/*/saved_model.pb; do
    version=$(dirname "${folder#"$source/"}")
    mkdir -p "$store/$(dirname "$version")"
    mv -T "$part/$version" "$store/$version" 2>/dev/null || echo "$version is there already"
  done
  ln "$part/models.config" "$store/models.config" 2>/dev/null || echo "models.config is there already"
  echo "filled the model store from the image"
fi
for model in $(echo "$models" | tr , ' '); do
  if ! grep -q "name: *\"$model\"" "$store/models.config"; then
    echo "no model in the store: models.config does not name $model; set modelStore.modelName and moreModels to those that it names" >&2
    exit 1
  fi
  set -- "$store/$model"/[0-9]*/saved_model.pb
  if [ ! -e "$1" ]; then
    echo "no model in the store: $store/$model has no version; publish one, or empty the store to get the image's" >&2
    exit 1
  fi
done
