#!/usr/bin/env bash
# check.sh DIRECTORY   (as root, on Debian 12 with debootstrap)
#   Judges what release.sh made in DIRECTORY: the program runs on a tree that has nothing else; the
#   Debian package is installed on a fresh Debian 12, builds an image, is removed, and leaves nothing;
#   the RPMs are installed by rpm; the image is what systemd merges. The tree is kept in
#   ~/.cache/sysext-clients/roots/bookworm.
set -euo pipefail
directory=$(realpath "$1")
cd "$(dirname "$0")/.."
fail() { echo "check.sh: $1" >&2; exit 1; }
work=$(mktemp -d)
clean() {
    umount -qR "$work/debian/root" 2> /dev/null || true
    umount -q "$work/debian" 2> /dev/null || true
    rm -rf "$work"
}
trap clean EXIT
fixture=$PWD/fixtures/hello-sysext-1.0-1.x86_64.rpm
release=$PWD/fixtures/os-release/tumbleweed.os-release

# build ROOT PROGRAM STORE: builds the fixture's image in ROOT, or without ROOT on this machine.
build() {
    local place=$1/work inside=/work enter=(chroot "$1")
    [ -n "$1" ] || place=$work/here inside=$work/here enter=()
    # What is removed below must be what was made here.
    mkdir "$place"
    cp "$fixture" "$release" "$place"
    "${enter[@]}" "$2" --quiet --os-release "$inside/tumbleweed.os-release" -o "$inside/store" "$inside/${fixture##*/}"
    "${enter[@]}" "$2" --quiet store verify "$inside/store"
    mv "$place/store" "$3"
    rm -r "$place"
}

# alone ROOT PROGRAM STORE: does so where there is nothing but the program, if it needs nothing else.
alone() {
    case $(echo ./*-linux-*.tar.xz) in
    *-musl.tar.xz) build "$@" ;;
    *) build '' "$1$2" "$3" ;;
    esac
}

cd "$directory"
# A list that is signed has lines for no file.
sha256sum --check --quiet --strict --ignore-missing SHA256SUMS
for file in *.{deb,gz,raw,rpm,xz,zst}; do
    grep -q "  $file\$" SHA256SUMS || fail "$file is not in SHA256SUMS"
done

echo 'check.sh: an archive, on a system without anything'
mkdir "$work/archive" "$work/nothing"
tar -xf ./*-linux-*.tar.xz -C "$work/archive" --strip-components 1
for file in LICENSE-APACHE LICENSE-MIT NOTICES README.md man/man1/sysext-build.1 man/man5/sysext-build-recipe.5 \
    bash-completion/completions/sysext-build fish/vendor_completions.d/sysext-build.fish zsh/site-functions/_sysext-build; do
    compgen -G "$work/archive/$file*" > /dev/null || fail "$file is missing in the archive"
done
cp "$work/archive/sysext-build" "$work/nothing"
alone "$work/nothing" /sysext-build "$work/expected"
[ -n "$(compgen -G './*-musl.tar.xz')" ] ||
    echo "NOT CHECKED: the program is not static, so it does not run without this machine's C library" >&2

echo 'check.sh: the RPMs'
root=$work/rpm
mkdir -p "$root/var/lib/rpm"
rpm --root "$root" --dbpath /var/lib/rpm --initdb
# Debian's rpm knows of no system that has the requirements: the hook's are the program and a shell.
hook=$(echo sysext-build-obs-hook-*.noarch.rpm)
rpm -qp --requires "$hook" | grep -v '^rpmlib(' | sort > "$work/requires"
printf '%s\n' /bin/sh "sysext-build = $(rpm -qp --qf '%{VERSION}-%{RELEASE}' "$hook")" | diff - "$work/requires"
rpm --root "$root" --dbpath /var/lib/rpm -i --nodeps --ignorearch "$hook" sysext-build-[0-9]*.[!s]*.rpm
cmp "$root/usr/lib/build/post_build.d/sysext-build" "$OLDPWD/packaging/obs/sysext-build"
[ -x "$root/usr/lib/build/post_build.d/sysext-build" ] || fail 'the hook is not executable'
alone "$root" /usr/bin/sysext-build "$work/store"
diff -r "$work/expected" "$work/store"
rm -r "$work/store"
# What is built on another machine must not name this one.
if grep -aqE "$HOME/\.cargo|/tmp/tmp\.|/BUILD/" "$root/usr/bin/sysext-build"; then
    fail 'the program has paths of the machine that it was built on'
fi

echo 'check.sh: the image'
unsquashfs -no-progress -quiet -d "$work/image" sysext-build-*.raw
diff -r "$root/usr/bin" "$work/image/usr/bin"
diff -r "$root/usr/share/man" "$work/image/usr/share/man"
cmp "$root/usr/bin/sysext-build" "$work/archive/sysext-build"
grep -qx 'ID=_any' "$work"/image/usr/lib/extension-release.d/extension-release.*

echo 'check.sh: the Debian package, on Debian 12'
"$OLDPWD/tests/clients/trees.sh" bookworm
mkdir "$work/debian"
mount -t tmpfs tmpfs "$work/debian"
mkdir "$work"/debian/{upper,work,root}
mount -t overlay -o "lowerdir=$HOME/.cache/sysext-clients/roots/bookworm,upperdir=$work/debian/upper,workdir=$work/debian/work" \
    overlay "$work/debian/root"
root=$work/debian/root
# Everything on the system but what dpkg itself notes.
state() {
    (cd "$root" && find . -path ./var/lib/dpkg -prune -o -path ./var/log -prune -o -type d -printf '%p %y %m %u\n' \
        -o -printf '%p %y %m %u %s %T@ %l\n' | sort)
}
state > "$work/before"
cp ./*.deb "$root/tmp/package.deb"
chroot "$root" dpkg --install /tmp/package.deb > /dev/null
chroot "$root" dpkg --verify sysext-build
build "$root" sysext-build "$work/store"
diff -r "$work/expected" "$work/store"
for file in man/man1/sysext-build.1.gz man/man5/sysext-build-recipe.5.gz bash-completion/completions/sysext-build \
    zsh/vendor-completions/_sysext-build fish/vendor_completions.d/sysext-build.fish doc/sysext-build/copyright; do
    # Debian's minimal tree has no filter on documentation.
    [ -s "$root/usr/share/$file" ] || fail "/usr/share/$file is missing after the installation"
done
chroot "$root" dpkg --purge sysext-build > /dev/null
rm "$root/tmp/package.deb"
state > "$work/after"
diff "$work/before" "$work/after" || fail 'the Debian package leaves something'
echo 'check.sh: all is well'
