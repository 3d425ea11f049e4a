#!/bin/bash
# Enrolment on real hosts: add twice, test, a jump host, a changed host key, a stopped sshd, a refused login undone, without sudo, remove.
# Prints "ok NAME", "not ok NAME: why" or "skip NAME: why" for each.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
REPO=$(cd "$HERE/../.." && pwd)
BIN=${DOGWATCH:-${DOGWATCH_BUILD:-$REPO/build}/dogwatch}
LAB=(--name "enrol$$")
out=$(mktemp)
lab() { local verb=$1; shift; "$HERE/lab" "$verb" "${LAB[@]}" "$@"; }
on() { local host=$1; shift; "$HERE/lab" exec "${LAB[@]}" "$host" sh -c "$*"; }
host() { "$BIN" host "$@" --fleet "$FLEET" --state "$STATE" </dev/null >"$out" 2>&1; }
add() { # HOST [USER@]… options
    local name=$1 address fingerprint; shift
    address=$(sed -n "s/^LAB_ADDRESS_$name=//p" "$out.env")
    fingerprint=$(lab fingerprint "$name")
    host add "${LOGIN:-root}@$address" --name "$name" --identity "$LAB_KEY" --accept-host-key "$fingerprint" "$@"
}
remove() { host remove "$1" --yes --identity "$LAB_KEY" "${@:2}"; }
# Everything enrolment may leave on a host, as text.
traces() {
    on "$1" 'find /etc/sudoers.d /usr/local/lib /etc/dogwatch /var/lib/dogwatch 2>/dev/null | sort
             grep -h dogwatch /etc/passwd /etc/group /etc/shadow; cat /root/.ssh/authorized_keys'
}
check() { # NAME CONDITION…
    local name=$1; shift
    if "$@"; then echo "ok enrol_$name"; else echo "not ok enrol_$name: $(tail -n 3 "$out" | tr '\n' ' ')"; fi
}
says() { grep -qF -- "$1" "$out"; }
reload_sshd() { on "$1" 'kill -HUP "$(pgrep -o sshd)"' && on "$1" 'until ss -Hlnt "sport = 22" | grep -q .; do sleep 0.1; done'; }

skip_all() { sed -n 's/.*\bcheck "\([a-z_]*\)".*/\1/p' "$HERE/test_enrol.sh" | while read -r name; do echo "skip enrol_$name: $1"; done; }

[ -x "$BIN" ] || { echo "not ok enrol: there is no $BIN"; exit 1; }
"$HERE/lab" up "${LAB[@]}" --hosts 2 --no-enrol >"$out" 2>&1
case $? in
0) ;;
77) skip_all "$(sed -n '$s/^lab: //p' "$out")"; rm -f "$out"; exit 0 ;;
*) echo "not ok enrol_lab: $(tail -n 1 "$out")"; exit 1 ;;
esac
trap 'lab down >/dev/null 2>&1; rm -f "$out" "$out".*' EXIT
lab env >"$out.env"
eval "$(cat "$out.env")" # FLEET, STATE, LAB_KEY, LAB_ADDRESS_…
: "${LAB_ADDRESS_mosh01:?}"
clean=$(traces mosh01)

add_works() { add mosh01 && says "mosh01 is enrolled" && grep -q '^  mosh01:' "$FLEET/hosts.yaml" && grep -q '^mosh01 ' "$STATE/known_hosts"; }
check "add" add_works

add_again() {
    local before; before=$(traces mosh01; cat "$FLEET/hosts.yaml" "$STATE/known_hosts")
    add mosh01 && ! says installed && ! says wrote && [ "$before" = "$(traces mosh01; cat "$FLEET/hosts.yaml" "$STATE/known_hosts")" ]
}
check "twice_changes_nothing" add_again

bound() { # the engine's keys run the helper whatever is asked for, and forward nothing
    local said; said=$(ssh -F none -i "$STATE/keys/operator" -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        "dogwatch@$LAB_ADDRESS_mosh01" 'cat /etc/shadow' </dev/null 2>/dev/null)
    ! grep -q root <<<"$said"
}
check "keys_run_nothing_else" bound
sudo_bound() { ! on mosh01 'su dogwatch -s /bin/sh -c "sudo -n id"' >/dev/null 2>&1; }
check "sudo_allows_nothing_else" sudo_bound

