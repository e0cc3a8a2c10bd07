#!/usr/bin/env bash
# boot.sh TREE OVER [SECONDS]   (with qemu-system-x86, cpio, kmod and cryptsetup-bin, and the kernel of trees.sh)
#   Boots a Debian of trees.sh in qemu, without KVM, with the files of the directory OVER laid over
#   it, and what dm-verity needs. Once the system is up, OVER's own /checks is run there. Prints what that says, and ends as it
#   does. A system that is not done after SECONDS (600) is killed; then all that its console said is
#   printed, and the script ends with 99.
set -euo pipefail
tree=$(realpath "$1") over=$(realpath "$2") seconds=${3:-600}
kernel=~/.cache/sysext-clients/kernel
release=$(basename "$kernel"/lib/modules/*)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What the tree lacks to be booted: modules, who loads them, and the unit. An archive may follow another.
mkdir -p "$work/more/modules" "$work/more/etc/systemd/system/multi-user.target.wants" "$work/more/usr/sbin"
cp /usr/bin/kmod "$work/more/usr/sbin/insmod"
for module in loop squashfs overlay dm-verity; do modprobe --dirname "$kernel" --set-version "$release" --show-depends "$module"; done |
    sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' > "$work/modules"
# So does systemd what sets dm-verity up: the library of this machine, and those that it needs.
triplet=usr/lib/x86_64-linux-gnu
mkdir -p "$work/more/$triplet"
library=$(ldconfig -p | sed -n 's/.* => \(.*libcryptsetup\.so\.12\)$/\1/p' | head -n 1)
ldd "$library" | sed -n 's/.* => \([^ ]*\).*/\1/p' > "$work/libraries"
echo "$library" >> "$work/libraries"
while read -r path; do
    [ -e "$tree/$triplet/${path##*/}" ] || cp -L "$path" "$work/more/$triplet/"
done < "$work/libraries"
number=100
while read -r path; do
    cp "$path" "$work/more/modules/$number-${path##*/}"
    number=$((number + 1))
done < "$work/modules"
cat > "$work/more/init" <<'INIT'
#!/bin/sh
for module in /modules/*; do insmod "$module"; done
exec /usr/lib/systemd/systemd
INIT
cat > "$work/more/etc/systemd/system/checks.service" <<'UNIT'
[Unit]
Description=Checks
[Service]
Type=idle
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
ExecStart=/bin/sh -c 'echo; echo "checks begin"; /checks 2>&1; echo "checks end $?"'
ExecStopPost=/usr/bin/systemctl --force --force poweroff
UNIT
ln -s ../checks.service "$work/more/etc/systemd/system/multi-user.target.wants/"
# Nobody sets the machine up at its first boot, and its modules are loaded already.
: > "$work/more/etc/machine-id"
for unit in systemd-firstboot systemd-modules-load; do
    ln -s /dev/null "$work/more/etc/systemd/system/$unit.service"
done
chmod 755 "$work/more/init"

archive() { (cd "$1" && find . -xdev "${@:2}" -print0 | cpio -0o -H newc --quiet); }
unneeded=(-path ./usr/share/doc -o -path ./usr/share/locale -o -path ./usr/share/man -o -path ./var/lib/dpkg
    -o -path ./usr/share/zoneinfo -o -path ./usr/lib/x86_64-linux-gnu/gconv -o -path ./usr/share/perl)
{
    archive "$tree" \( "${unneeded[@]}" \) -prune -o
    archive "$work/more"
    archive "$over"
} > "$work/initrd"
timeout --signal=KILL "$seconds" qemu-system-x86_64 -accel tcg -m 2G -smp 2 -nographic -no-reboot \
    -kernel "$kernel/boot/vmlinuz-$release" -initrd "$work/initrd" -nic none \
    -append "console=ttyS0 quiet systemd.show_status=no systemd.unit=multi-user.target" \
    < /dev/null > "$work/console" 2>&1 || true
tr -d '\r' < "$work/console" > "$work/said"
status=$(sed -n 's/^checks end \([0-9]*\)$/\1/p' "$work/said")
if [ -z "$status" ]; then
    cat "$work/said"
    echo "boot.sh: the checks did not end" >&2
    exit 99
fi
sed -n '/^checks begin$/,/^checks end/p' "$work/said" | sed '1d;$d'
exit "$status"
