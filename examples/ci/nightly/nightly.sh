#!/bin/sh
# Builds a store and publishes it if something has changed. For a timer or cron: see nightly.service
# and nightly.timer. Everything stays on this machine: the cache, the notes of what was signed, and
# the key, which only this user can read. A test of sysext-build runs this script.
set -eu
cd "${1:?the directory with recipes/, store.key and store/}"
url=${URL:-https://example.org/sysext}
publish=${STORE:-www@example.org:/srv/sysext/}

mkdir -p store
cp store/SHA256SUMS before 2> /dev/null || : > before
sysext-build --strict --build-number auto --sign-key store.key -o store recipes/*.toml
sysext-build store prune --keep 3 --sign-key store.key store
sysext-build store sysupdate --sign-key store.key store --url "$url"
sysext-build store verify store
if cmp -s before store/SHA256SUMS; then
    echo 'nothing has changed'
    exit 0
fi
sysext-build store page store --url "$url"
rsync -a --exclude 'SHA256SUMS*' store/ "$publish"
rsync -a store/SHA256SUMS store/SHA256SUMS.gpg "$publish"
