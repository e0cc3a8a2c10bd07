#!/usr/bin/env bash
# Whether files in an image are as RPM leaves them on disk: `as-installed.sh PROGRAM RPMS`, as root.
#
# Of each package in the directory RPMS an image is made, for a base of which nothing is known, and mounted
# by the kernel. RPM installs the package into an empty root, without its scriptlets. Below /usr and /opt
# each file's type, mode, owner, size, time, target, capabilities and other attributes are compared. What a
# rule left out or changed is counted by the rule and not compared. Prints all other differences, and fails
# if there are any. Needs rpm, mount, getcap, getfattr and jq.
set -euo pipefail
program=$(realpath "$1") rpms=$(realpath "$2")
work=$(mktemp -d)
trap 'mountpoint -q "$work/mnt" && umount "$work/mnt"; rm -rf --one-file-system "$work"' EXIT
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache
mkdir "$work/mnt"

# Lists what is below the hierarchies of a root, a line for each path. The size of a directory and the mode
# of a link mean nothing. The time of a directory in the header is lost where RPM then puts files into it.
listed() {
    (
        cd "$1"
        for top in usr opt; do
            test ! -d $top || find $top -mindepth 1 \( -type d -printf '%p d %m %U:%G\n' \) -o \
                \( -type l -printf '%p l - %U:%G %l %Ts\n' \) -o -printf '%p %y %m %U:%G %s %Ts\n'
        done
        getcap -r usr opt 2> /dev/null | sed 's/$/ caps/' || true
        getfattr -R -h -d -m '^(user|trusted)' usr opt 2> /dev/null | sed '/^$/d' || true
    ) | LC_ALL=C sort
}

count=0 skipped=0 different=0
: > "$work/rules"
for rpm in "$rpms"/*.rpm; do
    root=$work/root
    rm -rf --one-file-system "$root" "$work/out"
    mkdir "$root"
    # Where the image has links, files are to be in one place.
    mkdir -p "$root"/usr/{bin,sbin,lib,lib64}
    ln -s usr/bin usr/sbin usr/lib usr/lib64 "$root"
    if ! rpm -i --root "$root" --dbpath /var/lib/rpm --nodeps --noscripts --nosignature --nodigest \
        --ignorearch --ignoreos "$rpm" > "$work/said" 2>&1; then
        skipped=$((skipped + 1))
        continue
    fi
    # What stands against the image is another matter.
    allowed=(--allow unchecked-base) built=
    for _ in 1 2 3 4; do
        if "$program" --json --verbose --match any --arch x86-64 "${allowed[@]}" --layout flat \
            -o "$work/out" "$rpm" > "$work/answer" 2> "$work/said"; then
            built=yes
            break
        fi
        for reason in $(jq -r '.reasons[]? | select(IN("usage", "refused", "io", "empty-image") | not)' \
            "$work/answer"); do
            allowed+=(--allow "$reason")
        done
    done
    if test -z "$built"; then
        echo "not built: $(basename "$rpm"): $(jq -r '.error // .' "$work/answer" | head -n 1)"
        skipped=$((skipped + 1))
        continue
    fi
    count=$((count + 1))
    mount -o loop,ro -t squashfs "$work"/out/*.raw "$work/mnt"
    listed "$work/mnt" > "$work/image"
    umount "$work/mnt"
    listed "$root" > "$work/installed"
    # What rules say of paths: those that were left out or changed, and what they became.
    jq -r '(.left_out[]? | "\(.rule) \(.path)"), (.changed[]? | "\(.rule) \(.path)"),
        (.changed[]? | select(.became | startswith("/")) | "\(.rule) \(.became)")' "$work/answer" |
        sed 's|^\([^ ]*\) /|\1 |' > "$work/said-by-rules"
    cut -d ' ' -f 1 "$work/said-by-rules" >> "$work/rules"
    # Directories that no package has are made on the way to files.
    rpm -qpl --nosignature --nodigest "$rpm" | sed 's|^/||; s|^\(bin\|sbin\|lib\|lib64\)/|usr/\1/|' \
        > "$work/owned"
    if ! LC_ALL=C comm -3 "$work/installed" "$work/image" | awk -v name="$(basename "$rpm")" '
        FILENAME == ARGV[1] { rule[$2] = $1; rule["usr/" $2] = $1; next }
        FILENAME == ARGV[2] { owned[$0] = 1; next }
        { line = $0; sub(/^\t/, "", line); split(line, field, " "); path = field[1] }
        path in rule || !(path in owned) { next }
        { print name ": " ($0 ~ /^\t/ ? "image " : "rpm   ") line; differs = 1 }
        END { exit differs }' "$work/said-by-rules" "$work/owned" -; then
        different=$((different + 1))
    fi
done
echo "$count packages compared, $skipped not, $different differ"
sort "$work/rules" | uniq -c
test "$different" = 0
