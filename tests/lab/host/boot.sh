#!/bin/sh
# Becomes a host: runs as PID 1 of fresh namespaces, still seeing this machine's root; mounts the host's own root, moves
# into it and goes on as busybox init. Only the mount namespace of this host is touched. Argument: the host's directory.
set -eu
H=$1
. "$H/conf" # HOST ADDRESS PREFIX ENGINE KEY_PUB CGROUPS CGROUP_V2 SHARED
R=$H/root
LAB_HOST=$(dirname "$0")

# /proc is still the machine's: the pid by which the lab knows us
read -r pid _ </proc/self/stat
echo "$pid" >"$H/pid.new"
mv "$H/pid.new" "$H/pid"

# --- root: a plain directory; /usr and /etc lie over the machine's own, which stay unchanged -------------------------
mkdir -p "$R/usr" "$R/etc" "$R/dev" "$R/run" "$R/proc" "$R/sys"
mount --bind "$R" "$R"
for d in usr etc; do
    mount -t overlay "lab-$d" -o "lowerdir=/$d,upperdir=$H/upper/$d,workdir=$H/work/$d" "$R/$d"
done
for d in bin sbin lib lib32 lib64 libx32; do # links into /usr on a merged system, else directories
    [ ! -d "/$d" ] || [ -L "/$d" ] || { mkdir -p "$R/$d" && mount --bind -o ro "/$d" "$R/$d"; }
done
if [ ! -e "$H/furnished" ]; then
    . "$LAB_HOST/furnish.sh"
    touch "$H/furnished"
fi

# --- dev, run, proc, sys ---------------------------------------------------------------------------------------------
mount -t tmpfs -o mode=755,size=1m tmpfs "$R/dev"
mkdir "$R/dev/pts" "$R/dev/shm" "$R/dev/mqueue" "$R/dev/net"
node() { mknod -m 666 "$R/dev/$1" c "$2" "$3"; }
node null 1 3 && node zero 1 5 && node full 1 7 && node random 1 8 && node urandom 1 9 && node tty 5 0 && node net/tun 10 200
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$R/dev/pts"
mount -t tmpfs -o mode=1777,size=64m tmpfs "$R/dev/shm"
mount -t mqueue mqueue "$R/dev/mqueue"
ln -s pts/ptmx "$R/dev/ptmx"
ln -s /proc/self/fd "$R/dev/fd"
for n in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${n%:*}" "$R/dev/${n#*:}"; done
mount -t tmpfs -o mode=755,size=64m tmpfs "$R/run"
mount -t proc proc "$R/proc"
cat /proc/sys/kernel/random/uuid >"$H/boot_id"
mount --bind "$H/boot_id" "$R/proc/sys/kernel/random/boot_id"
mount -o remount,bind,ro "$R/proc/sys/kernel/random/boot_id"
mount -t sysfs sysfs "$R/sys"

# --- storage: podman's volumes on a btrfs of their own, and what the hosts share --------------------------------------
if [ -e "$H/volumes.img" ]; then
    tries=0
    while [ -n "$(losetup -j "$H/volumes.img")" ] && [ $tries -lt 100 ]; do # the last boot's goes with its last process
        tries=$((tries + 1))
        sleep 0.05
    done
    mkdir -p "$R/var/lib/containers/storage/volumes"
    mount -t btrfs -o loop "$H/volumes.img" "$R/var/lib/containers/storage/volumes"
fi
[ -z "${SHARED:-}" ] || { mkdir -p "$R/mnt/shared" && mount --bind "$SHARED" "$R/mnt/shared"; }

# --- control groups: what is mounted in our own cgroup namespace begins at our own group ------------------------------
if [ "$CGROUP_V2" = yes ]; then
    mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
    for c in $(cat "$R/sys/fs/cgroup/cgroup.controllers"); do
        echo "+$c" >"$R/sys/fs/cgroup/cgroup.subtree_control" || true
    done
else
    mount -t tmpfs -o mode=755 tmpfs "$R/sys/fs/cgroup"
    for c in $CGROUPS; do # NAME=OPTIONS, such as cpu,cpuacct=cpu,cpuacct or systemd=none,name=systemd
        mkdir "$R/sys/fs/cgroup/${c%%=*}"
        mount -t cgroup -o "${c#*=}" cgroup "$R/sys/fs/cgroup/${c%%=*}"
        case ${c%%=*} in
        *,*) for one in $(echo "${c%%=*}" | tr , ' '); do ln -s "${c%%=*}" "$R/sys/fs/cgroup/$one"; done ;;
        esac
    done
fi

echo "$HOST" >/proc/sys/kernel/hostname
cd "$R"
mkdir -p .machine
pivot_root . .machine
exec chroot . /bin/sh -c 'umount -l /.machine && rmdir /.machine && exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root /bin/busybox init' </dev/null
