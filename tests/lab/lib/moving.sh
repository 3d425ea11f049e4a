# shellcheck shell=bash
# What tests of moving, isolating and stopping share, on top of testing.sh: visitors, what became of their writes, jobs, and
# what is to be true of a site when a job is over. Ledger sites (README.md) are "SITE" in short: ledger, harbour, wharf.

scratch=$(mktemp -d)
end_moving() { # before finish_lab
    local pid
    for pid in $(jobs -p); do [ "$pid" = "$engine_pid" ] || kill "$pid" 2>/dev/null; done
    rm -rf "$scratch"
}
has_btrfs() { command -v mkfs.btrfs >/dev/null && grep -qw btrfs /proc/filesystems && [ -e /dev/loop-control ]; }

compute_hosts() { tr ' ' '\n' <<<"$LAB_HOSTS" | grep '^mosh'; }
host_engine() { case $1 in mosh03 | mosh04) echo docker ;; *) echo podman ;; esac; } # as lib/site.sh has it
address_of() { local name=LAB_ADDRESS_$1 && echo "${!name}"; }

# --- visitors: what they saw is the JSON of load.c, in $scratch/NAME ----------------------------------------------------

next_number=1 # each visitors' numbers are their own
visitors() { # NAME SITE OPTION…
    local name=$1 site=$2
    shift 2
    "$BUILD/tests/load" --to "$LAB_GATE:80" --host "$site" --first $next_number --output "$scratch/$name" "$@" &
    echo $! >"$scratch/$name.pid"
    next_number=$((next_number + 1000000))
}
visitors_leave() { # NAME…
    local name
    for name; do kill -TERM "$(cat "$scratch/$name.pid")"; done
    for name; do wait_for_end "$(cat "$scratch/$name.pid")"; done
}
# They end by themselves 15 s after they were told to; who does not is asked where he stands, and has seen nothing
wait_for_end() { # PID
    local kept=$why
    if ! wait_for 60 "visitors leave" has_ended "$1"; then
        echo "visitors ($1) do not leave: $(grep -E '^(State|SigPnd|SigBlk)' "/proc/$1/status" | tr '\n' ' ') $(cat "/proc/$1/wchan")" >&2
        kill -KILL "$1"
    fi
    why=$kept
    wait "$1"
}
has_ended() { # PID of a child: gone, or a zombie
    local state
    read -r _ _ state _ 2>/dev/null <"/proc/$1/stat" || return 0
    [ "$state" = Z ]
}
seen() { jq -r "$2" "$scratch/$1"; } # NAME FILTER
none_failed() { # NAME…
    local name
    for name; do
        why="$name: $(jq -c '{sent, ok, failed, worst_ms, failures: .failures[0:3]}' "$scratch/$name")"
        jq -e '.failed == 0 and .ok == .sent and .sent > 0' "$scratch/$name" >/dev/null || return 1
    done
}

