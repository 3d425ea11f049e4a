#!/bin/bash
# What an attacker gets: with a stolen key, with hostile containers, with a host whose helper lies. On hosts of the lab only.
. "$(dirname "$0")/lib/testing.sh"
lab_begin --hosts 2
start_engine || { echo "not ok engine: $why"; exit 1; }
wait_for 40 "all hosts" all_up || { echo "not ok lab: $why"; exit 1; }

HELPER=/usr/local/lib/dogwatch/dogwatch-host
HELLO='{"id":1,"verb":"hello","args":{"protocol":1}}'
SSH_OPTIONS=(-F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null
    -o ConnectTimeout=10 -o ExitOnForwardFailure=yes)
as() { # KEY SSH-ARGUMENT…: with one of the engine's keys, from outside dogwatch
    timeout 20 ssh "${SSH_OPTIONS[@]}" -i "$STATE/keys/$1" "${@:2}" 2>&1
}
there() { echo "dogwatch@$LAB_ADDRESS_mosh01"; }
ask() { # KEY REQUEST…: after a hello, the last answer
    printf '%s\n' "$HELLO" "${@:2}" | as "$1" "$(there)" | tail -n 1
}
# fails with what was found where one of the words is in the text
lacks() { # TEXT WORD…
    local word
    for word in "${@:2}"; do
        [[ $1 != *"$word"* ]] || { why="\"$word\" in: ${1:0:300}"; return 1; }
    done
}
# refused SAYS WHAT COMMAND…: it fails, and says one of these (regular expression)
refused() {
    local said
    said=$("${@:3}" </dev/null)
    local status=$?
    why="$2: exit status $status, said: ${said:0:300}"
    [ $status != 0 ] && grep -qiE "$1" <<<"$said"
}

key_is_bound() { # ROLE
    local said key=$1
    said=$(printf '%s\n' "$HELLO" | as "$key" "$(there)" "id; $HELPER --role operator; cat /etc/shadow")
    why="another command: ${said:0:300}"
    jq -e --arg role "$key" '.ok.role == $role' <<<"$(tail -n 1 <<<"$said")" >/dev/null && lacks "$said" uid= root: || return
    said=$(as "$key" -tt "$(there)" </dev/null)
    why="a terminal: ${said:0:300}"
    grep -q 'PTY allocation request failed' <<<"$said" && lacks "$said" '$ ' '# ' || return
    refused 'prohibited|failed|refused' 'to the sshd itself' as "$key" -W 127.0.0.1:22 "$(there)" &&
        refused 'prohibited|failed|refused' 'to another host' as "$key" -W "$LAB_ADDRESS_mosh02:22" "$(there)" &&
        refused 'remote port forwarding failed' 'listening there' as "$key" -N -R 127.0.0.1:0:127.0.0.1:22 "$(there)" &&
        refused 'forwarding failed' 'a unix socket there' as "$key" -N -R "/tmp/taken.sock:127.0.0.1:22" "$(there)" || return
    takes_no_file "$key"
}
# Both wait for words the helper never says, so they are left alone until their time is over: side by side.
takes_no_file() { # KEY
    local sftp scp taken
    taken=$(mktemp -d)
    printf 'ls /\nget /etc/shadow\n' | timeout 10 sftp "${SSH_OPTIONS[@]}" -i "$STATE/keys/$1" -b - "$(there)" >"$taken/said" 2>&1 &
    sftp=$!
    timeout 10 scp "${SSH_OPTIONS[@]}" -O -i "$STATE/keys/$1" "$(there):/etc/passwd" "$taken/file" >/dev/null 2>&1 &
    scp=$!
    wait $scp
    why="scp brought a file"
    [ ! -e "$taken/file" ] || return
    wait $sftp && why="sftp worked" && return 1
    lacks "$(cat "$taken/said")" etc/passwd boot home && rm -rf "$taken"
}
test_a_stolen_viewer_key_is_bound_to_the_helper() { key_is_bound viewer; }
test_a_stolen_operator_key_is_bound_to_the_helper() { key_is_bound operator; }

