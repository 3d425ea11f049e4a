#!/bin/bash
# The first action on real hosts: restart with plan, journal, gate, and an engine that dies in the middle.
. "$(dirname "$0")/lib/testing.sh"
lab_begin
start_engine || { echo "not ok engine: $why"; exit 1; }

started() { value containers 'select(.container == $a) | .started' "$1"; }
job() { report jobs | jq -c '.rows[0]'; }
job_is() { report jobs | jq -e --argjson n "$1" --arg s "$2" '.rows[] | select(.job == $n) | .state == $s'; }
job_ended() { report jobs | jq -e --argjson n "$1" '.rows[] | select(.job == $n) | .state != "running" and .state != "planned"'; }

test_the_lab_is_ready() {
    wait_for 30 "sites running" sites_known
}
test_a_dry_run_says_the_plan_and_changes_nothing() {
    local before after plan
    before=$(lab exec mosh01 podman inspect -f '{{.State.StartedAt}}' kleingarten.example-web)
    plan=$(dog restart kleingarten.example --dry-run) || { why="exit status $?"; return 1; }
    after=$(lab exec mosh01 podman inspect -f '{{.State.StartedAt}}' kleingarten.example-web)
    why="plan: $plan"
    [ "$before" = "$after" ] && grep -q 'mosh01: stop kleingarten.example-web' <<<"$plan" && grep -q 'undo: ' <<<"$plan" &&
        report jobs | jq -e '.rows | length == 0' >/dev/null
}
restart_works() { # SITE CONTAINER
    local before after
    before=$(started "$2")
    why=$(dog restart "$1" --yes --wait --reason "a test" 2>&1) || return 1
    after=$(started "$2")
    wait_for 15 "a new start of $2 (was $before, is $after)" eval "[ \"\$(started $2)\" '>' '$before' ]" &&
        report jobs | jq -e --arg s "$1" '.rows[0] | .state == "done" and .object == $s and .reason == "a test" and .progress_pct == 100' >/dev/null &&
        wait_for 15 "the timeline" has_row timeline '.kind == "container.restarted" or .kind == "container.started"'
}
test_restart_works_on_podman() { restart_works kleingarten.example kleingarten.example-web; }
# A gate that stays shut takes its minute. What it does is looked at below, other sites are tried meanwhile.
pages=/var/lib/containers/storage/volumes/kleingarten.example-data/_data
test_a_page_that_is_gone_keeps_the_gate_shut() {
    lab exec mosh01 mv $pages/index.html $pages/index.gone || return 1
    shut_said=$(mktemp)
    dog restart kleingarten.example --yes --wait >"$shut_said" 2>&1 &
    shut_pid=$!
    wait_for 30 "its job" has_row jobs '.object == "kleingarten.example" and .state == "running"'
}
test_restart_works_on_docker() { restart_works tuinder.example tuinder.example-web; }
test_restart_works_with_two_containers() {
    restart_works example.org example.org-web && wait_for 15 "both" has_row containers '.container == "example.org-app" and .state == "running"'
}
test_restart_of_a_discovered_site_works() { restart_works stray-cache stray-cache; }
test_json_has_the_steps() {
    local out
    out=$(dog restart chorus.example --yes --wait --json) || { why="exit status $?: $out"; return 1; }
    why=$out
    jq -e '.state == "done" and (.steps | length) >= 5 and all(.steps[]; .state == "done" and (.host == "mosh02" or .host == "gate") and .started != null and .ended != null and (.command | length) > 0) and any(.steps[]; .step == "restart" and .undo != null)' <<<"$out" >/dev/null
}
test_a_wrong_name_gets_the_nearest() {
    why=$(dog restart chorus.exmaple --yes 2>&1) && return 1
    grep -q 'did you mean "chorus.example"' <<<"$why"
}
test_without_a_terminal_and_yes_nothing_happens() {
    local before
    before=$(report jobs | jq '.rows | length')
    why=$(dog restart chorus.example </dev/null 2>&1) && return 1
    [ "$(report jobs | jq '.rows | length')" = "$before" ]
}
test_a_failed_gate_says_what_it_saw() {
    wait $shut_pid
    local status=$?
    why=$(cat "$shut_said")
    rm -f "$shut_said"
    lab exec mosh01 mv $pages/index.gone $pages/index.html
    [ $status = 1 ] && grep -q 'HTTP 404, wanted 200' <<<"$why" && grep -q 'dogwatch log --site kleingarten.example' <<<"$why" &&
        has_row jobs '.object == "kleingarten.example" and .state == "failed"' >/dev/null
}
test_the_lease_is_free_after_a_job() {
    why="a lease is left"
    ! lab exec mosh01 ls /var/lib/dogwatch/sites/ 2>/dev/null | grep -q '\.lease$'
}
# Kill the engine while a job runs, at several moments; whatever happened, in the end the job is over and the site runs.
test_an_engine_killed_in_the_middle_leaves_the_site_running() {
    local delay number
    for delay in 0.05 0.3 0.8 1.5 3; do
        number=$(dog restart chorus.example --yes --json | jq -r .job)
        read -r -t "$delay" <> <(:) || true
        kill_engine KILL
        start_engine || return
        wait_for 90 "job $number over (killed after $delay s)" job_ended "$number" &&
            wait_for 60 "chorus.example runs (killed after $delay s)" has_row sites '.site == "chorus.example" and .state == "running" and .age_s < 6' || return
    done
}
test_a_second_job_on_the_same_site_waits_for_the_first() {
    local first second
    first=$(dog restart example.org --yes --json | jq -r .job)
    second=$(dog restart example.org --yes --json | jq -r .job)
    wait_for 10 "job $second says what it waits for" has_job_message "$second" "waits for job $first" || return
    wait_for 60 "the first one done" job_is "$first" done && wait_for 60 "the second one done" job_is "$second" done
}
has_job_message() { dog job "$1" --json | jq -e --arg m "$2" '.message | contains($m)'; }
test_a_host_that_is_unknown_refuses_a_restart() {
    lab cut mosh02
    wait_for 10 "unknown" has_row hosts '.host == "mosh02" and .state == "unknown"'
    why=$(dog restart chorus.example --yes --wait 2>&1)
    local status=$?
    lab heal mosh02
    wait_for 30 "up" all_up
    [ $status != 0 ] && grep -q 'mosh02' <<<"$why"
}
test_the_audit_chain_holds() {
    why=$(dog audit verify 2>&1)
}

run_tests