book() { curl -s -m 60 -H "Host: $1" "http://$LAB_GATE/list"; } # SITE
append() { [ "$(curl -s -m "${3:-60}" -H "Host: $1" "http://$LAB_GATE/append?n=$2")" = "ok $2" ]; } # SITE N [SECONDS]
# every line that was acknowledged is in the site's book
none_lost() { # SITE NAME…
    local site=$1 name lost
    shift
    book "$site" | sort -u >"$scratch/book"
    for name; do
        jq -r '.acknowledged[]' "$scratch/$name" | sort -u >"$scratch/said"
        lost=$(comm -23 "$scratch/said" "$scratch/book" | wc -l)
        why="$name: $lost of $(wc -l <"$scratch/said") acknowledged writes are not in the book"
        [ "$lost" = 0 ] && [ -s "$scratch/said" ] || return 1
    done
}
answers() { curl -s -m 5 -H "Host: $1" "http://$LAB_GATE/" | grep -q Welcome; } # SITE
noticed() { # SITE: visitors get the notice page
    local head
    head=$(curl -s -m 5 -i -H "Host: $1" "http://$LAB_GATE/")
    why="visitors of $1 got: $(head -n 1 <<<"$head")"
    grep -q '^HTTP/1.1 503' <<<"$head" && grep -qi '^Retry-After:' <<<"$head"
}

# --- jobs -------------------------------------------------------------------------------------------------------------

# act VERB OBJECT OPTION…: to its end; the job's JSON is in $out. False, with the reason in $why, where it is not done.
act() {
    local status
    out=$(dog "$@" --yes --wait --reason "a test" --json 2>"$scratch/act.err")
    status=$?
    why="$*: status $status, $(head -c 600 "$scratch/act.err") $(jq -r '"\(.state): \(.message)"' <<<"$out" 2>/dev/null)"
    [ $status = 0 ] && jq -e '.state == "done"' <<<"$out" >/dev/null
}
refused() { # WORDS VERB OBJECT OPTION…: not begun, or failed, saying these words
    local words=$1
    shift
    if out=$(dog "$@" --yes --wait --reason "a test" 2>&1); then
        why="$* was done: $out"
        return 1
    fi
    why="$* did not say \"$words\": $out"
    grep -qi -- "$words" <<<"$out"
}
begin() { # VERB OBJECT OPTION…: prints the job's number
    dog "$@" --yes --reason "a test" --json | jq -r .job
}
job_json() { dog job "$1" --json 2>/dev/null; }
job_state() { job_json "$1" | jq -r .state; }
job_over() { case $(job_state "$1") in done | failed | cancelled) ;; *) false ;; esac; }
job_at() { job_json "$1" | jq -e --arg s "$2" 'any(.steps[]; .step == $s and .state == "running")'; } # JOB STEP
job_says() { job_json "$1" | jq -r '"\(.action) \(.state): \(.message); " + ([.steps[] | select(.state != "done" and .state != "pending" and .state != "skipped") | "\(.step) \(.state): \(.outcome)"] | join("; "))'; }

# --- what is to be true -----------------------------------------------------------------------------------------------

# hosts where containers of the site run, each once
running_on() { # SITE
    local host
    for host in $(compute_hosts); do
        [ -z "$(lab exec "$host" "$(host_engine "$host")" ps -q --filter "label=dogwatch.site=$1" --filter status=running)" ] || echo "$host"
    done
}
mark_on() { # SITE HOST: the word, or "none"
    lab exec "$2" cat "/var/lib/dogwatch/sites/$1.mark" 2>/dev/null | jq -r '.mark // "none"' 2>/dev/null | grep . || echo none
}
standing_of() { # SITE: a line for each host, "HOST runs|rests there|absent MARK"
    local host
    for host in $(compute_hosts); do
        # shellcheck disable=SC2016
        lab exec "$host" sh -c 'running=$("$1" ps -q --filter "label=dogwatch.site=$2" --filter status=running)
            all=$("$1" ps -aq --filter "label=dogwatch.site=$2") mark=$(jq -r .mark "/var/lib/dogwatch/sites/$2.mark" 2>/dev/null)
            [ -z "$running" ] && running=rests || running=runs
            [ -z "$all" ] && all=absent || all=there
            echo "$3 $running $all ${mark:-none}"' - "$(host_engine "$host")" "$1" "$host"
    done
}
lives_on() { # SITE HOST: runs there and nowhere else, may start there and nowhere else
    local host there mark on standing
    standing=$(standing_of "$1")
    on=$(awk '$2 == "runs" { printf "%s ", $1 }' <<<"$standing")
    why="$1 runs on: ${on:-no host }(wanted: $2)"
    [ "$on" = "$2 " ] || return 1
    while read -r host _ there mark; do
        why="$1 is marked $mark on $host"
        case $host:$mark in
        "$2:none") ;;
        "$2:"*) return 1 ;;
        *:none) # nothing of it there, then
            why="$1 could start on $host too"
            [ "$there" = absent ] || return 1
            ;;
        *:kept) ;;
        *) return 1 ;;
        esac
    done <<<"$standing"
    why="$1 does not answer through the gate"
    answers "$1" || return 1
    why=$(dog site where "$1" 2>&1)
}
# nothing of any job is left: leases, grants, one-shot keys, transfers, marks other than these words
nothing_left() { # WORD…
    local host left words
    words=$(IFS='|' && echo "$*")
    for host in $LAB_HOSTS; do
        # shellcheck disable=SC2016
        left=$(lab exec "$host" sh -c 'cd /var/lib/dogwatch/sites 2>/dev/null && ls *.lease 2>/dev/null
            grep -l dogwatch-grant: /root/.ssh/authorized_keys /var/lib/dogwatch/home/.ssh/authorized_keys 2>/dev/null
            find /run/dogwatch/transfers -type f 2>/dev/null
            for m in /var/lib/dogwatch/sites/*.mark; do [ ! -e "$m" ] || jq -r "\"${m##*/}: \(.mark)\"" "$m"; done' | grep -vE ": (${words:--})\$")
        why="left on $host: $(tr '\n' ' ' <<<"$left")"
        [ -z "$left" ] || return 1
    done
}

