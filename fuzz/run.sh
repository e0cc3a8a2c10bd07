#!/usr/bin/env bash
# Runs every fuzz target, one after the other, and says how often each ran and what it found.
#
#   fuzz/run.sh SECONDS [TARGET...]
#
# SECONDS are those of all targets together. No nightly compiler and no cargo-fuzz: the stable one is
# told to take the flags. Overflows and debug assertions count as findings, and so does more than
# 1 GiB of memory or 20 seconds for one input. What was found is kept below fuzz/artifacts/, with
# the corpus of the next run in fuzz/corpus/. Exit code 1 if anything was found.
set -euo pipefail
[[ ${1:-} =~ ^[0-9]+$ ]] || { echo "usage: fuzz/run.sh SECONDS [TARGET...]" >&2; exit 2; }
seconds=$1
shift
cd "$(dirname "$(realpath "$0")")"
root=$PWD/..
host=$(rustc -vV | sed -n 's/^host: //p')
if [ $# -gt 0 ]; then
    targets=("$@")
else
    mapfile -t targets < <(sed -n 's/^path = "fuzz_targets\/\(.*\)\.rs"$/\1/p' Cargo.toml)
fi

# The target of the whole program runs it as it is, but with its assertions.
cargo build --quiet --manifest-path "$root/Cargo.toml" --bin sysext-build
export FUZZ_PROGRAM=$root/target/debug/sysext-build
flags="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
 -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
# With --target, what runs at build time is not instrumented.
RUSTC_BOOTSTRAP=1 RUSTFLAGS=$(echo $flags) cargo build --quiet --release --target "$host" \
    $(printf -- '--bin %s ' "${targets[@]}")

# Writes the first inputs of a target into a directory.
seeds() {
    local file
    case $1 in
    package) cp "$root"/fixtures/*.rpm "$2" ;;
    openpgp) cp "$root"/fixtures/keys/* "$2" ;;
    release) cp "$root"/fixtures/os-release/* "$2" ;;
    database)
        rpm --dbpath "$2" --define '_db_backend sqlite' -i --justdb --nodeps --noscripts --ignorearch \
            --ignoreos --force --nosignature "$root"/fixtures/hello-tools-*.rpm > "$2/log" 2>&1 || true
        if [ -s "$2/rpmdb.sqlite" ]; then python3 "$root/fuzz/databases.py" "$2"; fi
        find "$2" -type f ! -name rpmdb.sqlite ! -name Packages.db -delete ;;
    linkage) cp "$(type -P true)" "$2"; printf '#!/bin/sh -e\n' > "$2/script" ;;
    module)
        # An object with what a module says of itself; without a compiler, its first bytes.
        printf '.section .modinfo,"a"\n.asciz "vermagic=6.1-1 SMP modversions"\n.asciz "depends=a,b"\n.section __versions,"a"\n.quad 1\n' > "$work/module.s"
        if as -o "$2/plain" "$work/module.s" 2> /dev/null; then
            for packer in gzip xz zstd; do "$packer" -c "$2/plain" > "$2/$packer" || true; done
        else printf '\177ELF\2\1\1' > "$2/plain"; fi ;;
    caches)
        printf '<schemalist><enum id="e"><value nick="one" value="1"/></enum></schemalist>\0<schemalist gettext-domain="x"><schema id="a" path="/a/"><key name="b" type="a{sv}"><default l10n="messages">{"c": &lt;[1, 2.5]>}</default></key><key name="d" enum="e"><aliases><alias value="f" target="one"/></aliases><default>"one"</default></key><key name="g" type="i"><range min="0"/><default>1</default></key></schema></schemalist>\0[a:X]\ng=2\n' > "$2/schemas"
        printf '<!DOCTYPE m [<!ATTLIST glob weight CDATA "50">]><mime-info xmlns="http://www.freedesktop.org/standards/shared-mime-info"><mime-type type="text/a"><comment xml:lang="de">b</comment><glob pattern="*.c" case-sensitive="true"/><magic priority="60"><match type="host16" offset="0:9" value="0x12" mask="0xff"><match type="string" offset="1" value="\\x41\\101" mask="0xff"/></match></magic><treemagic><treematch path="d" type="link"/></treemagic><root-XML namespaceURI="e" localName="f"/><alias type="g/h"/><sub-class-of type="i/j"/><icon name="k"/><x xmlns="l"/></mime-type></mime-info>' > "$2/mime"
        printf '[Desktop Entry]\nMimeType=text/a;text/b;\n' > "$2/entry"
        printf '[Icon Data]\nDisplayName=a\nAttachPoints=1,2|3,4\nEmbeddedTextRectangle=1,2,3,4\n' > "$2/icon" ;;
    verity)
        # What each input is for is said by its first byte.
        as() { printf "$1" > "$2" && cat >> "$2"; }
        head -c 8192 /dev/zero > "$work/data"
        veritysetup format "$work/data" "$work/hashes" > "$work/format"
        cat "$work/data" "$work/hashes" | as '\0' "$2/hashes"
        openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=a -keyout "$work/key" -out "$work/cert" 2> "$work/log"
        as '\1' "$2/certificate" < "$work/cert"
        as '\2' "$2/key" < "$work/key"
        openssl rsa -in "$work/key" -traditional 2> "$work/log" | as '\2' "$2/old-key"
        openssl pkcs8 -topk8 -in "$work/key" -passout pass:a -iter 1 | as '\2' "$2/protected-key"
        openssl pkcs8 -topk8 -scrypt -scrypt_N 2 -in "$work/key" -passout pass:a | as '\2' "$2/scrypt-key"
        openssl smime -sign -in "$work/data" -signer "$work/cert" -inkey "$work/key" -noattr -binary -outform der \
            -out "$work/signature"
        as '\3' "$2/signature" < "$work/signature"
        printf '{"rootHash":"%064d","certificateFingerprint":"%064d","signature":"%s"}' 0 0 \
            "$(base64 -w0 "$work/signature")" | as '\3' "$2/block" ;;
    dependencies) printf '(a >= 1:2-3 if (b or /usr/bin/c))' > "$2/rich" ;;
    repodata)
        printf '<metadata packages="1"><package type="rpm"><name>a</name><arch>noarch</arch><version epoch="0" ver="1" rel="1"/><checksum type="md5">d41d8cd98f00b204e9800998ecf8427e</checksum><location href="a"/><format><rpm:provides><rpm:entry name="a" flags="EQ" ver="1"/></rpm:provides><file>/usr/bin/tool</file></format></package></metadata>' > "$2/primary"
        printf '<filelists packages="1"><package pkgid="a" name="a"><file>/usr/bin/tool</file></package></filelists>' > "$2/filelists"
        printf '<updates><update status="retracted"><pkglist><collection><package name="a" version="1" release="1" epoch="0" arch="noarch"/></collection></pkglist></update></updates>' > "$2/updates"
        printf -- '---\ndocument: modulemd\ndata:\n  name: a\n  stream: "1"\n  dependencies:\n  - requires:\n      b: [2]\n  artifacts:\n    rpms:\n    - a-0:1-1.noarch\n...\n' > "$2/modules"
        printf '<repomd><revision>1</revision><data type="primary"><checksum type="md5">d41d8cd98f00b204e9800998ecf8427e</checksum><location href="p"/></data></repomd>' > "$2/repomd" ;;
    image | manifest)
        "$FUZZ_PROGRAM" -q --match any --allow unchecked-base -o "$2" "$root"/fixtures/hello-tools-*.rpm
        find "$2" -type f ! -name "*.$([ "$1" = image ] && echo raw || echo manifest.gz)" -delete
        if [ "$1" = manifest ]; then for file in "$2"/*.gz; do zcat "$file" > "${file%.gz}"; done; fi ;;
    blocks)
        "$FUZZ_PROGRAM" -q --match any --allow unchecked-base -o "$2" "$root"/fixtures/hello-tools-*.rpm
        find "$2" -type f ! -name '*.raw' -delete
        { printf 'BLOCKS-1\11\0\0\0\0\0\0\0'; printf '%032d' 0; printf '12345678\4\0\00012345678\5\0\0'; } > "$2/index" ;;
    erofs | ext | disk)
        # Empty ones of any size are no use: a few files, an extended attribute, a link.
        mkdir -p "$work/tree/usr/lib"
        printf 'ID=a\n' > "$work/tree/usr/lib/release"
        seq 2000 > "$work/tree/usr/lib/numbers"
        ln -sf release "$work/tree/usr/lib/link"
        setfattr -n user.a -v b "$work/tree/usr/lib/release" || true
        case $1 in
        erofs) mkfs.erofs --quiet "$2/plain" "$work/tree" && mkfs.erofs --quiet --chunksize=4096 "$2/chunks" "$work/tree" ;;
        ext)
            for type in ext4 ext2; do
                truncate -s 128K "$2/$type"
                mke2fs -q -t "$type" -b 1024 -O ^has_journal,^resize_inode -N 16 -d "$work/tree" "$2/$type"
            done ;;
        disk)
            truncate -s 100K "$2/disk"
            printf 'label: gpt\nstart=40, size=1, type=4f68bce3-e8cd-4db1-96e7-fbcaf984b709\n' | sfdisk -q "$2/disk" ;;
        esac ;;
    repo_file)
        printf '[a]\nname=A\nbaseurl=https://a/$releasever/${basearch:-x}/\n https://b/\nexclude=gcc-* *.i686\n' > "$2/repo"
        printf '<metalink><files><file name="repomd.xml"><verification><hash type="md5">d41d8cd98f00b204e9800998ecf8427e</hash></verification><resources><url preference="1">https://a/repodata/repomd.xml</url></resources></file></files></metalink>' > "$2/metalink"
        printf '[{"url":"https://a/"}]' > "$2/json" ;;
    selinux)
        printf '/.* a\n/usr/(s)?bin/[^/]+ -- b\n/usr/bin/env c\n/a{2,3}(b|c)*\\.d$ d\n\0/bin /usr/bin\n\0/bin/env' > "$2/contexts" ;;
    store)
        printf '\0%064d  a-1.x86-64.raw\n%064d  BEST-BEFORE-2030-01-01\n' 0 0 > "$2/list"
        printf '\0[Transfer]\nVerify=no\n[Source]\nType=url-file\nPath=https://a/\nMatchPattern=a-@v.raw\n[Target]\nType=regular-file\nPath=/var/lib/extensions\n' > "$2/definition" ;;
    program)
        for file in "$root"/examples/*.toml; do { printf '\0'; cat "$file"; } > "$2/$(basename "$file")"; done
        printf '\002[oss]\nbaseurl=file:///nothing\ngpgcheck=1\n' > "$2/repo"
        printf '\003bash-5.2-1.x86_64\n' > "$2/list"
        printf '\004{"packages":[{"name":"bash","version":"5.2-1","architecture":"x86_64"}]}' > "$2/manifest"
        { printf '\005'; cat "$root/fixtures/os-release/fedora-42.os-release"; } > "$2/os-release" ;;
    esac
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR=$work
each=$((seconds / ${#targets[@]}))
[ "$each" -gt 0 ] || each=1
found=0
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target" "$work/$target"
    # Without an input that is whole, a target stops at the first bytes of all others.
    seeds "$target" "$work/$target"
    if [ -z "$(ls "$work/$target")" ]; then
        echo "$target: there is no first input; is a program missing that makes it?" >&2
        exit 1
    fi
    failed=0
    "target/$host/release/$target" "corpus/$target" "$work/$target" \
        -max_total_time="$each" -timeout=20 -rss_limit_mb=1024 -max_len=262144 -print_final_stats=1 \
        -artifact_prefix="artifacts/$target/" > "$work/log" 2>&1 || failed=1
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work/log")
    printf '%-13s %9s executions, %s\n' "$target" "${runs:-no}" \
        "$([ "$failed" = 0 ] && echo nothing found || echo FOUND)"
    if [ "$failed" = 1 ]; then
        found=1
        grep -E 'panicked|ERROR|Test unit written|assertion' -A2 "$work/log" | head -20 || true
    fi
done
exit "$found"