test_a_stolen_viewer_key_changes_nothing() {
    local verb said before after
    before=$(lab exec mosh01 podman ps --no-trunc --format '{{.ID}} {{.StartedAt}}' | sort)
    for verb in lease.take lease.renew lease.release site.start site.stop site.restart; do
        said=$(ask viewer "{\"id\":2,\"verb\":\"$verb\",\"args\":{\"site\":\"example.org\",\"job\":\"j1\",\"holder\":\"x\",\"ttl_s\":60}}")
        why="$verb: ${said:0:300}"
        jq -e '.id == 2 and .error.code == "denied"' <<<"$said" >/dev/null || return
    done
    after=$(lab exec mosh01 podman ps --no-trunc --format '{{.ID}} {{.StartedAt}}' | sort)
    why="something was restarted"
    [ "$before" = "$after" ] && wait_for 5 "the refusal in the host's syslog" lab exec mosh01 grep -q 'dogwatch-host.*site.restart' /var/log/syslog
}
test_an_operator_key_reaches_nothing_but_sites_by_name() {
    local site said
    for site in '../../etc/passwd' '$(touch /tmp/owned)' '`id`' '-rf' 'a/b' "a'b" 'a;b' 'a\u0000b' '\u001b[31m' ''; do
        said=$(ask operator "{\"id\":2,\"verb\":\"lease.take\",\"args\":{\"site\":\"$site\",\"job\":\"j1\",\"holder\":\"x\",\"ttl_s\":60}}")
        why="$site: ${said:0:300}"
        # jansson refuses a NUL in a text: the connection ends, without an id
        jq -e '.error.code == "invalid" or .error.code == "garbage"' <<<"$said" >/dev/null || return
    done
    why="a file of the attacker's choice"
    lab exec mosh01 sh -c '! test -e /tmp/owned && test -z "$(find /var/lib/dogwatch/sites -name "*passwd*" 2>/dev/null)"'
}
test_sudo_allows_the_two_command_lines_and_nothing_else() {
    local arguments
    for arguments in "" --version "--role operator --root /tmp" "--root /tmp --role operator" "--role admin"; do
        why="sudo ran the helper with: $arguments"
        ! lab exec mosh01 su dogwatch -s /bin/sh -c "sudo -n $HELPER $arguments </dev/null" >/dev/null 2>&1 || return
    done
    for arguments in id /bin/sh "-l /bin/sh" "-e /etc/passwd" "env $HELPER --role viewer"; do
        why="sudo ran $arguments"
        ! lab exec mosh01 su dogwatch -s /bin/sh -c "sudo -n $arguments </dev/null" >/dev/null 2>&1 || return
    done
    why="the user dogwatch can write what root runs or sshd believes"
    [ -z "$(lab exec mosh01 su dogwatch -s /bin/sh -c "find /usr/local/lib/dogwatch /var/lib/dogwatch /etc/sudoers.d /etc/dogwatch -writable ! -type l 2>/dev/null")" ]
}

test_what_the_engine_keeps_is_for_its_user_alone() {
    why="others may read: $(find "$STATE" -perm /077 ! -type l ! -name 'engine.log' | head -n 3 | tr '\n' ' ')"
    [ -z "$(find "$STATE" -perm /077 ! -type l ! -name 'engine.log')" ] || return
    why="$(stat -c '%a %n' "$STATE"/keys/*)"
    [ "$(stat -c %a "$STATE"/keys/viewer "$STATE"/keys/operator | sort -u)" = 600 ] && [ "$(stat -c %a "$SOCKET")" = 600 ]
}

