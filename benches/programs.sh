#!/usr/bin/env bash
# Whether programs run in images as they do where RPM installs them:
# `programs.sh PROGRAM RPMS ROOT RECIPE...`, as root.
#
# RPMS is a repository, ROOT the root directory of a base with an RPM database, RECIPE what images are
# made of for it. RPM installs the packages of each image into a copy of ROOT, with their scriptlets.
# There, and by `try` with the image, each program of PATH that the image brings is asked for its
# version (--version, -V, --help), and the lines of $CHECKS are run, where they concern a program of the
# image. Prints what runs where RPM installed it and not by `try`, and fails if anything does. Needs rpm,
# unsquashfs, unshare, GNU time and jq.
set -euo pipefail
program=$(realpath "$1") rpms=$(realpath "$2") root=$(realpath "$3")
shift 3
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
export XDG_STATE_HOME=$work/state XDG_CACHE_HOME=$work/cache

# What programs do beyond saying their version: the program, and what has to succeed.
CHECKS='
python3 python3 -c "import ssl, sqlite3, ctypes; ssl.create_default_context()"
javac cd /tmp; echo "class A { public static void main(String[] a) { System.out.print(6 * 7); } }" > A.java; javac A.java && test "$(java A)" = 42
git cd /tmp; git init -q a; cd a; git -c user.name=a -c user.email=a@b commit -q --allow-empty -m a; git clone -q file:///tmp/a /tmp/b
vim cd /tmp; vim -u NONE -es -c "set rtp+=" -c "runtime! syntax/c.vim" -c "if !exists(\"b:current_syntax\") | cquit | endif" -c "q!"
gcc cd /tmp; echo "int main(void) { return 0; }" > a.c; gcc a.c -o a && ./a
gdb gdb -batch -ex "python print(6 * 7)" -ex "print 6 * 7"
perl perl -MPOSIX -MData::Dumper -e "print Dumper(POSIX::floor(1.5))"
'
# Reads names, and says of each with which option it runs; then those of the checks.
asking='
while read -r name; do
    for option in --version -V --help; do
        if timeout 10 "$name" $option > /tmp/said 2>&1 < /dev/null && test -s /tmp/said; then
            echo "$name $option"
            break
        fi
    done
done
echo "$CHECKS" | while read -r name check; do
    if test -n "$name" && command -v "$name" > /dev/null; then
        (eval "$check") > /tmp/said 2>&1 < /dev/null && echo "$name: $check"
    fi
done
true'
asking="CHECKS='${CHECKS//\'/\'\\\'\'}'
$asking"
lost=0
for recipe in "$@"; do
    name=$(basename "$recipe" .toml)
    "$program" -q --repo "tools=$rpms" --base "$root" -o "$work/store" --allow-older "$recipe"
    image=$(ls -t "$work"/store/*.raw | head -n 1)
    # The same packages by RPM. Its scriptlets may fail in a chroot; that is their affair.
    rm -rf --one-file-system "$work/installed"
    cp -a "$root" "$work/installed"
    zcat "${image%.raw}.manifest.gz" | jq -r '.packages[] | .nevra // "\(.name)-\(.version).\(.architecture)"' |
        sed 's/-[0-9]*:/-/; s/$/.rpm/' > "$work/packages"
    find "$rpms" -name '*.rpm' | grep -F -f <(sed 's|^|/|' "$work/packages") > "$work/files"
    [ "$(wc -l < "$work/packages")" = "$(wc -l < "$work/files")" ]
    rpm -i --root "$work/installed" --dbpath /usr/lib/sysimage/rpm --nodeps --nosignature \
        $(cat "$work/files") \
        > "$work/rpm.log" 2>&1 || true
    unsquashfs -l -d '' "$image" 2> /dev/null | sed -n 's|^/usr/s\?bin/\([^/]*\)$|\1|p' | sort -u > "$work/names"
    # In mounts of its own, so that nothing is left of them whatever happens.
    unshare -m --propagation private sh -euc '
        mount --rbind /dev "$1/dev"
        mount -t proc none "$1/proc"
        exec chroot "$1" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
            HOME=/root LC_ALL=C.UTF-8 sh -c "$2"' sh "$work/installed" "$asking" \
        < "$work/names" > "$work/by-rpm" 2> /dev/null
    "$program" try -q "$image" --base "$root" -- sh -c "$asking" < "$work/names" > "$work/by-try"
    seconds=$( { /usr/bin/time -f %e "$program" try -q "$image" --base "$root" -- true; } 2>&1 | tail -n 1)
    missing=$(grep -vxFf "$work/by-try" "$work/by-rpm" || true)
    echo "$name: $(wc -l < "$work/names") programs, $(wc -l < "$work/by-rpm") answers by rpm, $(wc -l < "$work/by-try") by try; try alone takes $seconds s"
    if [ -n "$missing" ]; then
        lost=1
        echo "$missing" | sed 's/^/  only by rpm: /'
    fi
done
exit "$lost"
