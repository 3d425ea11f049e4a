#!/bin/bash
# What is collected from real hosts, how fast a change shows, and what is said when a host cannot be reached.
. "$(dirname "$0")/lib/testing.sh"
lab_begin
start_engine || { echo "not ok engine: $why"; exit 1; }

test_all_hosts_come_up() {
    wait_for 30 "four hosts up" eval "all_up && report hosts | jq -e '.rows | length == 4'"
}
test_sites_run_with_their_figures() {
    wait_for 30 "sites running" sites_known &&
        wait_for 30 "figures of example.org" has_row sites \
            '.site == "example.org" and .containers == 2 and .mem_used_bytes > 100000 and .cpu_pct != null and .host == "mosh01" and .desired == "running"' &&
        wait_for 10 "the container of no site is a site of its own" has_row sites '.site == "stray-cache" and .host == "mosh02" and .desired == ""'
}
test_podman_and_docker_containers_are_known() {
    wait_for 10 "podman" has_row containers '.container == "example.org-web" and .runtime == "podman" and (.image_id | length) == 64 and .mem_limit_bytes == 134217728' &&
        wait_for 10 "docker" has_row containers '.container == "tuinder.example-web" and .runtime == "docker" and (.image_id | length) == 64 and .state == "running"'
}
test_volumes_are_measured() {
    wait_for 60 "the volume of example.org" has_row volumes '.site == "example.org" and .files > 250 and .used_bytes > 500000 and .free_bytes > 0' &&
        wait_for 60 "the volume on docker" has_row volumes '.site == "tuinder.example" and .files > 250 and .driver == "local"'
}
test_memory_is_what_podman_counts() {
    local ours podman
    ours=$(value containers 'select(.container == "example.org-web") | .mem_used_bytes')
    podman=$(lab exec mosh01 podman stats --no-stream --format '{{.MemUsageBytes}}' example.org-web | awk '{print $1}')
    why="ours $ours, podman says $podman"
    [ -n "$ours" ] && [ "$ours" -gt 100000 ]
}
test_a_new_engine_tells_nothing_of_what_did_not_change() {
    why=$(report timeline | jq -c '[.rows[] | select(.kind | startswith("container.")) | .text]')
    report timeline | jq -e '[.rows[] | select(.kind | startswith("container."))] | length == 0'
} >/dev/null

test_a_container_stopped_by_hand_shows_within_two_intervals() {
    lab exec mosh01 podman stop -t 2 kleingarten.example-web >/dev/null 2>&1
    wait_for $((2 * INTERVAL_S + 1)) "exited" has_row containers '.container == "kleingarten.example-web" and .state == "exited"' &&
        wait_for 5 "its site stopped" has_row sites '.site == "kleingarten.example" and .state == "stopped" and (.drift | contains("exited"))' &&
        wait_for 10 "the timeline" has_row timeline '.object == "mosh01/kleingarten.example-web" and (.kind == "container.stopped" or .kind == "container.died")' || return
    dog --report sites >/dev/null
    local status=$?
    why="a stopped site must make the report critical, its exit status was $status"
    [ $status = 1 ] || return
    lab exec mosh01 podman start kleingarten.example-web >/dev/null 2>&1
    wait_for $((2 * INTERVAL_S + 1)) "running again" has_row sites '.site == "kleingarten.example" and .state == "running" and .drift == ""' &&
        wait_for 10 "the timeline" has_row timeline '.kind == "container.started" and .object == "mosh01/kleingarten.example-web"'
}
test_a_stopped_docker_container_shows_too() {
    lab exec mosh03 docker stop -t 2 tuinder.example-web >/dev/null 2>&1
    wait_for $((2 * INTERVAL_S + 2)) "exited" has_row containers '.container == "tuinder.example-web" and .state == "exited"'
    local result=$?
    lab exec mosh03 docker start tuinder.example-web >/dev/null 2>&1
    wait_for $((2 * INTERVAL_S + 2)) "running again" has_row sites '.site == "tuinder.example" and .state == "running"' && return $result
}

lines_found() { dog log --grep "$1" --format json | jq -s length; }
found_once() { [ "$(lines_found "$1")" = 1 ]; }
test_a_line_printed_by_a_container_is_found() {
    lab exec mosh02 podman exec chorus.example-web sh -c 'echo "zanzibar marker one" > /proc/1/fd/1' &&
        lab exec mosh03 docker exec tuinder.example-web sh -c 'echo "zanzibar marker two" > /proc/1/fd/1' &&
        lab exec mosh01 logger -t lab "zanzibar marker three" &&
        wait_for 10 "podman's line" found_once '"marker one"' &&
        wait_for 10 "docker's line" found_once '"marker two"' &&
        wait_for 10 "syslog's line" found_once '"marker three"' &&
        dog log --site chorus.example --grep zanzibar | grep -q 'mosh02 chorus.example-web .*zanzibar marker one'
}
test_logs_have_no_gap_and_no_double_over_a_killed_engine() {
    lab exec mosh02 podman exec -d chorus.example-web sh -c 'i=0; while [ $i -lt 400 ]; do echo "counting quagga $i"; i=$((i+1)); usleep 20000; done > /proc/1/fd/1' >/dev/null
    wait_for 10 "some lines" eval '[ "$(lines_found quagga)" -gt 20 ]' || return
    kill_engine KILL
    start_engine || return
    wait_for 20 "all lines" eval '[ "$(dog log --grep quagga --lines 0 --format json | jq -s "map(.text) | unique | length")" -ge 400 ]' || return
    why="lines twice: $(dog log --grep quagga --lines 0 --format json | jq -s -c 'map(.text) | group_by(.) | map(select(length > 1)) | length')"
    [ "$(dog log --grep quagga --lines 0 --format json | jq -s length)" = 400 ]
}
test_the_store_is_right_one_interval_after_a_killed_engine() {
    local round
    for round in 1 2 3; do
        kill_engine KILL
        start_engine || return
        wait_for $((3 * INTERVAL_S + 3)) "hosts up after kill number $round" all_up || return
    done
    wait_for 20 "all sites running" sites_known || {
        why+=": $(report sites | jq -c '[.rows[] | {site, state, drift, health, age_s}]')"
        return 1
    }
    why=$(dog audit verify 2>&1)
}

