# Functions for a phase of client.sh: images are merged from outside, since what is merged may hide
# every program of the client.

client() {
    chroot "$CLIENT_ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TERM=dumb \
        ${SYSTEMD_LOG_LEVEL:+SYSTEMD_LOG_LEVEL="$SYSTEMD_LOG_LEVEL"} "$@"
}

# merge LINK IMAGE NAME OS-RELEASE [GOOD]: as NAME on a host with this os-release; fails if it is not merged.
#   LINK says what /etc/extensions/NAME.raw is: the image (direct), a link to it (store), or a link to a
#   link (current). The image GOOD is there as zz-good. With CLASS=confext, systemd-confext merges them,
#   from /var/lib/confexts.
CLASS=${CLASS:-sysext}
case $CLASS in
sysext) hierarchies=(usr opt) links=$CLIENT_ROOT/etc/extensions ;;
confext)
    hierarchies=(etc) links=$CLIENT_ROOT/var/lib/confexts
    # An overlay may be over one other, and no more: /etc becomes a plain directory.
    cp -a "$CLIENT_ROOT/etc" "$CLIENT_ROOT/tmp/etc"
    mount -t tmpfs -o mode=0755 tmpfs "$CLIENT_ROOT/etc"
    cp -a "$CLIENT_ROOT/tmp/etc/." "$CLIENT_ROOT/etc/" ;;
esac
merge() {
    local etc=$CLIENT_ROOT/etc lib=$CLIENT_ROOT/var/lib file=${2##*/} found=()
    rm -rf "$etc"/{os-release,initrd-release} "$links" "$lib/sysext-store"
    mkdir -p "$links" "$lib"/{sysext-store,extensions}
    cp "$4" "$etc/os-release"
    cp "$2" "$lib/sysext-store/$file"
    case $1 in
    direct) mv "$lib/sysext-store/$file" "$links/$3.raw" ;;
    store) ln -s "/var/lib/sysext-store/$file" "$links/$3.raw" ;;
    current)
        ln -s "$file" "$lib/sysext-store/$3-current.raw"
        ln -s "../../var/lib/sysext-store/$3-current.raw" "$links/$3.raw" ;;
    esac
    [ -z "${5:-}" ] || cp "$5" "$links/zz-good.raw"
    # There is no bus over which the system could be reloaded.
    local options=(--no-pager)
    ! client "systemd-$CLASS" --help | grep -q -e --no-reload || options+=(--no-reload)
    client "systemd-$CLASS" "${options[@]}" merge || return 1
    # It succeeds, too, if it ignored the image. Later versions list the file that a link leads to.
    for hierarchy in "${hierarchies[@]}"; do
        found+=($(cat "$CLIENT_ROOT/$hierarchy/.systemd-$CLASS/extensions" 2> /dev/null)) || :
    done
    printf '%s\n' "${found[@]}" | grep -qxF -e "$3" -e "$3.raw" -e "$file"
}

is_merged() {
    case $CLASS in
    sysext) mountpoint -q "$1" ;;
    confext) [ -d "$1/.systemd-confext" ] ;;
    esac
}

unmerge() {
    for hierarchy in "${hierarchies[@]}"; do
        while is_merged "$CLIENT_ROOT/$hierarchy"; do umount -l "$CLIENT_ROOT/$hierarchy"; done
    done
}
