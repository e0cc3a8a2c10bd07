#!/usr/bin/env bash
# trees.sh [TREE...]   (as root, on Debian 12 with debootstrap)
#   Makes what is missing in ~/.cache/sysext-clients: `roots/trixie` and `roots/sid`, Debian with
#   systemd 257 and the newest; `roots/mkosi`, Debian with mkosi 25, which builds extensions itself;
#   `roots/bookworm`, Debian 12 with nothing more than it must have; `over`, systemd 254 unpacked,
#   to be laid over this machine's own root; `kernel`, Debian 12's with its modules; `cosign`, Debian
#   unstable's; and `bills`, an environment of Python with what validates bills of materials. Each gets
#   a file `.ok` when it is whole. All at once: a minute or two, 250 MB each, that of mkosi 600 MB.
set -euo pipefail
cache=~/.cache/sysext-clients
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
mkdir -p "$cache/roots"
cd "$cache"

# A system with what its clients run: importd's bus, gpg, and the library that the newest loads for downloads.
root() {
    local tree=roots/$1 suite=$1 clients=--include=systemd,systemd-container,dbus,gpg,gpgv,libcurl4t64
    [ "$1" != bookworm ] || clients=''
    [ "$1" != mkosi ] || suite=trixie
    rm -rf "$tree"
    debootstrap --variant=minbase ${clients:+"$clients"} \
        "$suite" "$tree" "$mirror" > "$tree.log" 2>&1 || { tail -n 20 "$tree.log" >&2; return 1; }
    # debootstrap can't configure programs in Python.
    if [ "$1" = mkosi ]; then
        cp /etc/resolv.conf "$tree/etc/"
        chroot "$tree" sh -ec 'export DEBIAN_FRONTEND=noninteractive; apt-get -q update
            apt-get -qy --no-install-recommends install mkosi dnf rpm' >> "$tree.log" 2>&1 \
            || { tail -n 20 "$tree.log" >&2; return 1; }
    fi
    rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/*
    touch "$tree/.ok"
}

# Packages of backports, without what this machine knows of packages.
over() {
    local apt=$PWD/over.apt package
    rm -rf over "$apt"
    mkdir -p over "$apt"/{lists,archives}/partial "$apt/debs"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm-backports main" \
        > "$apt/list"
    local options=(-q -o "Dir::Etc::SourceList=$apt/list" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update > "$apt/log"
    (cd "$apt/debs" && apt-get "${options[@]}" download systemd systemd-container libsystemd-shared libsystemd0 >> "$apt/log")
    for package in "$apt"/debs/*.deb; do dpkg-deb --fsys-tarfile "$package" | tar -xC over; done
    # This machine's /lib and /bin are links into /usr, which directories would hide.
    for directory in bin lib sbin; do
        [ ! -d "over/$directory" ] || { cp -a "over/$directory" over/usr/; rm -r "over/$directory"; }
    done
    rm -rf "$apt" over/etc over/var
    touch over/.ok
}

# The kernel for machines of the cloud, which has the drivers of few.
kernel() {
    local package
    rm -rf kernel
    mkdir -p kernel/deb
    package=$(apt-cache depends --important linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
    (cd kernel/deb && apt-get -q download "$package" > ../log)
    dpkg-deb --fsys-tarfile kernel/deb/*.deb | tar -xC kernel
    depmod -b kernel "${package#linux-image-}"
    rm -rf kernel/deb
    touch kernel/.ok
}

# A program of unstable that runs on this machine, without what it would install.
cosign() {
    local apt=$PWD/cosign.apt
    rm -rf cosign "$apt"
    mkdir -p cosign "$apt"/{lists,archives}/partial
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" > "$apt/list"
    local options=(-q -o "Dir::Etc::SourceList=$apt/list" -o Dir::Etc::SourceParts=-
        -o "Dir::State::Lists=$apt/lists" -o "Dir::Cache=$apt" -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update > "$apt/log"
    (cd "$apt" && apt-get "${options[@]}" download cosign >> log)
    dpkg-deb --fsys-tarfile "$apt"/cosign_*.deb | tar -xC cosign
    rm -rf "$apt"
    touch cosign/.ok
}

# What validates bills of materials, by those who keep the formats.
bills() {
    rm -rf bills
    python3 -m venv bills
    bills/bin/pip install --quiet spdx-tools==0.8.5 'cyclonedx-python-lib[json-validation]==11.12.0'
    touch bills/.ok
}

jobs=()
for tree in "${@:-trixie}"; do
    path=$tree
    case $tree in over | kernel | cosign | bills) ;; *) path=roots/$tree ;; esac
    [ ! -e "$path/.ok" ] || continue
    case $tree in over | kernel | cosign | bills) "$tree" & ;; *) root "$tree" & ;; esac
    jobs+=($!)
done
for job in "${jobs[@]}"; do wait "$job"; done
