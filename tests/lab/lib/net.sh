# shellcheck shell=bash
# The lab's network: a bridge in a network namespace of its own (the "switch"), so that no firewall of this machine sits
# between the hosts; one interface called TAG on this machine leads into it. Addresses: a /24 of 198.18.0.0/15
# (RFC 2544, benchmark networks: shadows no real network). .1 is this machine, .10 gate, .11 mosh01, .12 mosh02 …

NET_MACHINE=1

net_prefix() { cat "$LAB/net" 2>/dev/null; }
net_address() { # HOST
    case $1 in
    gate) echo "$(net_prefix).10" ;;
    mosh*) echo "$(net_prefix).$((10 + 10#${1#mosh}))" ;;
    esac
}
net_port() { echo "p-$1"; } # the switch's end of a host's cable
net_switch_pid() { alive_in_lab "$(cat "$LAB/switch.pid" 2>/dev/null)"; }
in_switch() { nsenter --target "$(net_switch_pid)" --net -- "$@"; }

# prints the pid if it is a live process of this lab
alive_in_lab() {
    local line
    [ -n "$1" ] || return
    while read -r line; do
        [[ $line == */"$TAG" || $line == */"$TAG"/* ]] && echo "$1" && return
    done 2>/dev/null <"/proc/$1/cgroup"
    return 1
}

# the first /24 that no interface and no route of this machine uses, beginning at a place made from the lab's name
net_pick() {
    local used start i n
    used=$(ip -4 -o addr show; ip -4 route show table all)
    start=$((16#${TAG#dwl-} % 512))
    for ((i = 0; i < 512; i++)); do
        n=$(((start + i) % 512))
        grep -qF " 198.$((18 + n / 256)).$((n % 256))." <<<"$used" || { echo "198.$((18 + n / 256)).$((n % 256))" && return; }
    done
    return 1
}

net_switch_start() {
    cgroup_make switch || return
    daemon "$LAB/switch.log" sh -c "$(cgroup_enter_script switch) exec unshare --net sleep infinity"
    echo $! >"$LAB/switch.pid"
    wait_for 5 net_switch_is_apart
}
net_switch_is_apart() {
    local pid
    pid=$(net_switch_pid) && [ "$(readlink "/proc/$pid/ns/net")" != "$(readlink /proc/self/ns/net)" ] &&
        [ "$(cat "/proc/$pid/comm")" = sleep ]
}

net_bridge() {
    in_switch sh -ec '
        echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6 || true
        ip link set lo up
        ip link add br0 type bridge forward_delay 0
        ip link set br0 up' || return
    (
        flock 8 || exit 1
        prefix=$(net_pick) || { echo "no free /24 left in 198.18.0.0/15" && exit 1; }
        ip link add "$TAG" type veth peer name uplink netns "$(net_switch_pid)" || exit
        [ ! -e "/proc/sys/net/ipv6/conf/$TAG" ] || echo 1 >"/proc/sys/net/ipv6/conf/$TAG/disable_ipv6"
        ip addr add "$prefix.$NET_MACHINE/24" dev "$TAG" && ip link set "$TAG" up && echo "$prefix" >"$LAB/net"
    ) 8<"$LAB_ROOT" || return
    in_switch sh -ec 'ip link set uplink master br0 up'
}

net_up() { net_switch_start && net_bridge; }

# The host's end is called eth0 and keeps its hardware address over reboots, as a real one does.
net_plug() { # HOST PID
    local port mac
    port=$(net_port "$1")
    mac=$(printf '02:64:%s:%02x' "$(sed 's/../&:/g; s/:$//' <<<"${TAG:4:6}")" "$(net_address "$1" | cut -d . -f 4)")
    in_switch sh -ec 'ip link del "$1" 2>/dev/null || true
        ip link add "$1" type veth peer name eth0 address "$2" netns "$3"
        ip link set "$1" master br0 up' - "$port" "$mac" "$2"
}

net_cut() { in_switch ip link set "$(net_port "$1")" down; }
net_heal() { in_switch ip link set "$(net_port "$1")" up; }
net_is_cut() { ! in_switch ip -o link show up dev "$(net_port "$1")" 2>/dev/null | grep -q .; }

# Two hosts that do not hear one another, each still heard by everybody else: silence, no refusal.
net_part_table() { echo "lab-$(printf '%s\n' "$1" "$2" | sort | tr '\n' '-' | sed 's/-$//')"; }
net_part() { # HOST HOST
    in_switch nft -f - <<NFT
table bridge $(net_part_table "$1" "$2")
delete table bridge $(net_part_table "$1" "$2")
table bridge $(net_part_table "$1" "$2") {
    chain forward {
        type filter hook forward priority 0;
        ip saddr $(net_address "$1") ip daddr $(net_address "$2") drop
        ip saddr $(net_address "$2") ip daddr $(net_address "$1") drop
    }
}
NFT
}
net_join() { in_switch nft delete table bridge "$(net_part_table "$1" "$2")"; } # HOST HOST

net_machine_end_gone() { ! ip link show "$TAG" >/dev/null 2>&1; }
net_down() { net_machine_end_gone || ip link del "$TAG" 2>/dev/null || wait_for 5 net_machine_end_gone; }
