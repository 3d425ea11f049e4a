#!/bin/bash
# A container made with nearly every option there is goes from host to host and from engine to engine, and what comes
# out is read back: the definition of what was made of a definition is that definition. Asks the helper itself.
. "$(dirname "$0")/lib/testing.sh"
lab_begin --no-enrol
HELPER=/usr/local/lib/dogwatch/dogwatch-host
SITE=rich.example
JOB='"site":"'$SITE'","job":"7"'

# ask HOST VERB ARGUMENTS: the answer's "ok" in $answer; false, with its error in $why
ask() {
    local line='' in out pid
    coproc HELPING { lab exec "$1" $HELPER --role operator 2>/dev/null; }
    in=${HELPING[1]} out=${HELPING[0]} pid=$HELPING_PID
    printf '{"id":1,"verb":"hello","args":{"protocol":1,"version":"test"}}\n{"id":2,"verb":"%s","args":{%s}}\n' "$2" "$3" >&"$in"
    while read -r -t 120 line <&"$out"; do
        [[ $line != '{"id":2,"ok":'* && $line != '{"id":2,"error":'* ]] || break
    done
    exec {in}>&-
    wait "$pid"
    answer=$(jq -c .ok <<<"$line") why="$1 $2: $(jq -c .error <<<"$line")"
    [[ $line == '{"id":2,"ok":'* ]]
}

for host in mosh01 mosh02 mosh03; do
    lab exec $host sh -c "mkdir -p ${HELPER%/*}; cat >$HELPER; chmod 755 $HELPER" <"$BUILD/dogwatch-host"
done

# make_rich HOST ENGINE: what both engines take alike, values that shells and parsers like to break
make_rich() {
    lab exec "$1" sh -s "$2" <<'SCRIPT'
engine=$1
mkdir -p /srv/rich/conf
$engine network create backend >/dev/null
$engine network create --internal inner >/dev/null
$engine volume create --label dogwatch.site=rich.example --label team=blue rich-data >/dev/null
two_lines='line one
line "two" $HOME `id`'
[ "$engine" = docker ] && set -- --network backend --network-alias zed || set -- --network backend:alias=zed --network inner
$engine create --name rich-web --label dogwatch.site=rich.example --label dogwatch.container=web --label "odd=a b,c=d 'q' \"x\"" \
    --entrypoint /bin/sh --env "PEM=$two_lines" --env 'SECRET=s3cr=t"x$y' --env EMPTY= --env HOME=/nowhere --env my.dotted-name=1 \
    --volume rich-data:/data:ro --volume /srv/rich/conf:/conf --volume /anon --volume /etc/localtime:/etc/localtime:ro \
    --read-only --tmpfs /run:rw,noexec,size=64m,mode=1777 --tmpfs /x --sysctl net.core.somaxconn=512 --ulimit nofile=100:200 \
    --add-host a:192.0.2.4 --dns 192.0.2.1 --dns-search a.example --health-cmd 'true || [ 1 ]' --health-start-period 90s \
    --group-add 5 --cap-drop CHOWN --user 5:5 --workdir /tmp --stop-timeout 33 --stop-signal SIGINT \
    --security-opt no-new-privileges --oom-score-adj 100 --cpuset-cpus 0 --cpus 0.25 --publish 127.0.0.1:9001:90/udp --publish 9002:91 \
    --memory 64m --memory-swap -1 --restart on-failure:4 --log-opt max-size=5m "$@" localhost/coop/web:1 -c 'echo "a  b"; sleep 100' 'third  arg' >/dev/null
[ "$engine" != docker ] || docker network connect inner rich-web
$engine create --name rich-plain --label dogwatch.site=rich.example --no-healthcheck --network none --hostname plain localhost/coop/web:1 >/dev/null
SCRIPT
}
remove_rich() { # HOST ENGINE
    lab exec "$1" sh -s "$2" <<'SCRIPT' >/dev/null 2>&1
$1 rm -fv rich-web rich-plain
$1 volume rm -f rich-data
$1 network rm backend
$1 network rm inner
rm -rf /srv/rich
SCRIPT
}
begin() { # HOST
    ask "$1" lease.take "$JOB,\"holder\":\"test\",\"ttl_s\":600"
}
end() { # HOST
    ask "$1" site.mark "$JOB,\"mark\":\"none\",\"from\":[]" && ask "$1" lease.release "$JOB"
}
# differing DEFINITION DEFINITION: container.member of each difference that matters
differing() {
    jq -rn --argjson a "$1" --argjson b "$2" '
        [$a, $b] | map(.containers | map({key: .name, value: del(.runtime, .image, .unsupported)}) | from_entries) as [$x, $y] |
        $x | keys[] as $name | ($x[$name] + $y[$name] | keys[]) as $member |
        select($x[$name][$member] != $y[$name][$member]) | $member' | sort -u | tr '\n' ' '
}
names_on() { lab exec "$1" sh -c "$2 ps -a --format '{{.Names}}'; $2 volume ls -q; $2 network ls --format '{{.Name}}'" | sort | tr '\n' ' '; }

