#!/bin/bash
# A site that was stopped stays stopped, through a reboot and whoever starts it by hand, says so to its visitors, and comes
# back whole.
. "$(dirname "$0")/lib/testing.sh"
. "$(dirname "$0")/lib/moving.sh"
lab_begin
start_engine || { echo "not ok engine: $why"; exit 1; }

is_stopped() { # SITE HOST
    why="$1 runs on $(running_on "$1")"
    [ -z "$(running_on "$1")" ] && why="$1 is marked $(mark_on "$1" "$2") on $2" && [ "$(mark_on "$1" "$2")" = stopped ]
}

test_the_lab_is_ready() {
    wait_for 30 "sites running" sites_known && wait_for 20 "the ledger answers" answers ledger.example && append ledger.example 5
}
test_a_dry_run_changes_nothing() {
    picture_of_all >"$scratch/before"
    why=$(dog stop ledger.example --dry-run) || return 1
    picture_of_all >"$scratch/after"
    why="changed: $(diff "$scratch/before" "$scratch/after" | head -n 8 | tr "\n" " ")"
    cmp -s "$scratch/before" "$scratch/after"
}
test_a_stopped_site_shows_the_notice() {
    act stop ledger.example && is_stopped ledger.example mosh01 && noticed ledger.example &&
        wait_for 15 "the sites report" has_row sites '.site == "ledger.example" and .state == "stopped"' && nothing_left stopped
}
test_stop_works_on_docker() {
    act stop tuinder.example && is_stopped tuinder.example mosh03 && noticed tuinder.example
}
test_it_does_not_start_by_hand() {
    lab exec mosh01 podman start ledger.example-ledger >/dev/null 2>&1
    is_stopped ledger.example mosh01
}
test_it_does_not_start_by_hand_on_docker() {
    local said
    said=$(lab exec mosh03 docker start tuinder.example-web 2>&1) && { why="docker started it: $said"; return 1; }
    why="docker says: $said"
    grep -q 'dogwatch-refuses-the-start-of.tuinder.example' <<<"$said" && why="docker restarted it" &&
        ! lab exec mosh03 docker restart tuinder.example-web >/dev/null 2>&1 && is_stopped tuinder.example mosh03
}
test_a_restart_of_it_is_refused() { refused stopped restart ledger.example; }
test_it_does_not_start_at_boot() {
    lab reboot mosh01 >/dev/null 2>&1
    lab reboot mosh03 >/dev/null 2>&1
    wait_for 60 "other sites run" answers kleingarten.example && wait_for 60 "all up" all_up && wait_for 15 "docker answers" lab exec mosh03 docker ps &&
        is_stopped ledger.example mosh01 && is_stopped tuinder.example mosh03 && why="docker starts it by hand after a reboot" &&
        ! lab exec mosh03 docker start tuinder.example-web >/dev/null 2>&1 && is_stopped tuinder.example mosh03 && noticed ledger.example && noticed tuinder.example
}
test_start_brings_it_back() {
    act start ledger.example && lives_on ledger.example mosh01 && why="its book is not whole" && book ledger.example | grep -qx 5 &&
        append ledger.example 6 && nothing_left stopped
}
# shellcheck disable=SC2016
test_start_works_on_docker() {
    act start tuinder.example && lives_on tuinder.example mosh03 && why="policy: $(lab exec mosh03 docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' tuinder.example-web)" &&
        [ "${why#policy: }" = always ] && nothing_left && why="networks: $(lab exec mosh03 docker inspect -f '{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}' tuinder.example-web)" &&
        [ "$why" = "networks: bridge " ]
}
test_started_it_starts_at_boot_again() {
    lab reboot mosh01 >/dev/null 2>&1
    wait_for 60 "the ledger runs" answers ledger.example && wait_for 30 "mosh01 up" all_up && lives_on ledger.example mosh01
}
test_undo_of_a_stop_is_a_start() {
    act stop kleingarten.example && is_stopped kleingarten.example mosh01 && act undo "$(jq -r .job <<<"$out")" && lives_on kleingarten.example mosh01
}
test_the_audit_chain_holds() {
    why=$(dog audit verify 2>&1)
}

run_tests
