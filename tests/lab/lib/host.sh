# shellcheck shell=bash
# One host: a directory LAB/hosts/HOST (root, what it writes over /etc and /usr, log, pid of its init) and the processes in
# its control group. Its init is PID 1 of its own PID namespace: killing that ends everything on the host.

host_pid() {
    local pid=
    { read -r pid <"$LAB/hosts/$1/pid"; } 2>/dev/null
    alive_in_lab "$pid"
}

# What a host must not inherit: a character device 0:0 in the upper layer says "not there" (kernel, overlayfs.rst).
host_hide() { # DIR ENGINE
    local path paths='usr/local etc/ssh etc/dogwatch etc/sudoers.d etc/hostname etc/hosts etc/resolv.conf etc/machine-id
        etc/containers etc/cni etc/docker etc/haproxy etc/nginx etc/inittab usr/lib/dogwatch'
    # only the engine that is its own
    [ "$2" = podman ] || paths+=' usr/bin/podman'
    [ "$2" = docker ] || paths+=' usr/bin/docker usr/sbin/dockerd'
    [ "$2$PROXY" = proxyhaproxy ] || paths+=' usr/sbin/haproxy'
    [ "$2$PROXY" = proxynginx ] || paths+=' usr/sbin/nginx'
    for path in $paths; do
        [ ! -e "/$path" ] && [ ! -L "/$path" ] || { mkdir -p "$1/upper/${path%/*}" && mknod "$1/upper/$path" c 0 0; } || return
    done
}

# the v1 hierarchies as boot.sh mounts them: NAME=OPTIONS
host_cgroups() {
    awk '{ for (i = 7; $i != "-"; i++); if ($(i + 1) != "cgroup") next
           name = $5; sub(".*/", "", name); options = $(i + 3); sub("^r[wo],?", "", options)
           gsub("(^|,)(xattr|clone_children|noprefix|release_agent=[^,]*)", "", options); sub("^,", "", options)
           if (options ~ /^name=/) options = "none," options
           print name "=" options }' /proc/self/mountinfo | sort -u | tr '\n' ' '
}

host_prepare() { # HOST
    local dir engine image
    dir=$(host_dir "$1") engine=$(host_engine "$1")
    mkdir -p "$dir"/root/lab "$dir"/{upper,work}/{usr,etc} || return
    host_hide "$dir" "$engine" || return
    cat >"$dir/conf" <<CONF
HOST=$1 ADDRESS=$(net_address "$1") PREFIX=$(net_prefix) ENGINE=$engine KEY_PUB='$KEY.pub'
CGROUP_V2=$(cgroup_is_v2 && echo yes || echo no) CGROUPS='$(host_cgroups)'
CONF
    if [ "$engine" = proxy ]; then
        echo "PROXY=$PROXY" >>"$dir/conf"
        proxy_files "$dir"
        return
    fi
    host_storage "$1" "$dir" || return
    # for host/setup, removed after it
    site_plan "$1" >"$dir/root/lab/plan"
    mkdir -p "$dir/root/lab/images" "$LAB/content"
    for image in $(site_images "$1"); do ln "$LAB/images/$image.tar" "$dir/root/lab/images/" || return; done
    cp -al "$LAB/content" "$dir/root/lab/content"
}

# what boot.sh mounts besides: a btrfs of the host's own for podman's volumes, storage that the hosts share
host_storage() { # HOST DIR
    case $BTRFS:$1 in
    yes:mosh01 | yes:mosh02) truncate -s 8G "$2/volumes.img" && mkfs.btrfs -q "$2/volumes.img" || return ;;
    esac
    [ "$MOUNT" = no ] || mkdir -p "$LAB/shared/wharf.example"
    # shellcheck disable=SC2153
    echo "SHARED='$([ "$MOUNT" = no ] || echo "$LAB/shared")'" >>"$2/conf"
}

host_has_pid() { host_pid "$1"; }
host_says_booted() { host_run "$1" test -e /run/booted; }

