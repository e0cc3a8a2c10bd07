#!/usr/bin/env bash
# Says whether two versions of the program make the same images and manifests of the same packages.
#
#   benches/same-bytes.sh OLD-PROGRAM NEW-PROGRAM RPM-OR-DIRECTORY...
#
# Each package is built alone by both, for one os-release, once with every finding allowed that can
# be; so is each recipe of examples/. Image, manifest and exit code must be equal. What differs
# is listed, with the manifests' difference; exit code 1 if anything does.
set -euo pipefail
old=$(realpath "$1") new=$(realpath "$2")
shift 2
here=$(dirname "$(realpath "$0")")/..
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export SOURCE_DATE_EPOCH=1700000000
allow=$("$old" rules --json | python3 -c '
import json, sys
for one in json.load(sys.stdin)["findings"]:
    if one["state"] == "fatal": print("--allow=" + one["name"])')
same=0 different=0 images=0
# Compares what stands in $work/old and $work/new, and the two exit codes.
judge() { # NAME CODE-OLD CODE-NEW
    if [ "$2" = "$3" ] && diff -rq "$work/old" "$work/new" > /dev/null; then
        same=$((same + 1))
        [ "$2" != 0 ] || images=$((images + 1))
        return
    fi
    different=$((different + 1))
    printf 'differs: %s (exit codes %s and %s)\n' "$1" "$2" "$3"
    diff -rq "$work/old" "$work/new" | sed "s|$work/||g" || true
    for one in "$work"/old/*.manifest.gz; do
        [ ! -e "$one" ] || diff <(zcat "$one") <(zcat "$work/new/${one##*/}") || true
    done
}
while IFS= read -r -d '' input; do
    codes=()
    as=(--arch x86-64 --os-release "$here/fixtures/os-release/tumbleweed.os-release")
    [ "${input##*.}" = rpm ] || as=()
    for side in old new; do
        rm -rf "${work:?}/$side" && mkdir "$work/$side"
        code=0
        # shellcheck disable=SC2086
        "${!side}" -q $allow ${as[@]+"${as[@]}"} -o "$work/$side" "$input" > /dev/null 2> "$work/$side.log" ||
            code=$?
        codes+=("$code")
    done
    judge "${input##*/}" "${codes[@]}"
done < <(find "$@" "$here/examples" \( -name '*.rpm' -o -name '*.toml' \) -print0 | sort -z)
echo "$same inputs give the same ($images of them an image, the others a refusal), $different differ"
[ "$different" = 0 ]
