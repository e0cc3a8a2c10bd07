#!/usr/bin/env bash
# client.sh ROOT STORE PHASE...   (as root)
#   A client of the store in the directory STORE, which is served on loopback. ROOT is the tree of a
#   system; over:TREE lays TREE over this host's own. Its /etc, /run, /tmp, /root and /var/lib are
#   private and gone in the end. Each PHASE is a file of shell commands: *.client is run as root in
#   the client, with the store's address in $STORE_URL, any other here, with the client in $CLIENT_ROOT.
#   BUS=1 gives the client a system bus and systemd-importd.
set -eu
if [ -z "${INSIDE:-}" ]; then INSIDE=1 exec unshare --mount --propagation private -- "$0" "$@"; fi
tree=$1 store=$2; shift 2
top=$(mktemp -d) services=()
trap 'kill "${services[@]}" 2> /dev/null || :; wait; umount -l "$top"; rmdir "$top"' EXIT
mount -t tmpfs -o mode=0755 tmpfs "$top"
mkdir "$top"/{root,upper,work,over}
root=$top/root
case $tree in
over:*) # A copy, because the kernel refuses a layer that contains another.
    cp -a "${tree#over:}/." "$top/over"
    mount -t overlay -o "lowerdir=$top/over:/" overlay "$root" ;;
*) mount --bind "$tree" "$root" ;;
esac
mount --make-rshared / # systemd-sysext hands its mounts over from a namespace of its own.
for directory in proc sys dev; do mount --rbind "/$directory" "$root/$directory"; done
mount -t overlay -o "lowerdir=$root/etc,upperdir=$top/upper,workdir=$top/work" overlay "$root/etc"
for directory in run tmp root var/lib; do mount -t tmpfs -o mode=0755 tmpfs "$root/$directory"; done
mkdir -p "$root"/{run/bin,run/host,var/lib/systemd,var/lib/extensions,run/systemd/system,run/dbus}
# The small trees have no curl: this runs the host's, in the client's directory.
mount --rbind / "$root/run/host"
cat > "$root/run/bin/curl" << 'END'
#!/bin/sh
exec chroot /run/host sh -c 'cd "$0" && exec curl "$@"' "$CLIENT_ROOT$(pwd)" "$@"
END
chmod 755 "$root/run/bin/curl"
python3 -u -m http.server --directory "$store" --bind 127.0.0.1 0 > "$top/served" 2>&1 & services+=($!)
until grep -q ' port ' "$top/served"; do sleep 0.05; done
url=http://127.0.0.1:$(sed -n 's/.* port \([0-9]*\) .*/\1/p;q' "$top/served")
client=(chroot "$root" env -i PATH=/run/bin:/usr/sbin:/usr/bin:/usr/lib/systemd HOME=/root LC_ALL=C TERM=dumb
    CLIENT_ROOT="$root" STORE_URL="$url")
if [ -n "${BUS:-}" ]; then
    echo 0123456789abcdef0123456789abcdef > "$root/etc/machine-id"
    "${client[@]}" dbus-daemon --system --nofork --nopidfile > /dev/null 2>&1 & services+=($!)
    until [ -S "$root/run/dbus/system_bus_socket" ]; do sleep 0.05; done
    "${client[@]}" /usr/lib/systemd/systemd-importd > /dev/null 2>&1 & services+=($!)
fi
for phase; do
    case $phase in *.client) "${client[@]}" sh -eux < "$phase" ;; *) CLIENT_ROOT=$root STORE_URL=$url bash -eu "$phase" ;; esac
done 2>&1
