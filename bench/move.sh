#!/bin/bash
# What moving and restarting a site costs its visitors, part by part, beside the same parts done by hand in the same run: podman,
# rsync, btrfs and curl over ssh. The cut-off is stop + last pass + start + gate + route; with a proxy that can hold, visitors see
# it as the longest wait. A lab of its own ("bench-move"), taken down afterwards; skipped where none can be made.
set -u
LAB_TEST=bench-move
# shellcheck source=/dev/null
. "$(dirname "$0")/../tests/lab/lib/testing.sh"
. tests/lab/lib/moving.sh
. tests/lab/lib/byhand.sh
options=()
! has_btrfs || options=(--btrfs)
if ! tests/lab/lab up --name $LAB_TEST --interval 2s "${options[@]}" >"$scratch/up" 2>&1; then
    echo "move: skipped: $(sed -n '$s/^lab: //p' "$scratch/up")"
    rm -rf "$scratch"
    exit 0
fi
trap finish_lab EXIT
trap 'exit 130' INT TERM HUP
eval "$(lab env)"
start_engine && wait_for 30 "sites" sites_known || { echo "move: $why"; exit 1; }

part() { # LABEL OURS HAND
    awk -v label="$1" -v ours="$2" -v hand="${3:-}" 'BEGIN { printf "  %-32s %7.2f s", label, ours / 1000
        if (hand != "") printf " %9.2f s %7.2f", hand / 1000, (hand > 0 ? ours / hand : 0)
        print "" }'
}
hand() { jq ".${1}_ms // 0" <<<"$hand_json"; }
table() { # what was moved is in $out, by hand in $hand_json
    local sum
    sum=$(jq '.stop_ms + .last_pass_ms + .start_ms + .gate_ms + .route_ms' <<<"$hand_json")
    printf '%s\n  %-32s %9s %11s %7s\n' "$1" '' ours 'by hand' ratio
    part 'copies while it runs' "$(steps_ms "$out" copy)" "$(($(hand first_pass) + $(hand second_pass)))"
    part 'stop' "$(steps_ms "$out" stop)" "$(hand stop)"
    part 'last pass' "$(steps_ms "$out" last-pass)" "$(hand last_pass)"
    part 'start' "$(steps_ms "$out" start)" "$(hand start)"
    part 'gate' "$(steps_ms "$out" proof)" "$(hand gate)"
    part 'route' "$(steps_ms "$out" route unhold)" "$(hand route)"
    part 'cut-off, begin of stop to release' "$(cut_ms "$out")" "$sum"
    part 'longest wait of a visitor' "$(seen bench .worst_ms)"
    echo "  $(seen bench .failed) of $(seen bench .sent) requests failed"
}
# By hand first, from where the site lives to the other of mosh01 and mosh02, and back; then by dogwatch.
move() { # LABEL SITE PORT DRIVER
    local from to
    from=$(running_on "$2") to=mosh02
    [ "$from" != mosh02 ] || to=mosh01
    by_hand_move "$2" "$3" "$from" "$to" "$4" || { echo "$1: by hand: $why"; return 1; }
    wait_for 20 "the site is seen" has_row sites ".site == \"$2\" and .state == \"running\" and .host == \"$from\" and .age_s < 6"
    visitors bench "$2" --rate 20
    act migrate "$2" --to "$to"
    local result=$? said=$why
    visitors_leave bench
    [ $result = 0 ] || { echo "$1: $said"; return 1; }
    table "$1"
}
empty() { lab exec "$(running_on "$1")" sh -c "rm -rf /var/lib/containers/storage/volumes/$1-data/_data/fill"; }

restart_by_hand() { lab exec mosh02 podman restart -t 10 chorus.example-web; }
bench_restart() {
    hand_json='{}'
    ms_of restart restart_by_hand && ms_of gate hand_gate "$LAB_ADDRESS_mosh02" 8083 && wait_for 20 "seen" has_row sites '.site == "chorus.example" and .state == "running" and .age_s < 4' || return 1
    visitors bench chorus.example --rate 20 --path / --expect '<!doctype'
    act restart chorus.example
    local result=$?
    visitors_leave bench
    [ $result = 0 ] || { echo "restart: $why"; return 1; }
    printf '%s\n  %-32s %9s %11s %7s\n' 'restart of a site with a hold' '' ours 'by hand' ratio
    part 'stop and start' "$(steps_ms "$out" restart)" "$(hand restart)"
    part 'gate' "$(steps_ms "$out" gate)" "$(hand gate)"
    part 'longest wait of a visitor' "$(seen bench .worst_ms)"
    echo "  $(seen bench .failed) of $(seen bench .sent) requests failed"
}

failed=0
lab fill ledger.example data 20000 420000000
move 'migrate, dir, 20,000 files, 420 MB' ledger.example 8085 dir || failed=1
empty ledger.example
lab fill ledger.example data 4 1000000000
move 'migrate, dir, 4 files, 1 GB, idle' ledger.example 8085 dir || failed=1
if has_btrfs; then
    lab fill harbour.example data 4 1000000000
    move 'migrate, btrfs, 4 files, 1 GB, idle' harbour.example 8086 btrfs || failed=1
else
    echo 'migrate, btrfs: skipped, no btrfs on this machine'
fi
bench_restart || failed=1
exit $failed
