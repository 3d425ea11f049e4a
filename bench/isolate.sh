#!/bin/bash
# How fast a site that talks to the world is silenced, and what its evidence costs, stage by stage, beside the same done by hand
# on the host in the same run. The site has a volume of 435 MB. A lab of its own ("bench-isolate"), taken down afterwards; skipped
# where none can be made.
set -u
LAB_TEST=bench-isolate
# shellcheck source=/dev/null
. "$(dirname "$0")/../tests/lab/lib/testing.sh"
. tests/lab/lib/moving.sh
if ! tests/lab/lab up --name $LAB_TEST --interval 2s >"$scratch/up" 2>&1; then
    echo "isolate: skipped: $(sed -n '$s/^lab: //p' "$scratch/up")"
    rm -rf "$scratch"
    exit 0
fi
trap finish_lab EXIT
trap 'exit 130' INT TERM HUP
eval "$(lab env)"
start_engine && wait_for 30 "sites" sites_known || { echo "isolate: $why"; exit 1; }
EAR=$((9000 + RANDOM % 900))
here=${LAB_GATE%.*}.1

# The stages by hand, on the host: a line "STAGE MILLISECONDS" each.
by_hand() {
    lab exec mosh01 bash -s <<'HOST'
name=ledger.example-ledger out=/var/tmp/by-hand
mkdir -p $out
pid=$(podman inspect -f '{{.State.Pid}}' $name)
peer=$(nsenter -t "$pid" -n ip -o link show eth0 | sed 's/.*@if\([0-9]*\):.*/\1/')
veth=$(ip -o link | awk -F': ' -v n="$peer" '$1 == n { sub("@.*", "", $2); print $2 }')
stage() { local began=$(date +%s%N); shift; "$@" >/dev/null 2>&1; echo "$stage $((($(date +%s%N) - began) / 1000000))"; }
memory() { # private, readable regions, as they lie there
    local range rest
    while read -r range rest; do
        case $rest in r?-p*) dd if=/proc/"$pid"/mem bs=4096 skip=$((16#${range%-*} / 4096)) count=$(((16#${range#*-} - 16#${range%-*}) / 4096)); esac
    done </proc/"$pid"/maps >$out/memory
}
seal() { (cd $out && sha256sum -- * >manifest && ssh-keygen -q -Y sign -n by-hand -f /etc/ssh/ssh_host_ed25519_key manifest); }
stage=contain; stage . nft -f - <<NFT
table netdev by_hand { chain in { type filter hook ingress device "$veth" priority -500; policy drop; } }
NFT
stage=sockets; stage . sh -c "nsenter -t $pid -n ss -tunapo >$out/sockets"
stage=processes; stage . sh -c "for p in \$(podman top $name hpid | tail -n +2); do cat /proc/\$p/cmdline /proc/\$p/environ /proc/\$p/maps /proc/\$p/status; ls -l /proc/\$p/fd; done >$out/processes"
stage=freeze; stage . podman pause $name
stage=memory; stage . memory
stage=containers; stage . sh -c "podman inspect $name >$out/inspect; podman diff $name >$out/diff; podman logs $name >$out/logs 2>&1"
stage=filesystem; stage . podman export -o $out/filesystem.tar $name
stage=volumes; stage . tar -C "$(podman volume inspect -f '{{.Mountpoint}}' ledger.example-data)" -cf $out/volume.tar .
stage=seal; stage . seal
podman unpause $name >/dev/null
nft delete table netdev by_hand
rm -rf $out
HOST
}

lab fill ledger.example data 400 435000000
"$BUILD/tests/listen" $EAR >"$scratch/heard" &
ear=$!
by_hand >"$scratch/hand"
wait_for 20 "the site is seen" has_row sites '.site == "ledger.example" and .state == "running" and .age_s < 4'
lab exec mosh01 podman exec -d ledger.example-ledger /bin/coop-ledger talk "$here" $EAR >/dev/null
read -r -t 1 <> <(:) || true # it talks for a second first
asked=$(date +%s%6N)
act isolate ledger.example
result=$?
kill -TERM $ear && wait $ear
[ $result = 0 ] || { echo "isolate: $why"; exit 1; }
last=$(jq .last_datagram_us "$scratch/heard")
echo "isolate, a site with 435 MB in its volume"
awk -v us=$((last - asked)) -v heard="$(jq .datagrams "$scratch/heard")" 'BEGIN { printf "  %-32s %7.0f ms   (of %d datagrams)\n", "asked for to last packet heard", us / 1000, heard }'
printf '  %-32s %10s %10s %7s\n' '' ours 'by hand' ratio
# shellcheck disable=SC2016
jq -r 'def us: (.[0:19] + "Z" | fromdate) * 1000 + (.[20:23] | tonumber);
    .steps[] | select(.started != null and .ended != null) | "\(.step)\t\((.ended | us) - (.started | us))\t\(.command)"' <<<"$out" >"$scratch/ours"
awk -F '\t' -v hands="$scratch/hand" '
    BEGIN { while ((getline line <hands) > 0) { split(line, w, " "); hand[w[1]] = w[2] } }
    { name = $1; for (stage in hand) if (name == "evidence" && index($3, stage)) name = stage
      known = name in hand
      printf "  %-32s %7d ms", $1 == name ? name : $1 ": " name, $2
      if (known) printf " %7d ms %7.2f", hand[name], hand[name] ? $2 / hand[name] : 0
      print "" }' "$scratch/ours"
act release ledger.example || { echo "release: $why"; exit 1; }
printf '  %-32s %7d ms\n' release "$(steps_ms "$out" $(jq -r '.steps[].step' <<<"$out" | sort -u))"
