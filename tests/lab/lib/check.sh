# shellcheck shell=bash
# Can this machine hold a lab at all? Says why not, and exits 77, which tests count as skipped.

check_machine() {
    local why
    why=$(cannot) || return 0
    say "no lab on this machine: $why"
    exit 77
}

# prints the reason and succeeds if there is one
cannot() {
    local tool missing='' mount
    [ "$(id -u)" = 0 ] || { echo 'it needs root (namespaces, mounts, network)' && return; }
    for tool in unshare nsenter pivot_root ip busybox podman crun dockerd containerd runc haproxy nginx ssh-keygen sudo iptables nft rsync gcc; do
        command -v $tool >/dev/null || missing+=" $tool"
    done
    [ -x /usr/sbin/sshd ] || missing+=' sshd'
    [ -z "$missing" ] || { echo "not installed:$missing (make deps)" && return; }
    busybox --list | grep -qx syslogd || { echo 'busybox has no syslogd: busybox-static is needed (make deps)' && return; }
    unshare --mount --uts --ipc --net --pid --cgroup --fork true 2>/dev/null || { echo 'namespaces are not allowed here' && return; }
    # there an `exec` into a container would come out at the root of the mount namespace, outside
    [ "$(nsenter --mount=/proc/self/ns/mnt stat -c %d:%i /)" = "$(stat -c %d:%i /)" ] || { echo 'this is a chroot, which containers would see out of' && return; }
    mount=$(cgroup_mounts | head -n 1)
    [ -n "$mount" ] || { echo 'no control groups are mounted' && return; }
    { mkdir -p "$mount/$TAG" && rmdir "$mount/$TAG"; } 2>/dev/null || [ -d "$mount/$TAG" ] || { echo "control groups cannot be made in $mount" && return; }
    unshare --net sh -c 'ip link add br0 type bridge && ip link add veth-a type veth peer name veth-b' 2>/dev/null || { echo 'no bridge or veth interfaces' && return; }
    [ "$BTRFS" = no ] || can_btrfs || { echo 'no btrfs: that needs btrfs-progs, loop devices and a kernel with it' && return; }
    return 1
}

can_btrfs() { command -v mkfs.btrfs >/dev/null && grep -qw btrfs /proc/filesystems && [ -e /dev/loop-control ]; }

# A host's upper layer and its containers need a file system that is no overlay itself; else a tmpfs is laid over LAB.
check_file_system() {
    local probe=$LAB/probe
    mkdir -p "$probe"/{upper,work,merged}
    if ! unshare --mount mount -t overlay probe -o "lowerdir=/etc,upperdir=$probe/upper,workdir=$probe/work" "$probe/merged" 2>/dev/null; then
        rm -rf "$probe"
        mount -t tmpfs -o mode=700 dogwatch-lab "$LAB" || return
        say "$LAB: its file system cannot carry overlays; the lab is kept in memory"
        # the lock was on the directory now covered
        exec 9<"$LAB" && flock -n 9 || return
    fi
    rm -rf "$probe"
}