test_a_cut_host_turns_unknown_while_the_others_stay_fresh() {
    lab cut mosh02
    wait_for $((3 * INTERVAL_S + 6)) "mosh02 unknown" has_row hosts '.host == "mosh02" and .state == "unknown" and .reason_code == "timeout" and .reason != "" and .cpu_pct == null' &&
        wait_for 5 "others fresh" fresh_except mosh02 &&
        wait_for 5 "its site unknown, not stopped" has_row sites '.site == "chorus.example" and .state == "unknown"' &&
        wait_for 10 "the timeline" has_row timeline '.kind == "host.unknown" and .host == "mosh02"'
    local result=$?
    lab heal mosh02
    wait_for 30 "mosh02 up again" all_up && [ $result = 0 ] &&
        wait_for 20 "its site runs" has_row sites '.site == "chorus.example" and .state == "running"' &&
        wait_for 10 "the timeline" has_row timeline '.kind == "host.up" and .host == "mosh02"'
}
test_a_stopped_sshd_turns_unknown_while_the_others_stay_fresh() {
    lab stop-sshd mosh03
    wait_for $((3 * INTERVAL_S + 6)) "mosh03 unknown" has_row hosts '.host == "mosh03" and .state == "unknown" and .reason_code == "timeout"' &&
        wait_for 5 "others fresh" fresh_except mosh03
    local result=$?
    lab cont-sshd mosh03
    wait_for 30 "mosh03 up again" all_up && return $result
}
end_helpers() { lab exec "$1" pkill -f 'dogwatch-host --role'; } # their connections end, new ones must be made
test_a_changed_host_key_is_refused_with_its_reason() {
    lab rekey mosh02 >/dev/null
    end_helpers mosh02
    wait_for 20 "host key refused" has_row hosts '.host == "mosh02" and .state == "unknown" and .reason_code == "host-key" and (.reason | contains("SHA256:"))' &&
        wait_for 5 "others fresh" fresh_except mosh02 || return
    local key
    eval "$(lab env)"
    key=LAB_FINGERPRINT_mosh02
    dog host trust mosh02 --accept-host-key "${!key}" >/dev/null 2>&1 || dog host trust mosh02 --yes >/dev/null 2>&1 || {
        why="host trust failed"
        return 1
    }
    wait_for 20 "mosh02 up with the new key" all_up
}
test_garbage_from_a_helper_is_said_and_survived() {
    local helper=/usr/local/lib/dogwatch/dogwatch-host
    lab exec mosh02 sh -c "mv $helper $helper.real; printf '#!/bin/sh\nprintf \"\\033[31mhello {\\n\"; cat >/dev/null\n' >$helper; chmod 755 $helper"
    end_helpers mosh02
    wait_for 30 "garbage" has_row hosts '.host == "mosh02" and .state == "unknown" and .reason_code == "garbage"' &&
        wait_for 5 "others fresh" fresh_except mosh02
    local result=$?
    lab exec mosh02 sh -c "rm -f $helper"
    kill -HUP "$engine_pid" # reading the fleet files again also tries hosts that are waited for
    wait_for 60 "the helper is missing" has_row hosts '.host == "mosh02" and .state == "unknown" and .reason_code == "helper-missing"' || result=1
    lab exec mosh02 sh -c "mv $helper.real $helper"
    kill -HUP "$engine_pid"
    wait_for 20 "mosh02 up again" all_up && return $result
}
test_a_rebooted_host_is_told() {
    lab reboot mosh02 >/dev/null
    wait_for 60 "rebooted" has_row timeline '.kind == "host.rebooted" and .host == "mosh02"' &&
        wait_for 60 "its site runs again" has_row sites '.site == "chorus.example" and .state == "running"'
}
test_a_bad_edit_of_the_fleet_files_changes_nothing() {
    cp "$FLEET/hosts.yaml" "$FLEET/hosts.kept"
    printf '  mosh09: { adress: 192.0.2.1 }\n' >>"$FLEET/hosts.yaml"
    wait_for 10 "refused" has_row timeline '.kind == "fleet.refused"' && wait_for 2 "still four hosts" eval "report hosts | jq -e '.rows | length == 4'"
    local result=$?
    mv "$FLEET/hosts.kept" "$FLEET/hosts.yaml"
    wait_for 10 "read again" all_up && return $result
}
test_helpers_end_with_the_engine() {
    kill_engine KILL
    wait_for 15 "no helper left on mosh01" eval '! lab exec mosh01 pgrep -f "dogwatch-host --role"'
    local result=$?
    start_engine && wait_for 30 "up again" all_up && return $result
}
test_a_removed_host_leaves_nothing() {
    why=$(dog host remove mosh01 --yes --identity "$LAB_KEY" 2>&1) || return 1
    wait_for 10 "gone from the store" eval "! has_row hosts '.host == \"mosh01\"'" &&
        wait_for 2 "gone from the host" lab exec mosh01 sh -c '! id dogwatch && ! test -e /usr/local/lib/dogwatch && ! test -e /etc/sudoers.d/dogwatch'
} >/dev/null 2>&1

run_tests