jump_works() { add gate --roles proxy && add mosh02 --jump gate && host test && says "mosh02           ok"; }
check "through_a_jump_host" jump_works
forward() { # SSH-ARGUMENT…: with the stolen read-only key, at the jump host
    timeout 20 ssh -F none -i "$STATE/keys/viewer" -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null \
        -o ExitOnForwardFailure=yes "$@" "dogwatch@$LAB_ADDRESS_gate" 2>&1
}
jump_bound() ( # it opens the sshd of those behind it, and nothing else: no other port, no listening there
    sleep 3 | forward -W "$LAB_ADDRESS_mosh02:22" | grep -qa "^SSH-" || exit 1
    exec </dev/null
    ! forward -W "$LAB_ADDRESS_mosh01:22" >"$out" && ! forward -W 127.0.0.1:22 >"$out" && ! forward -W "$LAB_ADDRESS_mosh02:8080" >"$out" &&
        ! forward -N -R 127.0.0.1:0:127.0.0.1:22 >"$out" && ! forward -N -R 127.0.0.1:8899:127.0.0.1:22 >"$out"
)
check "a_jump_host_forwards_to_those_behind_it_only" jump_bound
jump_kept() { ! remove gate && says "is reached through"; }
check "a_jump_host_in_use_is_kept" jump_kept

new_key() {
    lab rekey mosh01 && ! host test mosh01 && says host-key && host trust mosh01 --accept-host-key "$(lab fingerprint mosh01)" && host test mosh01
}
check "a_changed_host_key_needs_trust" new_key

stopped() { lab stop-sshd mosh02; ! host test && says "mosh02           FAIL  timeout" && says "gate             ok"; }
check "a_stopped_sshd_is_a_timeout" stopped
lab cont-sshd mosh02

removed() { remove mosh01 && [ "$(traces mosh01)" = "$clean" ] && ! grep -q mosh01 "$FLEET/hosts.yaml" "$STATE/known_hosts"; }
check "remove_leaves_nothing" removed
jump_removed() { remove mosh02 && ! on gate 'grep -q permitopen /var/lib/dogwatch/home/.ssh/authorized_keys'; }
check "remove_closes_the_way_through_the_jump_host" jump_removed

refused() { # sshd takes only root: the new keys cannot log in
    on mosh01 'cp /etc/ssh/sshd_config /tmp/sshd_config && echo "AllowUsers root" >>/etc/ssh/sshd_config' && reload_sshd mosh01
    ! add mosh01 && says "undo: install" && [ "$(traces mosh01)" = "$clean" ] && ! grep -q mosh01 "$FLEET/hosts.yaml"
}
check "what_fails_is_undone" refused
on mosh01 'cp /tmp/sshd_config /etc/ssh/sshd_config' && reload_sshd mosh01

as_root() {
    on mosh01 'mv /usr/bin/sudo /usr/bin/sudo.away'
    add mosh01 && grep -q 'mosh01:.*user: root' "$FLEET/hosts.yaml" && host test mosh01 && remove mosh01 && [ "$(traces mosh01)" = "$clean" ]
}
check "as_root_where_there_is_no_sudo" as_root
on mosh01 'mv /usr/bin/sudo.away /usr/bin/sudo'

by_admin() {
    on mosh01 'useradd -m -s /bin/bash -p "*" admin && mkdir /home/admin/.ssh && cp /root/.ssh/authorized_keys /home/admin/.ssh/ && chown -R admin /home/admin/.ssh'
    local LOGIN=admin
    ! add mosh01 && says "cannot become root" || return 1
    on mosh01 'echo "admin ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/admin && chmod 440 /etc/sudoers.d/admin'
    add mosh01 && remove mosh01 --login admin
}
check "by_a_login_with_sudo" by_admin

gone() { lab cut gate; ! remove gate && remove gate --force && ! grep -q gate "$FLEET/hosts.yaml"; }
check "force_removes_what_cannot_be_reached" gone
