#!/usr/bin/env bash
# release.sh [--profile PROFILE] [--target TARGET] [--twice] [--sign-key FILE | --gpg-key KEY] DIRECTORY
#   Makes everything that is released of what is committed, in DIRECTORY, which must be new: the
#   sources and the crates that they need; the RPMs of packaging/rpm, built from them without network;
#   of the same program, an archive, a Debian package and a system extension image; and SHA256SUMS,
#   which is signed where there is a key. DIRECTORY is then a store of sysext-build's images, too.
#   PROFILE is cargo's (default: release); TARGET is rustc's (default: this machine's with musl, so
#   that one program runs everywhere). --twice makes all of it again elsewhere, and compares.
#   Needs: cargo, git, rpmbuild, dpkg-deb, unshare, zstd, xz and, for musl, its gcc.
set -euo pipefail

profile=release target=$(uname -m)-unknown-linux-musl twice='' key=()
while [ $# -gt 1 ]; do
    case $1 in
    --profile) profile=$2; shift ;;
    --target) target=$2; shift ;;
    --twice) twice=yes ;;
    --sign-key | --gpg-key) key=("$1" "$2"); shift ;;
    *) break ;;
    esac
    shift
done
[ $# = 1 ] && [ "${1#-}" = "$1" ] || { sed -n '2,/^set/s/^# \?//p' "$0" >&2; exit 2; }
fail() { echo "release.sh: $1" >&2; exit 1; }
[ ! -e "$1" ] || fail "$1 exists"
mkdir -p "$1"
directory=$(realpath "$1")
[ ${#key[@]} = 0 ] || [ "${key[0]}" = --gpg-key ] || key[1]=$(realpath "${key[1]}")

cd "$(dirname "$0")/.."
# Where this is no checkout of its own, what is committed can't be told from what is not.
[ -z "$(git status --porcelain)" ] || fail "commit first: $(git status --porcelain | head -n 3 | paste -sd ,)"
rustc --print target-libdir --target "$target" > /dev/null
if [ ! -e "$(rustc --print target-libdir --target "$target")" ]; then
    rustup target add "$target" || fail "rustc has no $target: install it, or name another with --target"
fi
case $target in
*-musl)
    command -v musl-gcc > /dev/null || fail 'musl-gcc is missing: install musl-tools'
    export "CC_${target//-/_}=musl-gcc"
    ;;
esac
case ${target%%-*} in
x86_64) debian=amd64 ;;
aarch64) debian=arm64 ;;
*) fail "how Debian calls ${target%%-*} is not known here" ;;
esac
version=$(sed -n '/^\[workspace.package\]/,/^$/s/^version = "\(.*\)"/\1/p' Cargo.toml)
name=sysext-build-$version
# The time of the commit is that of everything.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# archive DIRECTORY NAME...: writes a tar archive of them to standard output.
archive() {
    tar -C "$1" --sort=name --format=gnu --owner=0 --group=0 --numeric-owner --mode=u+w,go=rX \
        --mtime="@$SOURCE_DATE_EPOCH" -c "${@:2}"
}

# Writes the archives that the spec names, as obs-service-cargo does.
sources() {
    git archive --prefix="$name/" HEAD | zstd -q -19 -T1 > "$1/$name.tar.zst"
    mkdir -p "$1/crates/.cargo"
    # With --quiet it would not say how cargo is to use them.
    (cd "$1/crates" && cargo vendor --locked --versioned-dirs --manifest-path "$OLDPWD/Cargo.toml" vendor \
        > .cargo/config.toml 2> ../vendor.log) || { tail -n 20 "$1/vendor.log" >&2; return 1; }
    cp Cargo.lock "$1/crates"
    archive "$1/crates" .cargo Cargo.lock vendor | zstd -q -12 -T1 > "$1/vendor.tar.zst"
}

# Builds the RPMs of $1 into $1/RPMS and $1/SRPMS, at a path that is always the same, since rpm notes it.
rpms() {
    local alone=(unshare --mount --net)
    # Only root may leave the network without a user namespace.
    [ "$(id -u)" = 0 ] || alone+=(--map-root-user)
    # A static program has no loader that would have to read its table of symbols.
    local static=(--define '__requires_exclude ^rtld')
    [ "${target%-musl}" != "$target" ] || static=()
    # No crate but those of the archive: cargo knows of no other. And rpm knows nothing of what Debian or
    # rustup installed; its notes would name this machine and hour.
    "${alone[@]}" sh -ec 'mount --bind "$1" /mnt; shift; exec "$@"' sh "$1" \
        env CARGO_HOME=/mnt/cargo rpmbuild -ba --nodeps --quiet \
        --define '_topdir /mnt' --define '_sourcedir /mnt' --define "cargo_profile $profile" \
        --define "cargo_target $target" --define '_buildhost localhost' \
        --define 'use_source_date_epoch_as_buildtime 1' --define 'clamp_mtime_to_source_date_epoch 1' \
        --define '_binary_payload w19.zstdio' --define '_source_payload w3.zstdio' \
        --define '__os_install_post %{nil}' --define '_build_id_links none' \
        "${static[@]}" \
        packaging/rpm/sysext-build.spec > "$1/rpmbuild.log" 2>&1 || { tail -n 40 "$1/rpmbuild.log" >&2; return 1; }
}

