#!/bin/bash
# Whatever goes wrong while a site moves, in the end it runs exactly once, nothing that was acknowledged is lost, nothing of the
# job is left on any host, and the job says what happened.
#
# Faults come at each step of the plan, as `--dry-run --json` lists them: the engine killed before and after it, the link to
# the source, the target and the proxy cut before it. FAULTS=all: every one of them (make faults); else a choice, so that
# every kind of fault is tried. FAULTS="copy route": those steps. Other faults have a test each.
. "$(dirname "$0")/lib/testing.sh"
. "$(dirname "$0")/lib/moving.sh"
FAULTS=${FAULTS:-few}
SITE=ledger.example
CUT_S=4 # how long a link is cut
options=()
! has_btrfs || options=(--btrfs) # a file system that can be filled
lab_begin "${options[@]}"
FAULT_ENGINE=$BUILD/tests/engine
export DOGWATCH_FAULT_DIR=$scratch/fault
mkdir "$DOGWATCH_FAULT_DIR"
start_engine || { echo "not ok engine: $why"; exit 1; }

# --- one case ---------------------------------------------------------------------------------------------------------

# Where it is now, and where it goes: from case to case there and back, as a job that failed leaves it where it was.
set_ends() {
    from=$(running_on $SITE | head -n 1)
    to=mosh02
    [ "$from" != mosh02 ] || to=mosh01
}
fault() { # POINT
    rm -f "$DOGWATCH_FAULT_DIR"/*
    echo "$1" >"$DOGWATCH_FAULT_DIR/fault.new" && mv "$DOGWATCH_FAULT_DIR/fault.new" "$DOGWATCH_FAULT_DIR/fault"
}
fault_reached() { [ -e "$DOGWATCH_FAULT_DIR/reached" ]; }
fault_go() { touch "$DOGWATCH_FAULT_DIR/go"; }
engine_died() { ! kill -0 "$engine_pid" 2>/dev/null; }
# the fault's moment, or the job is over without it
fault_or_over() { fault_reached || job_over "$number"; }

# What is true after every fault. An engine is running.
settle_and_check() { # WHAT
    local what=$1 state where
    wait_for 180 "$what: job $number over" job_over "$number" || { why+=": $(job_says "$number")"; visitors_leave get; return 1; }
    state=$(job_state "$number")
    where=$from
    [ "$state" != done ] || where=$to
    wait_for 60 "$what: the gate answers" answers $SITE
    visitors_leave get
    wait_for 20 "$what ($state): settled" lives_on $SITE "$where" || { lives_on $SITE "$where"; why="$what: $why; $(job_says "$number")"; return 1; }
    none_lost $SITE get || { why="$what: $why; $(job_says "$number")"; return 1; }
    wait_for 20 "$what: nothing left" nothing_left kept || { nothing_left kept; why="$what: $why; $(job_says "$number")"; return 1; }
    why="$what: the job says nothing"
    [ "$(job_json "$number" | jq -r '.message // ""')" != "" ] || return 1
    echo "   $what: $state, $(seen get .failed) of $(seen get .sent) requests failed, worst $(seen get .worst_ms) ms; $(job_says "$number")" | cut -c 1-300 >>"$scratch/told"
}
start_move() { # OPTION…
    set_ends
    visitors get $SITE --rate 10 --timeout 90
    number=$(begin migrate $SITE --to "$to" "$@")
    [ -n "$number" ] || { why="no job began: $(dog migrate $SITE --to "$to" --dry-run 2>&1 | tail -n 3)"; visitors_leave get; return 1; }
}
kill_at() { # STEP before|after
    fault "$1 $2 kill"
    start_move || return 1
    wait_for 120 "the engine killed $2 $1" eval "engine_died || job_over $number" || { visitors_leave get; return 1; }
    if engine_died; then
        wait "$engine_pid" 2>/dev/null
        start_engine || return 1
    fi
    settle_and_check "engine killed $2 $1"
}
cut_at() { # STEP HOST
    fault "$1 before wait"
    start_move || return 1
    wait_for 120 "$1 reached" fault_or_over || { visitors_leave get; return 1; }
    lab cut "$2"
    fault_go
    read -r -t $CUT_S <> <(:) || true # the fault lasts so long
    lab heal "$2"
    settle_and_check "link to $2 cut before $1"
}

# --- the matrix -------------------------------------------------------------------------------------------------------

# the steps of the plan, each with its number among those of the same name
planned_steps() {
    set_ends
    dog migrate $SITE --to "$to" --dry-run --json | jq -r '.steps[].step' | awk '{ n[$0]++; print n[$0] == 1 ? $0 : $0 "#" n[$0] }'
}
is_wanted() { # STEP
    case $FAULTS in
    all) return 0 ;;
    few) return 1 ;;
    *) [[ " $FAULTS " == *" ${1%#*} "* ]] ;;
    esac
}
run_case() { # WORDS of the case: a result line of its own
    why=
    if "$@"; then
        echo "ok fault_$(tr ' #' '__' <<<"$*")"
    else
        failed=1
        echo "not ok fault_$(tr ' #' '__' <<<"$*"): $why"
        mend
    fi
}
# after a case that failed, so that the next one begins with a site that runs
mend() {
    local host
    for host in $LAB_HOSTS; do lab heal "$host" 2>/dev/null; done
    engine_died && start_engine
    wait_for 60 "a host runs it" eval "[ \"\$(running_on $SITE | wc -l)\" = 1 ]"
}
run_matrix() {
    local step host steps failed=0
    steps=$(planned_steps)
    why="no plan"
    [ "$(wc -l <<<"$steps")" -gt 8 ] || return 1
    for step in $steps; do
        is_wanted "$step" || continue
        run_case kill_at "$step" before
        run_case kill_at "$step" after
        set_ends
        for host in "$from" "$to" gate; do run_case cut_at "$step" "$host"; done
    done
    why="see above"
    return $failed
}

test_the_lab_is_ready() {
    wait_for 30 "sites running" sites_known && wait_for 20 "the ledger answers" answers $SITE
}
# one of each kind, at the steps where most can go wrong; the whole matrix by `make faults`
test_an_engine_killed_while_copying() { set_ends && kill_at copy after; }
test_an_engine_killed_while_visitors_wait() { kill_at last-pass before; }
test_an_engine_killed_after_the_route_was_switched() { kill_at route after; }
test_a_link_cut_to_the_target_while_visitors_wait() { set_ends && cut_at start "$to"; }
test_a_link_cut_to_the_proxy_at_the_switch() { cut_at route gate; }
test_every_fault_at_every_step() {
    [ "$FAULTS" != few ] || { skip="takes an hour: make faults"; return; }
    run_matrix
}

# --- faults that are not of steps -------------------------------------------------------------------------------------

# A program of a host fails or does more: COMMAND sees the arguments, and the real one is $real
shim() { # HOST PROGRAM SCRIPT
    lab exec "$1" sh -c 'mv "$1" "$1.real" && printf "#!/bin/bash\nreal=%s.real\n%s\nexec \$real \"\$@\"\n" "$1" "$2" >"$1" && chmod 755 "$1"' - "$2" "$3"
}
unshim() { lab exec "$1" sh -c '[ ! -e "$1.real" ] || mv -f "$1.real" "$1"' - "$2"; } # HOST PROGRAM
job_failed_saying() { # WORDS
    local state
    state=$(job_state "$number")
    why="the job is $state and does not say \"$1\": $(job_says "$number")"
    [ "$state" = failed ] && grep -qiE -- "$1" <<<"$(job_json "$number" | jq -r .message)"
}
move_with_shim() { # WHAT HOST PROGRAM SCRIPT WORDS
    shim "$2" "$3" "$4"
    start_move && settle_and_check "$1"
    local result=$? said=$why
    unshim "$2" "$3"
    why=$said
    [ $result = 0 ] && job_failed_saying "$5"
}
test_an_image_that_does_not_load() {
    set_ends
    visitors get $SITE --rate 10
    shim mosh03 /usr/bin/docker 'case " $* " in *" load "*) echo "no space left on device" >&2; exit 1 ;; esac'
    to=mosh03 number=$(begin migrate $SITE --to mosh03)
    settle_and_check "the image does not load"
    local result=$? said=$why
    unshim mosh03 /usr/bin/docker
    why=$said
    [ $result = 0 ] && job_failed_saying image
}
test_a_container_that_dies_right_after_its_start() {
    set_ends
    move_with_shim "the container dies" "$to" /usr/bin/podman 'case " $* " in *" start "*) $real "$@"; status=$?
        for last; do :; done; $real kill "$last" >/dev/null 2>&1; exit $status ;; esac' 'ended|exited|does not run|not running'
}
test_a_health_that_never_turns_good() {
    [ "$FAULTS" != few ] || { skip="takes a minute: make faults"; return; }
    set_ends
    lab exec "$to" iptables -t raw -I PREROUTING -p tcp --dport 8085 -j DROP
    start_move && settle_and_check "health never good"
    local result=$? said=$why
    lab exec "$to" iptables -t raw -D PREROUTING -p tcp --dport 8085 -j DROP
    why=$said
    [ $result = 0 ] && job_failed_saying 'health|answer|HTTP|timed out|connect'
}
test_a_proxy_that_is_reloaded_while_visitors_wait() {
    fault "last-pass before wait"
    start_move || return 1
    wait_for 60 "last-pass reached" fault_or_over
    # shellcheck disable=SC2016
    lab exec gate sh -c 'kill -USR2 "$(cat /run/haproxy.pid)"'
    fault_go
    settle_and_check "the proxy is reloaded" && why="requests failed: $(seen get '.failures[0:3]')" && [ "$(seen get .failed)" = 0 ] &&
        why="job $(job_says "$number")" && [ "$(job_state "$number")" = done ]
}
test_a_source_that_is_rebooted_after_it_was_stopped() {
    fault "last-pass before wait"
    start_move || return 1
    wait_for 60 "last-pass reached" fault_or_over
    lab reboot "$from" >/dev/null 2>&1
    fault_go
    settle_and_check "the source is rebooted"
}
test_a_source_that_is_rebooted_while_it_is_copied() {
    [ "$FAULTS" != few ] || { skip="another one is tried: make faults"; return; }
    fault "copy before wait"
    start_move || return 1
    wait_for 60 "copy reached" fault_or_over
    lab reboot "$from" >/dev/null 2>&1
    fault_go
    settle_and_check "the source is rebooted while copying"
}
test_a_target_whose_clock_is_wrong() {
    local helper=/usr/local/lib/dogwatch/dogwatch-host
    set_ends
    # shellcheck disable=SC2016
    shim "$to" $helper '[ "$1" = --role ] || exec $real "$@"
$real "$@" | perl -pe "BEGIN { \$| = 1 } s/\"epoch_us\":(\\d+)/q(\"epoch_us\":) . (\$1 + 7200e6)/ge"; exit'
    lab exec "$to" pkill -f 'dogwatch-host.* --role'
    wait_for 30 "hosts up again" all_up
    local said status
    said=$(dog migrate $SITE --to "$to" --dry-run 2>&1)
    dog migrate $SITE --to "$to" --yes --wait --reason "a test" >/dev/null 2>&1
    status=$?
    unshim "$to" $helper
    lab exec "$to" pkill -f 'dogwatch-host.* --role'
    wait_for 30 "hosts up again" all_up || return 1
    why="nothing is said of the clock (status $status): $said"
    grep -qi clock <<<"$said" || return 1
    [ $status = 0 ] || to=$from
    wait_for 20 "settled" lives_on $SITE "$to" && nothing_left kept
}
test_a_target_whose_disk_is_full() {
    has_btrfs || { skip="no btrfs on this machine"; return; }
    set_ends
    lab fill $SITE data 50 400000000 || { why="could not fill the volume"; return 1; }
    fault "copy before wait"
    start_move || return 1
    wait_for 60 "copy reached" fault_or_over
    # shellcheck disable=SC2016
    lab exec "$to" sh -c 'cd /var/lib/containers/storage/volumes && fallocate -l $(($(stat -f -c "%a * %S" .) - 150000000)) full'
    local full=$?
    fault_go
    settle_and_check "the target is full"
    local result=$? said=$why
    lab exec "$to" rm -f /var/lib/containers/storage/volumes/full
    why=$said
    [ $full = 0 ] || { why="could not make the disk full"; return 1; }
    [ $result = 0 ] && job_failed_saying 'space|full|room'
}
test_the_audit_chain_holds() {
    why=$(dog audit verify 2>&1)
}

run_tests
result=$?
[ -z "${VERBOSE:-}" ] || cat "$scratch/told"
exit $result
