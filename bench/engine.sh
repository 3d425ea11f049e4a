#!/bin/bash
# What the engine and an open console cost for a real fleet: the lab's four hosts, sampled every 10 s and every 2 s, with logs
# followed. CPU is of one core; memory is resident. Environment: BENCH_SECONDS (60).
set -u
cd "$(dirname "$0")/.." || exit 2
build=${DOGWATCH_BUILD:-$PWD/build}
seconds=${BENCH_SECONDS:-60}
export DOGWATCH=$build/dogwatch
engine='' console=''
finish() {
    [ -z "$console" ] || tmux -L bench-engine kill-server 2>/dev/null
    [ -z "$engine" ] || { kill "$engine" && wait "$engine"; } 2>/dev/null
    tests/lab/lab down --name bench-engine >/dev/null
}
ticks() { sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'; }
measure() { # PID: CPU per cent over the time, resident KB
    local before after
    before=$(ticks "$1")
    sleep "$seconds"
    after=$(ticks "$1")
    awk -v used=$((after - before)) -v hz="$(getconf CLK_TCK)" -v over="$seconds" -v kb="$(awk '/^VmRSS/ { print $2 }' "/proc/$1/status")" \
        'BEGIN { printf "%.2f %% of a core, %.1f MB", 100 * used / hz / over, kb / 1024 }'
}

for interval in 10 2; do
    tests/lab/lab up --name bench-engine --interval ${interval}s >/dev/null
    case $? in
    0) trap finish EXIT ;;
    77) echo "engine: skipped, no lab can be made here" && exit 0 ;;
    *) exit 1 ;;
    esac
    eval "$(tests/lab/lab env --name bench-engine)"
    "$DOGWATCH" engine --fleet "$FLEET" --state "$STATE" 2>/dev/null &
    engine=$!
    for _ in $(seq 200); do
        [ "$("$DOGWATCH" --report hosts --state "$STATE" --format json 2>/dev/null | jq '[.rows[] | select(.state == "up")] | length')" = 4 ] && break
        sleep 0.2
    done
    echo "engine: 4 hosts, 6 containers, every $interval s, over $seconds s: $(measure "$engine")"
    tmux -L bench-engine -f /dev/null new-session -d -x 140 -y 45 "$DOGWATCH" --fleet "$FLEET" --state "$STATE"
    sleep 2
    console=$(tmux -L bench-engine list-panes -F '#{pane_pid}')
    echo "console on it, 140x45, nobody presses a key: $(measure "$console")"
    finish
    engine='' console=''
done