# exposed HOST ENGINE: values in the command with which podman remembers that it was made, and files of variables left there
exposed() {
    lab exec "$1" $2 inspect -f '{{.Config.CreateCommand}}' rich-web 2>/dev/null | grep -E 's3cr=t|line one|line "two"|=/nowhere'
    lab exec "$1" sh -c 'ls -d /run/dogwatch/environment-*' 2>/dev/null
}

# travels FROM TO ENGINE EXPECTED-DIFFERENCES
travels() {
    local there here before first
    before=$(names_on "$2" "$3")
    begin "$1" && ask "$1" site.definition "$JOB" || return
    there=$(jq -c .definition <<<"$answer")
    why="something is not carried: $(jq -c .unsupported <<<"$there")"
    [ "$(jq '.unsupported | length' <<<"$there")" = 0 ] || return
    begin "$2" && ask "$2" site.mark "$JOB,\"mark\":\"incoming\",\"from\":[\"none\"]" &&
        ask "$2" site.create "$JOB,\"runtime\":\"$3\",\"definition\":$there" || return
    why="values of variables are exposed: $(exposed "$2" "$3")"
    [ -z "$(exposed "$2" "$3")" ] || return
    first=$(jq -c '[.containers[].id]' <<<"$answer")
    ask "$2" site.create "$JOB,\"runtime\":\"$3\",\"definition\":$there" || return
    why="asked again, it made other containers: $answer"
    [ "$first" = "$(jq -c '[.containers[].id]' <<<"$answer")" ] || return
    ask "$2" site.definition "$JOB" || return
    here=$(jq -c .definition <<<"$answer")
    why="differences: $(differing "$there" "$here")"
    [ "$(differing "$there" "$here")" = "$4" ] || return
    [ "$(jq -c '.volumes, .networks' <<<"$there")" = "$(jq -c '.volumes, .networks' <<<"$here")" ] || return
    ask "$2" site.remove "$JOB,\"volumes\":true" && end "$2" || return
    why="left behind: $(names_on "$2" "$3"), before: $before"
    [ "$before" = "$(names_on "$2" "$3")" ] && ! lab exec "$2" test -e /srv/rich/conf
}

test_podman_to_podman_changes_nothing() {
    make_rich mosh01 podman
    travels mosh01 mosh02 podman ''
}
# the mark has taken the restart policy of what docker has; the daemon limits the logs of rich-plain
test_podman_to_docker_changes_what_docker_does_by_itself() {
    travels mosh01 mosh03 docker 'log '
}
test_docker_to_podman_changes_what_podman_does_by_itself() {
    remove_rich mosh01 podman
    make_rich mosh03 docker
    travels mosh03 mosh02 podman 'caps log ulimits '
}
test_docker_to_docker_changes_nothing() {
    lab exec mosh03 sh -c 'mkdir -p /srv/rich/conf'
    begin mosh03 && ask mosh03 site.definition "$JOB" || return
    local there=$answer
    remove_rich mosh03 docker
    ask mosh03 site.mark "$JOB,\"mark\":\"incoming\",\"from\":[\"none\"]" &&
        ask mosh03 site.create "$JOB,\"definition\":$(jq -c .definition <<<"$there")" || return
    why="differs: $answer"
    jq -e 'all(.containers[]; has("differs") | not)' <<<"$answer" >/dev/null || return
    ask mosh03 site.remove "$JOB,\"volumes\":true" && end mosh03
}
# podman gives a new volume the image's owner, mode and time when it is first used: what came with the volume stays
test_a_volumes_own_attributes_survive_its_first_use() {
    local attributes
    SITE=example.org JOB='"site":"example.org","job":"8"'
    lab exec mosh02 sh -c 'podman volume create --label dogwatch.site=example.org example.org-data && cd $(podman volume inspect -f "{{.Mountpoint}}" example.org-data) &&
        echo Welcome >index.html && chown -R 33:44 . && chmod 705 . && touch -d 2020-01-02T03:04:05Z .' >/dev/null
    begin mosh01 && ask mosh01 site.definition "$JOB" || return
    local definition
    definition=$(jq -c '.definition | .containers |= map(select(.role == "web"))' <<<"$answer")
    begin mosh02 && ask mosh02 site.mark "$JOB,\"mark\":\"incoming\",\"trial\":true,\"from\":[\"none\"]" &&
        ask mosh02 site.create "$JOB,\"definition\":$definition" && ask mosh02 site.start "$JOB" || return
    attributes=$(lab exec mosh02 sh -c 'stat -c "%u:%g %a %Y" $(podman volume inspect -f "{{.Mountpoint}}" example.org-data)')
    why="attributes: $attributes"
    [ "$attributes" = '33:44 705 1577934245' ] || return
    ! ask mosh02 site.remove "$JOB,\"volumes\":true" || { why='a running copy was removed' && return 1; }
    ask mosh02 site.stop "$JOB" && ask mosh02 site.remove "$JOB,\"volumes\":true" && end mosh02
}

run_tests
