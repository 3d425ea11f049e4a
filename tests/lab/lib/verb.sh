# shellcheck shell=bash
# The verbs of the command line, one function each.

verb_up() {
    [[ $HOSTS =~ ^[1-9][0-9]?$ ]] || misuse "--hosts takes 1 to 99, not '$HOSTS'"
    [[ $INTERVAL =~ ^[0-9]+(ms|s|m)$ ]] || misuse "--interval takes a duration such as 2s, not '$INTERVAL'"
    case $PROXY in haproxy | nginx) ;; *) misuse "--proxy takes haproxy or nginx, not '$PROXY'" ;; esac
    check_machine
    site_options
    [ "$ENROL" = no ] || [ -x "$(dogwatch)" ] || die "$(dogwatch) is missing: make all, or set DOGWATCH, or use --no-enrol"
    umask 022
    lock_lab
    if [ -e "$LAB/names" ]; then
        all_run || die "lab '$LAB_NAME' is half made or was left by something; remove it: tests/lab/lab down --name $LAB_NAME"
        say "lab '$LAB_NAME' is up already ($(host_names | tr '\n' ' '))"
        return 0
    fi
    trap up_failed EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    up || exit 1
    touch "$LAB/ready"
    trap - EXIT INT TERM
    say "lab '$LAB_NAME' is up after $SECONDS s: $(host_names | tr '\n' ' ')at $(net_prefix).0/24"
}

all_run() {
    local host
    [ -e "$LAB/ready" ] || return
    for host in $(host_names); do host_pid "$host" >/dev/null || return; done
}

dogwatch() { echo "${DOGWATCH:-$REPO/build/dogwatch}"; }

up() {
    step lab 'find a file system for it' "$LAB/log" check_file_system || return
    chmod 700 "$LAB"
    mkdir -p -m 700 "$STATE"
    { echo gate && seq -f 'mosh%02g' "$HOSTS"; } >"$LAB/names"
    step lab 'write the fleet files' "$LAB/log" fleet_write &&
        step lab 'make the enrolment key' "$LAB/log" ssh-keygen -q -t ed25519 -N '' -C dogwatch-lab -f "$KEY" &&
        step lab 'make the network' "$LAB/log" net_up &&
        step lab 'make the images' "$LAB/log" image_archives &&
        step lab 'write the sites' "$LAB/log" site_contents || return
    up_hosts || return
    rm -rf "$LAB/content" "$LAB/images"
    [ "$ENROL" = no ] || up_enrol
}

up_hosts() {
    local host failed='' pids=()
    # docker takes longest: first
    for host in $(host_names | sort -k 1.6 -r); do
        host_up "$host" &
        pids+=("$!:$host")
    done
    for host in "${pids[@]}"; do
        wait "${host%%:*}" || failed+=" ${host#*:}"
    done
    [ -z "$failed" ] || { say "these hosts failed:$failed" && return 1; }
}

up_enrol() {
    local host role
    for host in $(host_names); do
        role=compute
        [ "$host" != gate ] || role=proxy
        step "$host" 'enrol it' "$(host_dir "$host")/log" "$(dogwatch)" host add "root@$(net_address "$host")" --name "$host" \
            --identity "$KEY" --accept-host-key "$(host_fingerprint "$host")" --roles "$role" --fleet "$FLEET" --state "$STATE" || return
    done
}

up_failed() {
    trap - EXIT
    trap '' INT TERM
    if [ "$KEEP_BROKEN" = yes ]; then
        say "left as it is, because of --keep-broken: $LAB"
        exit 1
    fi
    say "taking down what was made (--keep-broken keeps it)"
    # the host workers first, so that nothing is made while it is removed
    # shellcheck disable=SC2046
    kill $(jobs -p) 2>/dev/null
    wait
    down
    exit 1
}

verb_down() {
    [ "$(id -u)" = 0 ] || die 'only root can take a lab down'
    lock_lab
    down
}

# Every part looks for itself at what is there, so that this works on a half-made lab and on none.
down() {
    local failed=0
    engine_end
    cgroup_end || failed=1
    net_down || { say "interface $TAG stays" && failed=1; }
    [ "$KEEP" = yes ] && return $failed
    # lazily: our own lock is a descriptor on it
    ! mountpoint -q "$LAB" || umount -l "$LAB"
    rm -rf --one-file-system "$LAB" || failed=1
    rmdir "$LAB_ROOT" 2>/dev/null
    return $failed
}