# control characters (but line ends), C1, direction overrides, zero width: nothing a terminal acts upon
is_clean() { # WHAT, text on standard input
    local found
    found=$(LC_ALL=C.UTF-8 grep -aPn '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|[\x{80}-\x{9f}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2066}-\x{2069}\x{feff}]' | head -n 1)
    why="$1: $(cut -c1-200 <<<"$found" | cat -v)"
    [ -z "$found" ]
}
all_clean() {
    local name format
    for name in hosts sites containers volumes jobs timeline; do
        for format in text csv json; do
            dog --report $name --format $format 2>&1 | is_clean "$name as $format" || return
        done
    done
    dog log --lines 500 2>&1 | is_clean 'dogwatch log' && dog log --lines 500 --format json 2>&1 | is_clean 'dogwatch log as json' &&
        is_clean "the engine's log" <"$STATE/engine.log"
}
EVIL=$'\e]0;owned\a\e[2J\xc2\x9b31m\xe2\x80\xaeevil\xe2\x80\x8b\'"`;$(id)'
IMAGE=localhost/coop/web:1
hostile() { # NAME PODMAN-OPTION… -- COMMAND…
    lab exec mosh01 podman run -d --name "$@" >/dev/null 2>&1
}
test_hostile_names_labels_and_lines_come_out_clean() {
    lab exec mosh01 mkdir -p "/srv/$EVIL"
    hostile evil-label --label "dogwatch.site=$EVIL" --label "dogwatch.container=$EVIL" -v "/srv/$EVIL:/mnt" --entrypoint /bin/sh "$IMAGE" \
        -c "printf 'quetzal %s\\n' \"\$0\" \"\$0\"; printf 'quetzal \\377\\376 \\000 cr\\rover\\n'; sleep 600" "$EVIL" || { why="podman refused the label"; return 1; }
    hostile evil-path --label 'dogwatch.site=../../../../etc/cron.d/x' --label 'com.docker.compose.project=../x' --entrypoint /bin/sh "$IMAGE" -c 'sleep 600'
    # one word of a command line has at most 128 KiB: ten labels of 100 KB
    lab exec mosh01 sh -c 'x=$(head -c 100000 /dev/zero | tr "\0" x); set --; for i in 0 1 2 3 4 5 6 7 8 9; do set -- "$@" --label "big$i=$x"; done
        podman run -d --name evil-size --label "dogwatch.site=$x" "$@" --entrypoint /bin/sh localhost/coop/web:1 -c "sleep 600"' >/dev/null 2>&1 || { why="podman refused a megabyte of labels"; return 1; }
    hostile evil-other --label 'dogwatch.site=chorus.example' --entrypoint /bin/sh "$IMAGE" -c 'sleep 600'
    wait_for 20 "evil-label" has_row containers '.container == "evil-label" and .state == "running"' &&
        wait_for 5 "evil-size" has_row containers '.container == "evil-size" and .site == "evil-size"' &&
        wait_for 5 "the label with a path falls back to the container's name" has_row containers '.container == "evil-path" and .site == "evil-path"' &&
        wait_for 10 "its lines" eval '[ "$(dog log --grep quetzal --format json | jq -s length)" -ge 3 ]' &&
        wait_for 5 "the others are as before" fresh_except nobody && all_clean || return
    why="a file outside the store: $(find "$STATE" -name '*cron*' -o -name '*passwd*')"
    [ -z "$(find "$STATE" -name '*cron*' -o -name '*passwd*')" ]
}
test_a_site_that_two_hosts_claim_is_a_conflict_that_nobody_restarts() {
    wait_for 10 "the conflict" has_row sites '.site == "chorus.example" and .state == "conflict"' || return
    local said
    said=$(dog restart chorus.example --yes --wait 2>&1)
    why="restarted: $said"
    grep -q 'more than one host' <<<"$said" || return
    lab exec mosh01 podman rm --ignore -f -t 0 evil-label evil-path evil-size evil-other >/dev/null 2>&1
    wait_for 20 "settled" has_row sites '.site == "chorus.example" and .state == "running"'
}

stored() { dog log --container flood --lines 0 --format json | jq -s 'map(select(.text | startswith("capybara"))) | length'; }
left_out() { dog log --container flood --lines 0 --format json | jq -s 'map(.dropped) | add // 0'; }
test_a_flood_of_lines_is_cut_counted_and_holds_up_nobody() {
    local second
    hostile flood --entrypoint /bin/sh "$IMAGE" -c 'yes "capybara capybara capybara" | head -c 60000000; sleep 3; echo; echo ended; sleep 600'
    for second in 1 2 3 4 5; do
        wait_for 3 "the others fresh in second $second" fresh_except nobody || return
        sleep_a_second
    done
    wait_for 20 "the cut is counted" eval '[ "$(left_out)" -gt 10000 ]' || return
    wait_for 20 "the line after the flood" eval 'dog log --container flood --lines 0 --format json | jq -es "any(.[]; .text == \"ended\")"' || return
    why="$(stored) lines are stored"
    [ "$(stored)" -le 20000 ] && [ "$(stored)" -ge 1000 ] || return
    why="the cut is not shown"
    dog log --container flood --lines 0 | grep -q 'dropped by the rate limit'
    local result=$?
    lab exec mosh01 podman rm --ignore -f -t 0 flood >/dev/null 2>&1
    return $result
}
sleep_a_second() { read -r -t 1 <> <(:) || true; }

