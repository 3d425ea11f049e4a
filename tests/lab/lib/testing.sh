# shellcheck shell=bash
# What lab tests share: a lab of their own, an engine on it, waiting for conditions, and results as tests/run reads them
# ("ok NAME", "not ok NAME: why", "skip NAME: why"). A test is a function test_NAME; run_tests runs them in order.

set -u
SELF=$(readlink -f "$0")
cd "$(dirname "${BASH_SOURCE[0]}")/../../.." || exit 2
BUILD=${DOGWATCH_BUILD:-$PWD/build}
export DOGWATCH=$BUILD/dogwatch
LAB_TEST=${LAB_TEST:-t$$}
INTERVAL_S=2
engine_pid=

lab() { tests/lab/lab "$1" --name "$LAB_TEST" "${@:2}"; }
dog() { "$DOGWATCH" --fleet "$FLEET" --state "$STATE" "$@"; }
report() { dog --report "$@" --format json 2>/dev/null; }

# wait_for SECONDS WHAT COMMAND…: until the command succeeds; says what it waited for in vain
wait_for() {
    local deadline=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        if [ $SECONDS -ge $deadline ]; then
            why="waited in vain: $what"
            return 1
        fi
        read -r -t 0.2 <> <(:) || true
    done
}

# rows REPORT JQ-CONDITION…: is there a row like this?
has_row() { report "$1" | jq -e --arg a "${3:-}" --arg b "${4:-}" "any(.rows[]; $2)"; }
value() { report "$1" | jq -r --arg a "${3:-}" "[.rows[] | $2][0]"; }

start_engine() { # with FAULT_ENGINE, the one of tests/lab/fault_engine.c
    local command=("$DOGWATCH" engine)
    [ -z "${FAULT_ENGINE:-}" ] || command=("$FAULT_ENGINE")
    "${command[@]}" --fleet "$FLEET" --state "$STATE" 2>>"$STATE/engine.log" &
    engine_pid=$!
    wait_for 20 "the engine's socket" test -S "$SOCKET"
}
kill_engine() { # SIGNAL
    kill "-$1" "$engine_pid" 2>/dev/null
    wait "$engine_pid" 2>/dev/null
    engine_pid=
}
all_up() { report hosts | jq -e '(.rows | length) > 0 and all(.rows[]; .state == "up")'; }
sites_known() { report sites | jq -e '(.rows | length) >= 5 and all(.rows[]; .state == "running")'; }
fresh_except() { report hosts | jq -e --arg h "$1" 'all(.rows[] | select(.host != $h); .state == "up" and .age_s < 6)'; }

finish_lab() {
    local out status=$?
    ! declare -F end_moving >/dev/null || end_moving
    [ -z "$engine_pid" ] || kill_engine KILL
    out=$(lab down 2>&1) || { echo "not ok lab: it did not go down: $out" && status=1; }
    exit $status
}
test_names() { grep -o '^test_[a-z0-9_]*' "$SELF"; }

# lab_begin UP-OPTION…: where there can be no lab, every test of the program is skipped, with the reason
lab_begin() {
    local out status name
    out=$(mktemp)
    trap finish_lab EXIT
    trap 'exit 130' INT TERM HUP
    lab up --interval ${INTERVAL_S}s "$@" >"$out" 2>&1
    status=$?
    if [ $status = 77 ]; then
        for name in $(test_names); do echo "skip $name: $(sed -n '$s/^lab: //p' "$out")"; done
        trap - EXIT
    elif [ $status != 0 ]; then
        cat "$out"
        echo "not ok lab: it did not come up"
        status=1
    fi
    rm -f "$out"
    [ $status != 77 ] || exit 0
    [ $status = 0 ] || exit 1
    eval "$(lab env)"
}

# Every test_… function in the order of the file; ONLY=pattern runs some. One that sets `skip` (why) did not run.
run_tests() {
    local name failed=0
    for name in $(test_names); do
        [[ $name == ${ONLY:-*} ]] || continue
        why='' skip=''
        if "$name"; then
            [ -n "$skip" ] && echo "skip $name: $skip" || echo "ok $name"
        else
            failed=1
            echo "not ok $name: ${why:-see above}"
            [ -z "${VERBOSE:-}" ] || { report hosts; report sites; report jobs; report timeline; tail -n 20 "$STATE/engine.log"; } | cut -c1-2000
        fi
    done
    return $failed
}
