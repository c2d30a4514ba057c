#!/bin/sh
# Remove from installed packages what an image does not load: `lean.sh SITE_PACKAGES [PATH ...]`, the paths in it too.
set -eu
cd "$1"
shift
# Only those who compile need these.
rm -rf tensorflow/include tensorflow/xla_aot_runtime_src "$@"
# numpy.testing, which other packages import, needs _natype.
find . -path '*/tests/*' -path './[ns][uc]*py/*' -type f ! -name _natype.py ! -name __init__.py -delete
# A store in a bucket needs two of some 400 services, and may have to sign in first.
if [ -d botocore ]; then
  find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name 'sso*' ! -name signin -exec rm -r {} +
fi
# Symbols are for debuggers: 200 MB of TensorFlow, 24 MB of PyAV. Libraries that a wheel brings in NAME.libs stay as they are.
for folder in av cryptography scipy tensorflow; do
  if [ -d "$folder" ]; then
    find "$folder" -name '*.so*' -type f -exec strip --strip-unneeded {} +
  fi
done
