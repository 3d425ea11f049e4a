# shellcheck shell=bash
# The parts of a move's cut-off done by hand, as an admin would type them: what ours are compared with, in the same run and
# on the same volume. On top of testing.sh and moving.sh.

ms_of() { # NAME COMMAND…: runs it, adds "NAME_ms" to $hand_json
    local name=$1 began
    shift
    began=$(date +%s%N)
    "$@" >>"$scratch/byhand.log" 2>&1 </dev/null || { why="$name: $(tail -n 3 "$scratch/byhand.log")" && return 1; }
    hand_json=$(jq -c --arg n "${name}_ms" --argjson ms $((($(date +%s%N) - began) / 1000000)) '.[$n] = $ms' <<<"$hand_json")
}
on() { lab exec "$@"; }
volume_path() { on "$1" podman volume inspect -f '{{.Mountpoint}}' "$2"; } # HOST VOLUME

# What the hosts need so that one may write to the other: the lab's own key, for the time of this.
hand_ways() { # FROM TO
    lab exec "$1" sh -c 'umask 077; cat >/run/byhand.key' <"$LAB_KEY" &&
        hand_ssh="ssh -i /run/byhand.key -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
}
hand_rsync() { # FROM TO PATH TO-PATH
    on "$1" rsync -aHAX --numeric-ids --delete -e "$hand_ssh" "$3/" "root@$(address_of "$2"):$4/"
}
# incremental btrfs: the snapshot NUMBER of the volume, since the one before it
hand_send() { # FROM TO PATH TO-PATH NUMBER
    # shellcheck disable=SC2016
    on "$1" bash -o pipefail -c 'dir=${1%/*} parent=
        btrfs -q subvolume snapshot -r "$1" "$dir/hand-$5" && sync -f "$dir"
        [ "$5" = 1 ] || parent="-p $dir/hand-$(($5 - 1))"
        btrfs -q send $parent "$dir/hand-$5" | $2 "root@$3" btrfs -q receive "$4"' - "$3" "$hand_ssh" "$(address_of "$2")" "${4%/*}" "$5"
}
hand_gate() { # ADDRESS PORT
    local tries=0
    until curl -s -m 1 "http://$1:$2/" | grep -q Welcome; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || return 1
        read -r -t 0.01 <> <(:) || true
    done
}
# the one server of the site's backend, whatever it is called
hand_server() { for_proxy "show servers state $1" | awk 'NR == 3 { print $4 }'; } # SITE
hand_route() { for_proxy "set server $1/$server addr $2 port $3" | grep -qE 'changed|no need to change|nothing changed'; } # SITE ADDRESS PORT

# The container anew on the other host, as host/setup makes it.
hand_create() { # SITE PORT TO
    on "$3" podman create --name "$1-ledger" --hostname ledger --restart always --label "dogwatch.site=$1" --label dogwatch.container=ledger \
        --publish "$2:$2" --memory 64M --cpus 1 --user 2042:2042 --read-only --env "SITE=$1" --env "PORT=$2" \
        --volume "$1-data:/var/lib/ledger" localhost/coop/ledger:1 >>"$scratch/byhand.log" 2>&1 ||
        { why="create: $(tail -n 3 "$scratch/byhand.log")" && return 1; }
}

# Podman, one ledger container, driver dir or btrfs. Moves it, measures the parts, and takes everything back: afterwards it
# runs on FROM again and nothing of it is on TO. The parts are in $hand_json.
by_hand_move() { # SITE PORT FROM TO [btrfs]
    local site=$1 port=$2 from=$3 to=$4 driver=${5:-dir} result=0 path to_path server n
    server=$(hand_server "$site")
    hand_json='{}'
    if [ "$(mark_on "$site" "$to")" = kept ] || on "$to" podman container exists "$site-ledger"; then
        on "$to" rm -f "/var/lib/dogwatch/sites/$site.mark"
        on "$to" podman rm -f "$site-ledger" >/dev/null 2>&1
        on "$to" podman volume rm -f "$site-data" >/dev/null 2>&1
    fi
    why="no way from $from to $to"
    path=$(volume_path "$from" "$site-data") && hand_ways "$from" "$to" || return 1
    on "$to" podman image exists localhost/coop/ledger:1 || on "$from" sh -c "podman save localhost/coop/ledger:1 | $hand_ssh root@$(address_of "$to") podman load" >/dev/null 2>&1
    why="no volume on $to"
    on "$to" podman volume create "$site-data" >/dev/null && to_path=$(volume_path "$to" "$site-data") || return 1
    hand_"$driver" || result=1
    on "$from" podman start "$site-ledger" >/dev/null 2>&1
    hand_gate "$(address_of "$from")" "$port"
    hand_route "$site" "$(address_of "$from")" "$port"
    on "$to" podman rm -f -t 1 "$site-ledger" >/dev/null 2>&1
    [ "$driver" = dir ] || for n in 1 2; do on "$from" btrfs -q subvolume delete "${path%/*}/hand-$n"; on "$to" sh -c "btrfs -q subvolume delete '${to_path%/*}/hand-$n'"; done >/dev/null 2>&1
    on "$to" sh -c "btrfs -q subvolume delete '$to_path' 2>/dev/null; podman volume rm -f '$site-data'" >/dev/null 2>&1
    on "$from" rm -f /run/byhand.key
    return $result
}
hand_dir() {
    ms_of first_pass hand_rsync "$from" "$to" "$path" "$to_path" && ms_of second_pass hand_rsync "$from" "$to" "$path" "$to_path" &&
        hand_create "$site" "$port" "$to" &&
        ms_of stop on "$from" podman stop -t 10 "$site-ledger" && ms_of last_pass hand_rsync "$from" "$to" "$path" "$to_path" && hand_start
}
hand_btrfs() {
    ms_of first_pass hand_send "$from" "$to" "$path" "$to_path" 1 && on "$to" sync -f "${to_path%/*}" && hand_create "$site" "$port" "$to" &&
        ms_of stop on "$from" podman stop -t 10 "$site-ledger" && ms_of last_pass hand_send_last && hand_start
}
hand_send_last() {
    hand_send "$from" "$to" "$path" "$to_path" 2 && on "$to" sh -c 'rmdir "$1" 2>/dev/null; btrfs -q subvolume snapshot "${1%/*}/hand-2" "$1"' - "$to_path"
}
hand_start() {
    ms_of start on "$to" podman start "$site-ledger" && ms_of gate hand_gate "$(address_of "$to")" "$port" &&
        ms_of route hand_route "$site" "$(address_of "$to")" "$port"
}

# The same of a job: from the beginning of the stop to the end of the step that lets the visitors through (the last gate comes
# after it).
cut_steps=(stop last-pass start proof route unhold)
cut_ms() { steps_ms "$1" "${cut_steps[@]}"; } # JSON
