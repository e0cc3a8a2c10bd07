# Functions for a phase of client.sh: images are merged from outside, since what is merged may hide
# every program of the client.

client() {
    chroot "$CLIENT_ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TERM=dumb \
        ${SYSTEMD_LOG_LEVEL:+SYSTEMD_LOG_LEVEL="$SYSTEMD_LOG_LEVEL"} "$@"
}

# merge LINK IMAGE NAME OS-RELEASE [GOOD]: as NAME on a host with this os-release; fails if it is not merged.
#   LINK says what /etc/extensions/NAME.raw is: the image (direct), a link to it (store), or a link to a
#   link (current). The image GOOD is there as zz-good.
merge() {
    local etc=$CLIENT_ROOT/etc lib=$CLIENT_ROOT/var/lib file=${2##*/} found=()
    rm -rf "$etc"/{extensions,os-release,initrd-release} "$lib/sysext-store"
    mkdir -p "$etc/extensions" "$lib"/{sysext-store,extensions}
    cp "$4" "$etc/os-release"
    cp "$2" "$lib/sysext-store/$file"
    case $1 in
    direct) mv "$lib/sysext-store/$file" "$etc/extensions/$3.raw" ;;
    store) ln -s "/var/lib/sysext-store/$file" "$etc/extensions/$3.raw" ;;
    current)
        ln -s "$file" "$lib/sysext-store/$3-current.raw"
        ln -s "../../var/lib/sysext-store/$3-current.raw" "$etc/extensions/$3.raw" ;;
    esac
    [ -z "${5:-}" ] || cp "$5" "$etc/extensions/zz-good.raw"
    # There is no bus over which the system could be reloaded.
    local options=(--no-pager)
    ! client systemd-sysext --help | grep -q -e --no-reload || options+=(--no-reload)
    client systemd-sysext "${options[@]}" merge || return 1
    # It succeeds, too, if it ignored the image. Later versions list the file that a link leads to.
    for hierarchy in usr opt; do
        found+=($(cat "$CLIENT_ROOT/$hierarchy/.systemd-sysext/extensions" 2> /dev/null)) || :
    done
    printf '%s\n' "${found[@]}" | grep -qxF -e "$3" -e "$3.raw" -e "$file"
}

unmerge() {
    for hierarchy in usr opt; do
        while mountpoint -q "$CLIENT_ROOT/$hierarchy"; do umount -l "$CLIENT_ROOT/$hierarchy"; done
    done
}
