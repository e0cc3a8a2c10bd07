#!/usr/bin/env bash
# recipes.sh PROGRAM RPMS TREE BILLS RECIPE...   (as root)
#
# What holds for every image of a store of recipes, such as examples/store. RPMS is a repository that has
# their packages, TREE a Debian 13, BILLS an environment of Python with spdx-tools and
# cyclonedx-python-lib. All RECIPEs are in one directory, and each is called as its image. Of each:
#
# - The image and its bills of materials are the same bytes when they are built again, and the bills are
#   valid by pyspdxtools and by the strict validator of CycloneDX.
# - `rebuild` says that the image is identical: as another user, in another directory, with umask 077,
#   another locale and time zone and one worker; and in TREE.
# - Where one byte of its largest package is another, `rebuild` names that package.
#
# Writes nothing but what is in a directory of its own, which it removes.
set -euo pipefail
[ $# -ge 5 ] || { sed -n '2,3p' "$0" >&2; exit 2; }
# Mounts go with the namespace that they are in.
[ -n "${IN_NAMESPACE:-}" ] || IN_NAMESPACE=1 exec unshare --mount "$0" "$@"
work=$(mktemp -d) rpms=$(realpath "$2") tree=$(realpath "$3") bills=$(realpath "$4")
trap 'umount -R "$work"/*/ 2> /dev/null || true; rm -rf --one-file-system "$work"' EXIT
chmod 0755 "$work"
mkdir "$work"/{rpms,over,root,nobody,outside,changed,mixed}
cp "$1" "$work/sysext-build"
shift 4
cp -r "$(dirname "$1")" "$work/recipes"
export XDG_STATE_HOME=$work/state
# Other users can't come to where the repository is.
mount --bind "$rpms" "$work/rpms"
mount -o remount,bind,ro "$work/rpms"
chown 65534:65534 "$work/nobody"

fail() {
    echo "$*" >&2
    exit 1
}

build() {
    "$work/sysext-build" --quiet --cache-dir "$work/cache" --block-cache 0 --repo "tools=$work/rpms" \
        --sbom spdx,cyclonedx -o "$work/$1" "${@:2}"
}

# Says that rebuild found the image identical.
identical() {
    local said
    said=$("${@:2}" 2> "$work/said") || fail "$1: $said$(cat "$work/said")"
    grep -qxE "identical  $1 .*" <<< "$said" || fail "$1: $said"
}

# Finds the image of a recipe.
of_recipe() {
    recipe=$(basename "$1")
    image=$(ls "$work/one/${recipe%.toml}"-*.raw)
    name=${image##*/}
}

build one "$@"
build two "$@"
rm -rf "$work/cache"
for recipe; do
    of_recipe "$recipe"
    stem=${name%.raw}
    for file in "$name" "$stem.spdx.json" "$stem.cdx.json"; do
        cmp "$work/one/$file" "$work/two/$file"
    done
    "$bills/bin/pyspdxtools" -i "$work/one/$stem.spdx.json" > "$work/said" 2>&1 ||
        fail "$stem.spdx.json: $(cat "$work/said")"
    "$bills/bin/python" - "$work/one/$stem.cdx.json" << 'END' || fail "$stem.cdx.json is not valid"
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()))
END
    identical "$name" env -C "$work/outside" LC_ALL=tr_TR.UTF-8 TZ=Pacific/Kiritimati XDG_STATE_HOME="$work/nobody/state" \
        setpriv --reuid=65534 --regid=65534 --clear-groups sh -euc 'umask 077; exec "$@"' sh \
        "$work/sysext-build" rebuild --jobs 1 --cache-dir "$work/nobody/cache" --work-dir "$work/nobody" \
        --repo "tools=$work/rpms" --recipe "$work/recipes/$recipe" "$image"
    rm -rf "$work"/nobody/*
done

# TREE stays as it is: what is written goes into memory.
mount -t tmpfs tmpfs "$work/over"
mkdir "$work"/over/{upper,work}
mount -t overlay -o "lowerdir=$tree,upperdir=$work/over/upper,workdir=$work/over/work" overlay "$work/root"
mkdir "$work/root/mnt/all"
mount --rbind "$work" "$work/root/mnt/all"
for recipe; do
    of_recipe "$recipe"
    identical "$name" chroot "$work/root" env -i PATH=/usr/bin HOME=/root /mnt/all/sysext-build rebuild \
        --cache-dir /tmp/cache --work-dir /tmp --repo tools=/mnt/all/rpms --recipe "/mnt/all/recipes/$recipe" \
        "/mnt/all/one/$name"
done

for recipe; do
    of_recipe "$recipe"
    rm -rf "$work/changed" && mkdir "$work/changed"
    package=$(python3 - "$image" "$work/rpms" "$work/changed" << 'END'
import gzip, json, sys
from pathlib import Path

image, rpms, changed = map(Path, sys.argv[1:])
with gzip.open(image.with_suffix(".manifest.gz")) as file:
    packages = json.load(file)["packages"]
paths = {path.name: path for path in rpms.rglob("*.rpm")}
package = max(packages, key=lambda one: paths[one["origin"]].stat().st_size)
path = paths[package["origin"]]
data = bytearray(path.read_bytes())
data[-1000] ^= 1
place = changed / path.relative_to(rpms)
place.parent.mkdir(parents=True, exist_ok=True)
place.write_bytes(data)
print(package["nevra"])
END
    )
    mount -t overlay -o "lowerdir=$work/changed:$work/rpms" overlay "$work/mixed"
    code=0
    "$work/sysext-build" rebuild --cache-dir "$work/cache" --work-dir "$work" --repo "tools=$work/mixed" \
        --recipe "$work/recipes/$recipe" "$image" > "$work/said" 2>&1 || code=$?
    umount "$work/mixed"
    if [ "$code" != 1 ] || ! grep -qF "$package: " "$work/said"; then
        fail "$name: $package was changed, and rebuild says ($code): $(cat "$work/said")"
    fi
done
