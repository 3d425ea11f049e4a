#!/bin/bash
# Behind nginx, which cannot let requests wait: the plan says what that costs, visitors lose no more than it says, no write that
# was acknowledged is lost, and notice pages and routes are as they are to be. Two hosts, so that both ends are known.
. "$(dirname "$0")/lib/testing.sh"
. "$(dirname "$0")/lib/moving.sh"
lab_begin --hosts 2 --proxy nginx
start_engine || { echo "not ok engine: $why"; exit 1; }

# every failure happened while the site was away: its request was under way between the beginning of the first and the end of the
# last of these steps
failed_only_during() { # NAME STEP…
    local name=$1 from to
    shift
    read -r from to < <(jq -r --args "$jq_us"'[.steps[] | select(.step as $s | $ARGS.positional | index($s))]
        | "\([.[].started | us] | min) \([.[].ended | us] | max)"' "$@" <<<"$out")
    why="$name: $(jq -c --argjson from "$from" --argjson to "$to" '[.failures[] | select(.at_us > $to or .at_us + .after_ms * 1000 < $from)] | "\(length) failed outside \($from)…\($to): \(.[0:3])"' "$scratch/$name")"
    jq -e --argjson from "$from" --argjson to "$to" '.ok > 0 and all(.failures[]; .at_us <= $to and .at_us + .after_ms * 1000 >= $from)' "$scratch/$name" >/dev/null
}
jq_us='def us: (.[0:19] + "Z" | fromdate) * 1000000 + (.[20:23] | tonumber) * 1000; '
says_the_cost() { # VERB SITE OPTION…: the plan
    why=$(dog "$@" --dry-run 2>&1) && grep -q 'nginx on gate cannot hold requests: its visitors get errors for about' <<<"$why"
}
# whom nginx leads a site to: its file, and what it says itself
led_to() { lab exec gate sed -n 's/^ *server \([0-9.:]*\);.*/\1/p' "/etc/nginx/dogwatch/$1.conf"; }
act_under_load() { # VERB OPTION…: on the ledger, with visitors there and at another site
    visitors get ledger.example --rate 30
    visitors other chorus.example --rate 20 --path / --expect '<!doctype'
    wait_for 5 "the first writes" eval 'book ledger.example | grep -q .'
    act "$1" "${@:2}"
    local result=$? said=$why
    visitors_leave get other
    echo "$1: $(seen get .failed) of $(seen get .sent) requests failed, $(seen get .gap_ms) ms without a good one; predicted: $(jq -r '.cut_ms // "–"' <<<"${plan:-null}")" >>"$scratch/figures"
    why=$said
    [ $result = 0 ] && why="the other site: $(seen other '.failures[0:3]')" && [ "$(seen other .failed)" = 0 ]
}

test_the_lab_is_ready() {
    wait_for 30 "sites running" sites_known && wait_for 20 "the ledger answers" answers ledger.example
}
test_a_migration_costs_visitors_no_more_than_the_plan_says() {
    says_the_cost migrate ledger.example --to mosh02 && plan=$(dog migrate ledger.example --to mosh02 --dry-run --json) || return 1
    act_under_load migrate ledger.example --to mosh02 || return 1
    jq -r .job <<<"$out" >"$scratch/moved"
    why="nginx leads to $(led_to ledger.example)"
    failed_only_during get stop last-pass start proof route && none_lost ledger.example get && lives_on ledger.example mosh02 && nothing_left kept &&
        why="nginx leads to $(led_to ledger.example)" && [ "$(led_to ledger.example)" = "$LAB_ADDRESS_mosh02:8085" ]
}
test_undo_brings_it_back_with_the_writes_since() {
    append ledger.example 987654321 || { why="could not write"; return 1; }
    plan=
    act_under_load undo "$(cat "$scratch/moved")" || return 1
    failed_only_during get stop last-pass start proof route && none_lost ledger.example get && lives_on ledger.example mosh01 && nothing_left kept &&
        why="the write after the move is lost" && book ledger.example | grep -qx 987654321
}
test_a_restart_costs_visitors_no_more_than_the_plan_says() {
    says_the_cost restart ledger.example && plan=$(dog restart ledger.example --dry-run --json) || return 1
    act_under_load restart ledger.example || return 1
    failed_only_during get restart && none_lost ledger.example get && lives_on ledger.example mosh01 && nothing_left kept
}
# also where nginx is started anew meanwhile
test_a_stopped_site_shows_the_notice_until_it_is_started() {
    act stop ledger.example && noticed ledger.example && why="other sites suffer" && answers chorus.example && why="nginx does not remember $LAB_ADDRESS_mosh01:8085" &&
        lab exec gate grep -q "$LAB_ADDRESS_mosh01:8085" /etc/nginx/dogwatch/ledger.example.conf || return 1
    lab reboot gate >/dev/null 2>&1
    wait_for 30 "other sites" answers chorus.example && noticed ledger.example && wait_for 30 "gate is up" all_up &&
        act start ledger.example && lives_on ledger.example mosh01 && nothing_left kept
}
test_an_isolated_site_shows_the_notice_until_it_is_released() {
    lab exec gate cat /etc/nginx/dogwatch/ledger.example.conf >"$scratch/before"
    act isolate ledger.example && noticed ledger.example && why="other sites suffer" && answers chorus.example &&
        act release ledger.example && lives_on ledger.example mosh01 && append ledger.example 12 && nothing_left kept || return 1
    lab exec gate cat /etc/nginx/dogwatch/ledger.example.conf >"$scratch/after"
    why="its file is not as it was: $(diff "$scratch/before" "$scratch/after" | tr '\n' ' ')"
    cmp -s "$scratch/before" "$scratch/after"
}
test_the_audit_chain_holds() {
    why=$(dog audit verify 2>&1)
}

run_tests
result=$?
[ ! -s "$scratch/figures" ] || cat "$scratch/figures"
exit $result