# All that a plan must not change, as text: containers, volumes, routes, and our own files on every host.
picture_of_all() {
    local host
    for host in $(compute_hosts); do
        # shellcheck disable=SC2016
        lab exec "$host" sh -c 'engine=$1; echo "== $(hostname)"
            all=$($engine ps -aq --no-trunc | sort); [ -z "$all" ] || $engine inspect $all | jq -S "[.[] | del(.State.Health, .State.Healthcheck, .LogPath, .ExecIDs) | del(..|.Health?)]"
            $engine volume ls -q | sort; $engine images -aq --no-trunc | sort
            for v in $($engine volume ls -q | grep "^ledger\|^harbour"); do
                (cd "$($engine volume inspect -f "{{.Mountpoint}}" $v)" && find . -type f | sort | xargs -d "\n" sha256sum | sha256sum); done
            find /var/lib/dogwatch/sites /run/dogwatch /usr/share/containers/oci /etc/containers -type f 2>/dev/null | sort | xargs -r sha256sum
            nft list ruleset 2>/dev/null | sed "s/packets [0-9]* bytes [0-9]*//" | sha256sum
            cat /root/.ssh/authorized_keys /var/lib/dogwatch/home/.ssh/authorized_keys 2>/dev/null | sha256sum' - "$(host_engine "$host")"
    done
    # shellcheck disable=SC2016
    lab exec gate sh -c 'echo "== gate"; find /etc/haproxy /var/lib/dogwatch/sites -type f 2>/dev/null | sort | xargs sha256sum'
    for_proxy 'show servers state' | cut -d ' ' -f 1-6,19
    for_proxy 'show map /etc/haproxy/sites.map' | cut -d ' ' -f 2-
}
for_proxy() { # COMMAND of HAProxy's admin socket
    # shellcheck disable=SC2016
    lab exec gate perl -MIO::Socket::UNIX -e '$s = IO::Socket::UNIX->new("/run/haproxy/admin.sock") or die; print $s "$ARGV[0]\n"; print while <$s>' "$1"
}

# --- the parts of the cut-off -----------------------------------------------------------------------------------------

# milliseconds from the beginning of the first to the end of the last of these steps in the job's JSON; 0 for none
steps_ms() { # JSON STEP…
    local json=$1
    shift
    # shellcheck disable=SC2016
    jq -r --args 'def us: (.[0:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);
        [.steps[] | select(.step as $s | $ARGS.positional | index($s)) | select(.started != null and .ended != null)]
        | if length == 0 then 0 else ([.[].ended | us] | max) - ([.[].started | us] | min) end' "$@" <<<"$json"
}