host_boot() { # HOST
    local dir
    dir=$(host_dir "$1")
    rm -f "$dir/pid"
    cgroup_make "$1" || return
    daemon "$dir/log" sh -c "$(cgroup_enter_script "$1")
        exec unshare --cgroup sh -c \"\$1\" - \"\$2\" \"\$3\"" - "$(cgroup_leaf_script "$1")
        exec unshare --mount --uts --ipc --net --pid --fork sh \"\$1\" \"\$2\"" "$LAB_HOME/host/boot.sh" "$dir"
    wait_for 10 host_has_pid "$1" || return
    net_plug "$1" "$(host_pid "$1")" && wait_for 15 host_says_booted "$1"
}

# become a command inside, as root, in the host's own control group: host_exec HOST CMD…; host_run is the same as a child
host_exec() {
    local pid host=$1
    pid=$(host_pid "$host") || return
    shift
    close_descriptors
    exec sh -c "$(cgroup_enter_script "$host") $(cgroup_leaf_script "$host")
        pid=\$1; shift
        exec nsenter --target \"\$pid\" --mount --uts --ipc --net --pid --cgroup --root --wdns=/root -- env -i HOME=/root \\
            USER=root LOGNAME=root LANG=C.UTF-8 TERM=\"\${TERM:-dumb}\" \\
            PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \"\$@\"" - "$pid" "$@"
}
host_run() { (host_exec "$@"); }

# the banner, not just the port: a stopped sshd still accepts connections
host_greets() { # HOST
    local banner
    banner=$(timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/22" && read -r -t 1 banner <&3 && echo "$banner"' - "$(net_address "$1")" 2>/dev/null)
    [[ $banner == SSH-2.0-* ]]
}
host_engine_answers() {
    case $(host_engine "$1") in
    docker) host_run "$1" docker version ;;
    podman) host_run "$1" podman version ;;
    proxy) timeout 2 bash -c 'exec 3<>"/dev/tcp/$1/80"' - "$(net_address "$1")" ;;
    esac
}

host_fingerprint() { ssh-keygen -lf "$(host_dir "$1")/upper/etc/ssh/ssh_host_ed25519_key.pub" | cut -d ' ' -f 2; }

# one host from nothing to ready; runs in parallel with the others
host_up() { # HOST
    local log
    log=$(host_dir "$1")/log
    mkdir -p "${log%/*}"
    step "$1" 'prepare its directory' "$log" host_prepare "$1" &&
        step "$1" 'boot' "$log" host_boot "$1" &&
        step "$1" 'reach its sshd' "$log" wait_for 20 host_greets "$1" &&
        step "$1" "reach its $(host_engine "$1")" "$log" wait_for 40 host_engine_answers "$1" || return
    if [ "$(host_engine "$1")" != proxy ]; then
        step "$1" 'make its containers' "$log" host_run "$1" /opt/lab/setup || return
    fi
    rm -rf "$(host_dir "$1")/root/lab"
}

host_reboot() { # HOST
    local log
    log=$(host_dir "$1")/log
    cgroup_end "$1" &&
        step "$1" 'boot' "$log" host_boot "$1" &&
        step "$1" 'reach its sshd' "$log" wait_for 20 host_greets "$1" &&
        step "$1" "reach its $(host_engine "$1")" "$log" wait_for 40 host_engine_answers "$1"
}

host_signal_sshd() { # HOST SIGNAL: to the listener and every session
    # shellcheck disable=SC2016
    host_run "$1" sh -c 'for p in /proc/[0-9]*; do
        read -r name 2>/dev/null <"$p/comm" && [ "$name" = sshd ] && kill -"$1" "${p#/proc/}"; done; true' - "$2"
}

# Only the listener is ended (init starts it again); sessions live on, as they would on a real host.
host_rekey() { # HOST
    local before
    before=$(host_fingerprint "$1")
    # shellcheck disable=SC2016
    host_run "$1" sh -ec 'cd /etc/ssh; rm -f ssh_host_*; ssh-keygen -q -t ed25519 -N "" -C "root@$(cat /etc/hostname)" -f ssh_host_ed25519_key
        kill "$(cat /run/sshd.pid)"' && wait_for 10 host_offers_own_key "$1" && [ "$(host_fingerprint "$1")" != "$before" ]
}
host_offers_own_key() {
    ssh-keyscan -T 2 -t ed25519 "$(net_address "$1")" 2>/dev/null | grep -qF "$(cut -d ' ' -f 2 "$(host_dir "$1")/upper/etc/ssh/ssh_host_ed25519_key.pub")"
}