# Makes an archive of the tree $1, as the RPM has it, for any system.
tarball() {
    mkdir -p "$2/$name"
    cp -a "$1/usr/bin/sysext-build" "$1"/usr/share/licenses/*/* README.md "$2/$name"
    cp -a "$1"/usr/share/{man,bash-completion,zsh,fish} "$2/$name"
    archive "$2" "$name" | xz -9 -T1 > "$3/$name-$target.tar.xz"
}

# Makes a Debian package of the tree $1.
deb() {
    local tree=$2/deb share=$2/deb/usr/share depends=''
    mkdir -p "$share/doc/sysext-build" "$tree/DEBIAN"
    cp -a "$1/usr/bin" "$tree/usr"
    cp -a "$1"/usr/share/{man,bash-completion,fish} "$share"
    mkdir -p "$share/zsh"
    cp -a "$1/usr/share/zsh/site-functions" "$share/zsh/vendor-completions"
    cat packaging/deb/copyright LICENSE-MIT > "$share/doc/sysext-build/copyright"
    gzip -9n < "$1"/usr/share/licenses/*/NOTICES > "$share/doc/sysext-build/NOTICES.gz"
    gzip -9n < CHANGELOG.md > "$share/doc/sysext-build/changelog.gz"
    find "$share/man" -type f ! -name '*.gz' -exec gzip -9n {} +
    # A static program needs nothing; another, the newest symbols of the C library that it calls.
    if [ "${target%-musl}" = "$target" ]; then
        depends=$(grep -aoE 'GLIBC_2\.[0-9]+' "$tree/usr/bin/sysext-build" | sort -uV | tail -n 1)
        depends="libc6 (>= ${depends#GLIBC_}), libgcc-s1"
    fi
    (cd "$tree" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    sed -e "s/@VERSION@/$version/; s/@ARCHITECTURE@/$debian/; s/@DEPENDS@/$depends/; /^Depends: \$/d" \
        -e "s/@SIZE@/$(du -sk --apparent-size "$tree/usr" | cut -f 1)/" packaging/deb/control > "$tree/DEBIAN/control"
    chmod -R u+w,go=rX "$tree"
    find "$tree" -exec touch -hd "@$SOURCE_DATE_EPOCH" {} +
    dpkg-deb --root-owner-group -Zxz -z9 --build "$tree" "$3/sysext-build_${version}-1_$debian.deb" > /dev/null
}

# Makes everything but a signature in $1.
release() {
    local work
    work=$(mktemp -d)
    works+=("$work")
    sources "$work"
    rpms "$work"
    cp "$work/$name.tar.zst" "$work/vendor.tar.zst" "$work"/RPMS/*/*.rpm "$work"/SRPMS/*.rpm "$1"
    mkdir "$work/tree"
    rpm2cpio "$work/RPMS/${target%%-*}"/*.rpm | (cd "$work/tree" && cpio -idm --quiet)
    tarball "$work/tree" "$work" "$1"
    deb "$work/tree" "$work" "$1"
    # The program packs itself, for every system: a static one needs nothing of it.
    local allow=()
    [ "${target%-musl}" != "$target" ] || allow=(--allow unchecked-base)
    echo 'ID=any' > "$work/os-release"
    "$work/tree/usr/bin/sysext-build" --quiet --os-release "$work/os-release" --match any "${allow[@]}" \
        --state-dir "$work/state" -o "$1" "$work/RPMS/${target%%-*}"/*.rpm
    (cd "$1" && sha256sum -- *.{deb,gz,raw,rpm,xz,zst} | sort -k 2 > list && mv list SHA256SUMS)
    program=$work/tree/usr/bin/sysext-build state=$work/state
}

works=()
trap 'rm -rf "${works[@]}"' EXIT
release "$directory"
if [ -n "$twice" ]; then
    again=$(mktemp -d)
    works+=("$again")
    release "$again"
    diff -r "$directory" "$again" >&2 || fail 'the second time, other bytes came out'
fi
# A release is a store of its own, whatever was signed at this path before.
[ ${#key[@]} = 0 ] || "$program" store sign "${key[@]}" --state-dir "$state" "$directory"
ls -l "$directory"
