#!/usr/bin/env bash
# How long a store of recipes takes from night to night: `nightly.sh PROGRAM RPMS CHANGED [RUNS]`.
#
# RPMS is a repository that has the packages of examples/store, CHANGED the same repository with
# another build of one of them. Prints medians of RUNS (5) runs, in seconds of wall time and of
# processor time:
#
#   apart      each image by a run of its own, without blocks of the others
#   cold       all images by one run, nothing in the cache
#   unchanged  the same again
#   changed    the same with CHANGED
#   reverted   the same with RPMS again
#
# and fails if an image is not the same apart and together, if a second run changes the store, or if
# another image is built than one that has the changed package. Needs GNU time.
set -euo pipefail
program=$(realpath "$1") rpms=$(realpath "$2") changed=$(realpath "$3") runs=${4:-5}
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export XDG_STATE_HOME=$work/state
recipes=(examples/store/*.toml)

# build NAME REPOSITORY ARGUMENT...: runs the program and notes what it took.
build() {
    local name=$1 repository=$2
    shift 2
    # Nights are a day apart: what one has left for the disk to write does not slow down the next.
    sync
    /usr/bin/time -a -o "$work/$name" -f "%e %U %S" \
        "$program" --cache-dir "$work/cache" --repo "tools=$repository" "$@" > "$work/log" 2>&1 ||
        { tail -n 5 "$work/log" >&2; exit 1; }
}

# The sum of what was noted under a name, as one line of another.
sum() {
    awk '{ wall += $1; used += $2 + $3 } END { print wall, used, 0 }' "$work/$1" >> "$work/$2"
    rm "$work/$1"
}

images() { (cd "$work/store" && sha256sum ./*.raw); }

for _ in $(seq "$runs"); do
    rm -rf "$work/cache" "$work/store" "$work/apart"
    for recipe in "${recipes[@]}"; do
        build one "$rpms" --block-cache 0 -o "$work/apart" "$recipe"
    done
    sum one apart-times
    rm -rf "$work/cache"
    build cold "$rpms" -o "$work/store" "${recipes[@]}"
    diff <(images) <(cd "$work/apart" && sha256sum ./*.raw)
    images > "$work/first"
    build unchanged "$rpms" -o "$work/store" "${recipes[@]}"
    if grep "^pack " "$work/log"; then echo "an unchanged image was built" >&2; exit 1; fi
    images | diff "$work/first" -
    build changed "$changed" -o "$work/store" "${recipes[@]}"
    built=$(grep -c "^pack " "$work/log")
    holding=$(grep -c " new " "$work/log" || true)
    build reverted "$rpms" -o "$work/store" "${recipes[@]}"
done

# The median of a column of numbers.
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }

cold_wall=$(awk '{ print $1 }' "$work/cold" | median)
cold_used=$(awk '{ print $2 + $3 }' "$work/cold" | median)
echo "${#recipes[@]} images, $built built for the change, table says $holding new; medians of $runs"
printf '%-10s %8s %8s %14s\n' "" wall used "of cold (used)"
for name in apart-times cold unchanged changed reverted; do
    wall=$(awk '{ print $1 }' "$work/$name" | median)
    used=$(awk '{ print $2 + $3 }' "$work/$name" | median)
    awk -v name="${name%-times}" -v wall="$wall" -v used="$used" -v cw="$cold_wall" -v cu="$cold_used" \
        'BEGIN { printf "%-10s %8.2f %8.2f %6.2f %6.2f\n", name, wall, used, wall / cw, used / cu }'
done
