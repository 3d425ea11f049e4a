#!/bin/bash
# A site that was broken into is cut off within a second, whatever it tries; what it was doing is kept; and it comes back as
# it was.
. "$(dirname "$0")/lib/testing.sh"
. "$(dirname "$0")/lib/moving.sh"
lab_begin
start_engine || { echo "not ok engine: $why"; exit 1; }
HERE=${LAB_GATE%.*}.1
EAR=$((20000 + $$ % 10000)) # several labs may be tested at once

inside() { # HOST CONTAINER COMMAND…: in the network of the container, whatever state it is in
    local host=$1 pid
    pid=$(lab exec "$host" "$(host_engine "$host")" inspect -f '{{.State.Pid}}' "$2") || return
    shift 2
    [ "$pid" -gt 0 ] && lab exec "$host" nsenter -t "$pid" -n "$@"
}
ip_of() { lab exec "$1" podman inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$2"; } # HOST CONTAINER
fetches() { inside "$1" "$2" curl -s -m 2 -o /dev/null "$3"; } # HOST CONTAINER URL
listen() { "$BUILD/tests/listen" $EAR >"$scratch/heard" & ear=$!; }
heard() { kill -TERM $ear && wait $ear; jq -r "$1" "$scratch/heard"; }
# from inside the container itself, all the time, by UDP and over one connection
talk() { # CONTAINER
    lab exec mosh01 podman exec -d "$1" /bin/coop-ledger talk "$HERE" $EAR >/dev/null
    lab exec mosh01 podman exec -d "$1" sh -c "while :; do echo tick; usleep 5000; done | nc $HERE $EAR" >/dev/null
    wait_for 10 "the container talks" eval "ss -Htn state established '( sport = :$EAR )' | grep -q ."
}
is_contained() { # HOST CONTAINER NEIGHBOUR: neither out, nor to its neighbour, nor the neighbour to it
    local own neighbour
    own=$(ip_of "$1" "$2") neighbour=$(ip_of "$1" "$3")
    listen
    why="$2 reaches this machine" && ! inside "$1" "$2" timeout 2 bash -c "echo out >/dev/tcp/$HERE/$EAR" 2>/dev/null &&
        why="$2 reaches its neighbour" && ! fetches "$1" "$2" "http://$neighbour:8082/" 2>/dev/null &&
        why="its neighbour reaches $2" && ! fetches "$1" "$3" "http://$own:8085/" 2>/dev/null
    local result=$? bytes
    bytes=$(heard .bytes)
    [ $result = 0 ] && why="$bytes bytes came out" && [ "$bytes" = 0 ]
}
picture() { # of all that an isolation touches
    lab exec mosh01 sh -c 'podman inspect ledger.example-ledger | jq -S "[.[] | {State: (.State | {Status, Pid, StartedAt, Paused}), HostConfig, NetworkSettings, Mounts}]"
        nft list tables netdev 2>/dev/null; ls /var/lib/dogwatch/sites/*.mark 2>/dev/null; find /usr/share/containers/oci -type f 2>/dev/null'
    lab exec gate sh -c 'cat /etc/haproxy/sites.map; find /etc/haproxy/sites.d -type f | sort | xargs cat'
    for_proxy 'show map /etc/haproxy/sites.map' | cut -d ' ' -f 2-
}

test_the_lab_is_ready() {
    wait_for 30 "sites running" sites_known && wait_for 20 "the ledger answers" answers ledger.example &&
        append ledger.example 11 && why="control: the neighbour is not reached before" &&
        fetches mosh01 ledger.example-ledger "http://$(ip_of mosh01 kleingarten.example-web):8082/" &&
        fetches mosh01 kleingarten.example-web "http://$(ip_of mosh01 ledger.example-ledger):8085/"
}
# Sets $last_ms: when the last datagram, or the last of a connection, came after it was asked for.
isolate_while_it_talks() {
    local asked result said last_datagram last_bytes
    listen
    talk ledger.example-ledger || return 1
    asked=$(date +%s%6N)
    act isolate ledger.example
    result=$? said=$why
    last_datagram=$(heard .last_datagram_us)
    last_bytes=$(jq -r .last_bytes_us "$scratch/heard")
    why=$said
    [ $result = 0 ] && why="control: nothing came at all" && [ "$last_datagram" -gt 0 ] && [ "$last_bytes" -gt 0 ] || return 1
    last_ms=$(((last_datagram > last_bytes ? last_datagram : last_bytes) / 1000 - asked / 1000))
}
# other work on this machine makes it longer, never shorter: the best of three counts
test_nothing_gets_out_a_second_after_it_is_asked_for() {
    local last_ms said='' tries
    picture >"$scratch/before"
    for tries in 1 2 3; do
        [ $tries = 1 ] || act release ledger.example || return 1
        isolate_while_it_talks || return 1
        said+="$last_ms ms "
        [ $last_ms -ge 1000 ] || break
    done
    echo "containment: the last came ${said}after it was asked for" >"$scratch/figures"
    why=$(cat "$scratch/figures")
    [ $last_ms -lt 1000 ]
}
test_neighbours_are_cut_off_and_live() {
    is_contained mosh01 ledger.example-ledger kleingarten.example-web && why="control: the neighbours do not reach one another" &&
        fetches mosh01 kleingarten.example-web "http://$(ip_of mosh01 example.org-web):8080/" && why="other sites suffer" && answers kleingarten.example
}
test_visitors_get_the_notice() { noticed ledger.example; }
test_it_is_marked_everywhere() {
    wait_for 10 "the sites report" has_row sites '.site == "ledger.example" and .state == "quarantined"' &&
        why=$(dog site where ledger.example 2>&1) && grep -qi quarantined <<<"$why" || grep -qi quarantined <<<"$why" &&
        why="its mark is $(mark_on ledger.example mosh01)" && [ "$(mark_on ledger.example mosh01)" = quarantined ]
}
test_other_actions_are_refused() {
    local verb
    for verb in restart stop start "migrate --to mosh02"; do
        # shellcheck disable=SC2086
        set -- $verb
        refused quarantine "$1" ledger.example "${@:2}" || return 1
    done
}
test_starting_it_by_hand_does_not_let_it_out() {
    lab exec mosh01 podman unpause ledger.example-ledger >/dev/null 2>&1
    is_contained mosh01 ledger.example-ledger kleingarten.example-web || return 1
    lab exec mosh01 podman pause ledger.example-ledger >/dev/null 2>&1
    local other=mosh01
    lab exec $other podman restart -t 1 kleingarten.example-web >/dev/null 2>&1 # others may
    wait_for 10 "a neighbour may start" answers kleingarten.example
}
evidence() { dog evidence list --json | jq -r "[.. | objects | select(.site? == \"$1\")] | last | .name // .id // .evidence"; } # SITE
test_evidence_is_here_and_good() {
    local name dir
    name=$(evidence ledger.example)
    why="evidence: $name: $(dog evidence verify "$name" 2>&1)"
    dog evidence verify "$name" >/dev/null 2>&1 || return 1
    dir=$STATE/evidence/$name
    why="no memory, sockets or volume in $(cd "$dir" && find . -type f | head -n 50 | tr '\n' ' ')"
    find "$dir" -type f | grep -q sock && find "$dir" -type f | grep -q mem && find "$dir" -type f | grep -q volume
}
test_evidence_that_was_changed_is_found() {
    local name dir file
    name=$(evidence ledger.example) dir=$STATE/evidence/$name
    for file in $(cd "$dir" && find . -type f -size +0 | sort | awk 'NR % 7 == 1' | head -n 4); do
        cp -p "$dir/$file" "$scratch/original"
        printf x | dd of="$dir/$file" bs=1 seek=0 conv=notrunc status=none
        cmp -s "$dir/$file" "$scratch/original" && printf y | dd of="$dir/$file" bs=1 conv=notrunc status=none
        why="a changed byte in $file was not found"
        ! dog evidence verify "$name" >/dev/null 2>&1 || return 1
        cp -p "$scratch/original" "$dir/$file"
    done
    why="as it was, it is not good: $(dog evidence verify "$name" 2>&1)"
    dog evidence verify "$name" >/dev/null 2>&1
}
test_release_restores_what_was() {
    act release ledger.example || return 1
    lives_on ledger.example mosh01 && append ledger.example 12 && picture >"$scratch/after"
    why="not as it was: $(diff "$scratch/before" "$scratch/after" | head -n 8 | tr "\n" " ")"
    cmp -s "$scratch/before" "$scratch/after" && why="its book is not whole" && book ledger.example | grep -qx 11 && book ledger.example | grep -qx 12 && nothing_left
}
test_a_stalled_connection_does_not_resume() {
    listen
    talk ledger.example-ledger || return 1
    act isolate ledger.example || { heard .bytes >/dev/null; return 1; }
    heard .bytes >/dev/null
    listen
    act release ledger.example
    local result=$? said=$why bytes
    bytes=$(heard .bytes)
    why=$said
    [ $result = 0 ] && why="$bytes bytes came over the old connection" && [ "$bytes" = 0 ]
}
test_it_survives_a_reboot_of_the_host() {
    act isolate ledger.example || return 1
    lab reboot mosh01 >/dev/null 2>&1
    wait_for 60 "its neighbours run" answers kleingarten.example && wait_for 30 "mosh01 up" all_up || return 1
    why="it runs after the reboot: $(running_on ledger.example)"
    [ -z "$(running_on ledger.example)" ] || is_contained mosh01 ledger.example-ledger kleingarten.example-web || return 1
    lab exec mosh01 podman start ledger.example-ledger >/dev/null 2>&1
    [ -z "$(running_on ledger.example)" ] || is_contained mosh01 ledger.example-ledger kleingarten.example-web || return 1
    noticed ledger.example && why="marked $(mark_on ledger.example mosh01)" && [ "$(mark_on ledger.example mosh01)" = quarantined ] &&
        refused quarantine restart ledger.example
}
test_release_after_the_reboot_brings_it_back() {
    act release ledger.example && wait_for 30 "it lives" lives_on ledger.example mosh01 && why="its book is not whole" && book ledger.example | grep -qx 12 && nothing_left
}
direct() { curl -s -m 2 -o /dev/null "http://$LAB_ADDRESS_mosh03:8084/"; }
test_the_same_on_docker() {
    why="control" && direct || return 1
    act isolate tuinder.example || return 1
    why="it answers still" && ! direct && noticed tuinder.example || return 1
    lab exec mosh03 docker unpause tuinder.example-web >/dev/null 2>&1
    lab exec mosh03 docker restart -t 1 tuinder.example-web >/dev/null 2>&1
    why="restarted by hand it answers" && ! direct && refused quarantine restart tuinder.example || return 1
    lab reboot mosh03 >/dev/null 2>&1
    wait_for 60 "mosh03 up" all_up && why="after a reboot it answers" && ! direct && noticed tuinder.example || return 1
    act release tuinder.example && wait_for 30 "it lives" lives_on tuinder.example mosh03 && why="policy: $(lab exec mosh03 docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' tuinder.example-web)" &&
        [ "${why#policy: }" = always ] && nothing_left
}
# Somebody started a second copy elsewhere: both are cut off, each with evidence of its own, and each comes back.
site=kleingarten.example
second_copy() {
    lab exec mosh02 podman run -d --name $site-web --hostname web --restart always --label dogwatch.site=$site --label dogwatch.container=web \
        --publish 8082:8082 --user 2042:2042 --read-only --env SITE=$site --env PORT=8082 --volume $site-data:/var/www localhost/coop/web:1 >/dev/null 2>&1 &&
        wait_for 20 "the conflict" has_row sites ".site == \"$site\" and .state == \"conflict\""
}
served_by() { curl -s -m 2 -o /dev/null "http://$(address_of "$1"):8082/"; } # HOST
evidence_of() { dog evidence list --json | jq -r --arg h "$1" "[.. | objects | select(.site? == \"$site\" and .host? == \$h)] | last | .name"; } # HOST
test_a_site_on_two_hosts_is_isolated_on_both() {
    local host name key
    second_copy && why="control: not served by both" && served_by mosh01 && served_by mosh02 && act isolate $site && noticed $site || return 1
    for host in mosh01 mosh02; do
        why="served by $host still" && ! served_by $host && why="marked $(mark_on $site $host) on $host" && [ "$(mark_on $site $host)" = quarantined ] || return 1
        name=$(evidence_of $host) key=LAB_FINGERPRINT_$host
        why="evidence of $host: $name: $(dog evidence verify "$name" 2>&1)"
        dog evidence verify "$name" --json | jq -e --arg h $host --arg k "${!key}" '.. | objects | select(.host? == $h) | .good and .fingerprint == $k' >/dev/null || return 1
        why="it is not shown as of $host"
        dog evidence show "$name" | grep -q $host || return 1
    done
    why="one for both hosts"
    [ "$(evidence_of mosh01)" != "$(evidence_of mosh02)" ]
}
test_evidence_of_one_of_the_hosts_can_be_fetched_again() {
    local kept name
    kept=$(evidence_of mosh01) name=$(evidence_of mosh02)
    why=$(dog evidence remove "$name" --yes 2>&1) && why="it is still there" && [ ! -e "$STATE/evidence/$name" ] &&
        why=$(dog evidence pull $site --host mosh02 2>&1) && why=$(dog evidence verify "$name" 2>&1) && why=$(dog evidence verify "$kept" 2>&1)
}
test_release_lets_both_go() {
    local host
    act release $site || return 1
    for host in mosh01 mosh02; do
        why="not served by $host" && served_by $host && why="marked $(mark_on $site $host) on $host" && [ "$(mark_on $site $host)" = none ] || return 1
    done
    lab exec mosh02 sh -c "podman rm -f -t 1 $site-web && podman volume rm $site-data" >/dev/null 2>&1
    wait_for 20 "the conflict is over" has_row sites ".site == \"$site\" and .state == \"running\"" && lives_on $site mosh01 && nothing_left
}
test_the_audit_chain_holds() {
    why=$(dog audit verify 2>&1)
}

run_tests
result=$?
[ ! -s "$scratch/figures" ] || cat "$scratch/figures"
exit $result