# An engine on this lab's state ends with the lab. The pid in its lock file is believed only if that process has the file open.
engine_end() {
    local pid
    pid=$(head -c 20 "$STATE/engine.lock" 2>/dev/null | grep -oE '^[0-9]+') || return 0
    engine_holds "$pid" || return 0
    kill -TERM "$pid"
    wait_for 10 engine_gone "$pid" || kill -KILL "$pid"
    wait_for 5 engine_gone "$pid" || say "the engine ($pid) does not end"
}
engine_holds() {
    local fd
    for fd in /proc/"$1"/fd/*; do [ "$fd" -ef "$STATE/engine.lock" ] && return; done
    return 1
}
engine_gone() { ! engine_holds "$1"; }

verb_status() {
    local host
    need_lab
    [ -e "$LAB/ready" ] || say "lab '$LAB_NAME' is half made"
    for host in $(host_names); do
        printf '%-8s %-15s cable %-5s sshd %-9s %s\n' "$host" "$(net_address "$host")" \
            "$(net_is_cut "$host" && echo cut || echo in)" "$(sshd_state "$host")" "$(host_engine "$host")"
        host_run "$host" sh -c 'case $1 in proxy) cat /etc/haproxy/sites.d/* /etc/nginx/dogwatch/* 2>/dev/null | grep -v "^}" ;;
            *) "$1" ps -a --format "{{.Names}}  {{.Status}}  {{.Ports}}" | sed "s/^/  /" ;; esac' - "$(host_engine "$host")" 2>&1 ||
            echo '  not running'
    done
}
sshd_state() {
    # shellcheck disable=SC2016
    host_run "$1" sh -c 'state=$(sed "s/.*) //; s/ .*//" "/proc/$(cat /run/sshd.pid)/stat") || exit
        [ "$state" = T ] && echo stopped || echo running' 2>/dev/null || echo 'not there'
}

verb_env() {
    local host
    need_lab
    printf '%s=%q\n' LAB_NAME "$LAB_NAME" LAB_DIR "$LAB" FLEET "$FLEET" STATE "$STATE" SOCKET "$STATE/engine.sock" LAB_KEY "$KEY" \
        LAB_HOSTS "$(host_names | tr '\n' ' ' | sed 's/ $//')" LAB_GATE "$(net_address gate)" LAB_INTERFACE "$TAG"
    for host in $(host_names); do
        printf 'LAB_ADDRESS_%s=%q\nLAB_FINGERPRINT_%s=%q\n' "$host" "$(net_address "$host")" "$host" "$(host_fingerprint "$host")"
    done
}

verb_list() {
    local dir
    for dir in "$LAB_ROOT"/*/; do [ ! -e "$dir/names" ] || basename "$dir"; done
}

verb_exec() {
    need_host "$1"
    host_exec "$@"
}
verb_cut() { need_host "$1" && net_cut "$1"; }
verb_heal() { need_host "$1" && net_heal "$1"; }
verb_stop_sshd() { need_host "$1" && host_signal_sshd "$1" STOP; }
verb_cont_sshd() { need_host "$1" && host_signal_sshd "$1" CONT; }
verb_rekey() { need_host "$1" && host_rekey "$1"; }
verb_part() { need_host "$1" && need_host "$2" && net_part "$1" "$2"; }
verb_join() { need_host "$1" && need_host "$2" && net_join "$1" "$2"; }
verb_fingerprint() { need_host "$1" && host_fingerprint "$1"; }

# Where the site runs: many files, or a few big ones, that do not compress and are not sparse.
verb_fill() { # SITE VOLUME FILES BYTES
    local host
    need_lab
    [[ $3 =~ ^[1-9][0-9]*$ && $4 =~ ^[1-9][0-9]*$ ]] || misuse "fill takes numbers of files and bytes, not '$3' and '$4'"
    for host in $(host_names); do
        [ "$(host_engine "$host")" != proxy ] && host_run "$host" /opt/lab/fill "$@" && return
    done
    die "no host runs $1, or it has no volume $2"
}

verb_reboot() {
    need_lab
    host_names | grep -qxF -- "$1" || die "lab '$LAB_NAME' has no host '$1'"
    lock_lab
    host_reboot "$1"
}
