# shellcheck shell=bash
# Names, places and messages. A lab called NAME lives in one directory; everything of it that the kernel knows by name
# (interface, control groups) is called TAG, made from that directory's name, so that labs never touch one another.

say() { printf 'lab: %s\n' "$*" >&2; }
die() { say "$*" && exit 1; }
misuse() { say "$* (tests/lab/lab --help)" && exit 2; }

# `exec HOST [--name NAME] CMD…`: the option may still stand before the command
take_exec_operands() {
    if [ "${1:-}" = --name ]; then
        LAB_NAME=${2:-}
        shift 2
    fi
    [ "${1:-}" = -- ] && shift
    operands+=("$@")
}

lab_root() { echo "${DOGWATCH_LAB_DIR:-/var/tmp/dogwatch-lab}"; }

lab_locate() {
    [[ $LAB_NAME =~ ^[a-z0-9][a-z0-9-]{0,30}$ ]] || misuse "'$LAB_NAME' is no name for a lab: a-z, 0-9 and -, at most 31"
    LAB_ROOT=$(lab_root)
    LAB=$LAB_ROOT/$LAB_NAME
    TAG=dwl-$(printf %s "$LAB" | sha256sum | cut -c 1-8)
    FLEET=$LAB/fleet
    STATE=$LAB/state
    KEY=$LAB/key
}

host_dir() { echo "$LAB/hosts/$1"; }
host_names() { [ ! -r "$LAB/names" ] || echo "$(<"$LAB/names")"; }

need_lab() {
    [ $EUID = 0 ] || die "only root can reach into the lab's hosts"
    [ -d "$LAB" ] || die "there is no lab '$LAB_NAME'; start it: tests/lab/lab up --name $LAB_NAME"
}

has_host() { # HOST
    local name
    while read -r name; do [ "$name" != "$1" ] || return 0; done < <(host_names)
    return 1
}
need_host() {
    need_lab
    has_host "$1" || die "lab '$LAB_NAME' has no host '$1'; it has: $(host_names | tr '\n' ' ')"
    host_pid "$1" >/dev/null || die "$1 is not running (log: $(host_dir "$1")/log); try: tests/lab/lab reboot $1"
}

# wait_for SECONDS CMD…: until CMD succeeds; false when it has not within that time
wait_for() {
    local deadline=$((SECONDS + $1 + 1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

# step WHOM WHAT LOG CMD…: run CMD with its output in LOG; say what failed, where, and the last it printed
step() {
    local whom=$1 what=$2 log=$3
    shift 3
    printf '%s -- %s\n' "$(date +%T.%3N)" "$what" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null && return
    say "$whom: could not $what (log: $log):"
    tail -n 5 "$log" | sed 's/^/    /' >&2
    return 1
}

# One `up`, `down` or `reboot` on a lab at a time. The directory itself is locked (fd 9), so no lock file stays behind.
lock_lab() {
    while :; do
        mkdir -p "$LAB" || die "cannot make $LAB"
        { exec 9<"$LAB"; } 2>/dev/null || continue # another lab's `down` just removed the directory above
        flock -w 180 9 || die "another lab command has held $LAB for 3 minutes"
        [ "$LAB" -ef "/proc/$$/fd/9" ] && return
    done
}

# What is started on a host must not keep our lock, nor a pipe of whoever called us. For use in a subshell only.
close_descriptors() {
    local fd
    for fd in /proc/"$BASHPID"/fd/*; do
        fd=${fd##*/}
        [ "$fd" -le 2 ] || eval "exec $fd>&-"
    done
}

# Run CMD as a daemon that keeps nothing of ours: no descriptor, no environment, no terminal. Its pid is in $!.
daemon() {
    local log=$1
    shift
    (
        close_descriptors
        cd / && exec env -i PATH="$PATH" setsid "$@"
    ) </dev/null >>"$log" 2>&1 &
}
