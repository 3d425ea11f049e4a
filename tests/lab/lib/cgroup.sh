# shellcheck shell=bash
# Control groups: every process of host H runs below TAG/H in each v1 hierarchy of this machine (or in the v2 one), which is
# the root of the host's own cgroup namespace. So a host sees its own groups only, and `down` finds all that is to be ended.

# Mount points of the hierarchies: those of v1, or if there is none that of v2. Looked up once, before any subshell.
cgroup_look_up() {
    CGROUP_MOUNTS=$(awk '{ for (i = 7; $i != "-"; i++); type = $(i + 1) }
         type == "cgroup" { v1[++n] = $5 } type == "cgroup2" { v2 = $5 }
         END { for (i = 1; i <= n; i++) print v1[i]; if (!n && v2) print v2 }' /proc/self/mountinfo)
}
cgroup_mounts() { echo "$CGROUP_MOUNTS"; }
cgroup_is_v2() { [ -e "${CGROUP_MOUNTS%%$'\n'*}/cgroup.controllers" ]; }

cgroup_make() { # HOST
    local mount group
    for mount in $(cgroup_mounts); do
        for group in "$mount/$TAG" "$mount/$TAG/$1"; do
            mkdir -p "$group" || return
            # a cpuset without cpus takes no process
            for file in cpuset.cpus cpuset.mems; do
                [ ! -e "$group/$file" ] || [ -n "$(cat "$group/$file")" ] || cat "${group%/*}/$file" >"$group/$file" || return
            done
        done
    done
    cgroup_is_v2 || return 0
    mkdir -p "$mount/$TAG/$1/init"
    # the host's own root hands controllers down by itself, in its boot
    for group in "$mount" "$mount/$TAG"; do
        for controller in cpu cpuset io memory pids; do
            echo "+$controller" >"$group/cgroup.subtree_control" 2>/dev/null || true
        done
    done
}

# sh text that moves the shell running it into the host's groups, and `unshare --cgroup`s there
cgroup_enter_script() { # HOST
    local mount
    for mount in $CGROUP_MOUNTS; do echo "echo 0 >'$mount/$TAG/$1/cgroup.procs' || exit 1;"; done
}
# In v2 a group with children that have controllers may hold no process itself: after the namespace is made, step aside.
cgroup_leaf_script() { # HOST
    ! cgroup_is_v2 || echo "echo 0 >'$(cgroup_mounts)/$TAG/$1/init/cgroup.procs' || exit 1;"
}

# every group at and below TAG[/HOST], deepest first
cgroup_groups() { # [HOST]
    local mount
    for mount in $(cgroup_mounts); do
        [ ! -d "$mount/$TAG${1:+/$1}" ] || find "$mount/$TAG${1:+/$1}" -depth -type d
    done
}

cgroup_pids() { # [HOST]
    cgroup_groups "$@" | while read -r group; do cat "$group/cgroup.procs" 2>/dev/null; done | sort -un
}

# a frozen task of v1 takes no SIGKILL
cgroup_thaw() {
    local group
    cgroup_groups "$@" | while read -r group; do
        [ ! -e "$group/freezer.state" ] || echo THAWED >"$group/freezer.state"
    done 2>/dev/null
}

# Each group is killed as it is read, with nothing started in between: a process that is gone by then has left its number to
# whoever comes next, which may be a process of another lab.
cgroup_kill_round() {
    local group pid left=0
    cgroup_thaw "$@"
    while read -r group; do
        [ -e "$group/cgroup.procs" ] || continue
        while read -r pid; do
            # 0: somebody of a process namespace we do not see into; to kill(2) it would be ourselves
            [ "$pid" -gt 0 ] && left=1 && kill -KILL "$pid" 2>/dev/null
        done <"$group/cgroup.procs"
    done 2>/dev/null < <(cgroup_groups "$@")
    return $left
}

cgroup_remove_round() {
    local group left=0
    while read -r group; do rmdir "$group" 2>/dev/null || left=1; done < <(cgroup_groups "$@")
    [ -z "$(cgroup_groups "$@")" ] || [ $left = 0 ]
}

# End every process of the host (or of the whole lab) and remove its groups.
cgroup_end() { # [HOST]
    wait_for 20 cgroup_kill_round "$@" || { say "${1:-lab $LAB_NAME}: processes that do not end: $(cgroup_pids "$@" | tr '\n' ' ')" && return 1; }
    wait_for 10 cgroup_remove_round "$@" || { say "${1:-lab $LAB_NAME}: control groups that stay: $(cgroup_groups "$@" | head -n 3)" && return 1; }
}