# A helper that speaks the protocol and lies: $1 is what it goes on with.
lying_helper() {
    cat <<'SCRIPT'
#!/bin/sh
now() { echo "$(date +%s)000000"; }
stamp() { printf '"seq":%s,"boot_id":"aaaaaaaa-0000","epoch_us":%s,"mono_us":%s' "$1" "$(now)" "$(now)"; }
answer() {
    case $2 in
    *'"hello"'*) printf '{"id":%s,"ok":{"protocol":1,"version":"0","role":"viewer","host":"\033]0;x","os":"\\u001b[31mred\\u202e","capabilities":["hello","ping","subscribe","inventory","logs.follow"],"epoch_us":%s,"mono_us":%s}}\n' "$1" "$(now)" "$(now)" | tr -d '\033' ;;
    *) printf '{"id":%s,"ok":{"interval_ms":2000,"epoch_us":%s,"mono_us":%s}}\n' "$1" "$(now)" "$(now)" ;;
    esac
}
containers() { # STATE ROUND
    awk -v state="$1" -v round="$2" 'BEGIN { for (i = 0; i < 400; i++) printf "%s{\"id\":\"%064x\",\"name\":\"made-up-%d-%d\",\"runtime\":\"podman\",\"state\":\"%s\",\"exit_code\":1,\"site\":\"%s\",\"image\":\"\\u001b]0;x\\u0007\",\"restarts\":1e308}", (i ? "," : ""), i + 1000 * round, round, i, state, (i ? "made-up-" i : "example.org") }'
    printf ',{"id":"%064d","name":"../../../../../../tmp/dogwatch-owned","runtime":"podman","state":"running"}' 7
    printf ',{"id":"%064d","name":"site-escape","runtime":"podman","state":"running","site":"../../../etc/passwd"}' 8
}
flood() {
    n=0
    while n=$((n + 1)); do
        state=running && [ $((n % 2)) = 0 ] && state=exited
        printf '{"inventory":{%s,"containers":[%s],"volumes":[]}}\n' "$(stamp $n)" "$(containers $state $((n / 4)))"
        printf '{"sample":{%s,"cpu":{"cores":1e308,"user":-5,"idle":"NaN"},"load":[1e308,-1,null],"mem":{"total_bytes":9223372036854775807,"available_bytes":1e300},"processes":1e308,"containers":[{"id":"%064x","cpu_us":1e308,"mem_bytes":1e308,"net_rx_bytes":-1}]}}\n' "$(stamp $n)" 1
        printf '{"log":{"source":"made-up/%s","container":"x","cursor":"c","lines":[{"t":-1,"text":"\\u001b[31mred"},{"t":1,"text":"\\u009b31m"}],"dropped":9223372036854775807}}\n' $n
        printf '{"event":{"kind":"host.up","host":"mosh01"}}\n'
        sleep 0.1
    done
}
( trap 'kill $! 2>/dev/null' EXIT
  while IFS= read -r line; do
    id=$(printf %s "$line" | sed 's/.*"id":\([0-9]*\).*/\1/')
    answer "$id" "$line"
    case $line in *subscribe*) GO_ON & ;; esac
  done; kill $! 2>/dev/null )
SCRIPT
}
lie() { # HOW
    lying_helper | sed "s/GO_ON/$1/" | lab exec mosh02 sh -c "test -e $HELPER.real || mv $HELPER $HELPER.real; cat >$HELPER; chmod 755 $HELPER"
    connect_again
}
connect_again() { kill_engine TERM && start_engine; }
be_honest() {
    lab exec mosh02 mv -f $HELPER.real $HELPER
    connect_again
}
told_of() { report timeline --host mosh02 | jq '[.rows[] | select(.kind | startswith("container.") or startswith("site."))] | length'; }
test_a_lying_helper_floods_nothing_and_hurts_only_its_own_host() {
    lie flood
    wait_for 60 "its lies are shown as its own" has_row containers '.host == "mosh02" and (.container | startswith("made-up-"))' || return
    local second
    for second in 1 2 3 4 5; do
        wait_for 3 "the others fresh in second $second" fresh_except mosh02 || return
        sleep_a_second
    done
    why="a container of an impossible name: $(report containers | jq -c '[.rows[] | select(.container | test("[^A-Za-z0-9._-]")) | .container]')"
    report containers | jq -e 'all(.rows[]; .container | test("^[A-Za-z0-9][A-Za-z0-9._-]*$"))' >/dev/null || return
    all_clean || return
    kill_engine TERM
    start_engine || return
    why="$(told_of) changes of mosh02 told one by one"
    [ "$(told_of)" -le 202 ] && # a new minute may have begun
        wait_for 5 "the rest as one event" has_row timeline '.kind == "host.flood" and .host == "mosh02" and (.text | contains("more changes"))' || return
    why="files outside the store"
    [ ! -e /tmp/dogwatch-owned ] && [ -z "$(find "$STATE" -name '*passwd*' -o -name '*owned*')" ]
}
test_nesting_without_end_and_lines_without_end_are_garbage() {
    lab exec mosh02 sh -c "printf '#!/bin/sh\nhead -c 500000 /dev/zero | tr \"\\\\0\" \"[\"; echo; cat >/dev/null\n' >$HELPER"
    connect_again
    wait_for 30 "nesting" has_row hosts '.host == "mosh02" and .reason_code == "garbage"' || return
    lab exec mosh02 sh -c "printf '#!/bin/sh\ntr \"\\\\0\" x </dev/zero\n' >$HELPER"
    connect_again
    wait_for 30 "a line without end" has_row hosts '.host == "mosh02" and .reason_code == "garbage" and (.reason | contains("1 MiB"))' &&
        wait_for 3 "the others fresh" fresh_except mosh02
    local result=$?
    be_honest
    wait_for 60 "mosh02 is itself again" all_up && all_clean && return $result
}

run_tests
