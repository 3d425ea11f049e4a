#!/bin/bash
# What the helper costs a host with N containers, sampled every 10 s, beside `podman stats` doing the same.
# The budget is 0.1 % of one core and 5 MB; the container engine's own programs, which the helper calls every three minutes and when
# something changed, are shown apart. So the time is a multiple of three minutes; what is asked every half hour is measured
# once and reckoned in. The lab's own containers have health checks, run every five seconds. Runs on the first host of a lab of its own ("bench"), which is taken down afterwards; in a lab that is
# up already with BENCH_LAB=NAME. Environment: BENCH_CONTAINERS (50), BENCH_SECONDS (360), BENCH_INTERVAL_S (10).
set -u
cd "$(dirname "$0")/.." || exit 2
build=${DOGWATCH_BUILD:-$PWD/build}
containers=${BENCH_CONTAINERS:-50} seconds=${BENCH_SECONDS:-360} interval=${BENCH_INTERVAL_S:-10}
lab=${BENCH_LAB:-bench}
[ -x "$build/dogwatch-host" ] || { echo "helper: skipped, $build/dogwatch-host is not built" && exit 0; }

if [ -z "${BENCH_LAB:-}" ]; then
    tests/lab/lab up --name "$lab" --hosts 1 --no-enrol >/dev/null
    case $? in
    0) trap 'tests/lab/lab down --name "$lab" >/dev/null' EXIT ;;
    77) echo "helper: skipped, no lab can be made here" && exit 0 ;;
    *) exit 1 ;;
    esac
fi
on_host() { tests/lab/lab exec --name "$lab" mosh01 "$@"; }

on_host sh -c 'cat >/run/bench-helper && chmod 755 /run/bench-helper' <"$build/dogwatch-host" || exit 1

# The rest runs on the host.
on_host bash -s "$containers" "$seconds" "$interval" <<'HOST'
set -u
containers=$1 seconds=$2 interval=$3
hz=$(getconf CLK_TCK)
image=$(podman ps --format '{{.Image}}' | head -n 1)
running=$(podman ps --quiet | wc -l)
for ((i = running + 1; i <= containers; i++)); do
    podman run --detach --name "bench-$i" --label dogwatch.site=bench --memory 32m --entrypoint '["/bin/sleep"]' "$image" 1000000 >/dev/null ||
        { echo "helper: container $i of $containers could not be started" && break; }
done
running=$(podman ps --quiet | wc -l)

# microseconds of CPU: own threads to the nanosecond, reaped children to the tick
own_us() { cat /proc/"$1"/task/*/schedstat | awk '{ t += $1 } END { printf "%d", t / 1000 }'; }
children_us() { sed 's/.*) //' "/proc/$1/stat" | awk -v hz="$hz" '{ printf "%d", ($14 + $15) * 1000000 / hz }'; }
memory_kb() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
pct() { awk -v used="$1" -v over="$2" 'BEGIN { printf "%.3f %%", used * 100 / over }'; }

directory=$(mktemp -d)
mkfifo "$directory/in"
/run/bench-helper --role viewer <"$directory/in" >"$directory/out" &
helper=$!
exec 9>"$directory/in"
printf '%s\n' '{"id":1,"verb":"hello","args":{"protocol":1,"idle_s":3600}}' \
    '{"id":2,"verb":"subscribe","args":{"interval_ms":'$((interval * 1000))'}}' >&9
for ((i = 0; i < 300; i++)); do # until the containers are known and the first rush is over
    [ "$(grep -c '"sample"' "$directory/out")" -ge 3 ] && break
    sleep 0.2
done
own=$(own_us "$helper") children=$(children_us "$helper") samples=$(grep -c '"sample"' "$directory/out")
sleep "$seconds"
own=$(($(own_us "$helper") - own)) children=$(($(children_us "$helper") - children))
samples=$(($(grep -c '"sample"' "$directory/out") - samples))
# all containers and volumes described anew, as every half hour
all=$(($(own_us "$helper") + $(children_us "$helper")))
printf '%s\n' '{"id":3,"verb":"inventory"}' >&9
for ((i = 0; i < 300; i++)); do
    grep -q '^{"id":3,' "$directory/out" && break
    sleep 0.1
done
all=$(($(own_us "$helper") + $(children_us "$helper") - all))
echo "host with $running containers, a sample every $interval s, over $seconds s ($samples samples)"
printf '  %-34s %s of a core, %s KB resident (peak %s KB), %d threads\n' "dogwatch-host itself" \
    "$(pct "$own" $((seconds * 1000000)))" "$(memory_kb "$helper" VmRSS)" "$(memory_kb "$helper" VmHWM)" \
    "$(memory_kb "$helper" Threads)"
printf '  %-34s %s of a core\n' "the engine's programs it called" "$(pct "$children" $((seconds * 1000000)))"
printf '  %-34s %s of a core (%d ms each time)\n' "everything anew, every half hour" "$(pct "$all" 1800000000)" $((all / 1000))
printf '  %-34s %s of a core\n' "together (budget 0.1 %, 5 MB)" \
    "$(pct $((own + children + all * seconds / 1800)) $((seconds * 1000000)))"
printf '  %-34s %s bytes a sample\n' "" "$(grep '"sample"' "$directory/out" | tail -n 1 | wc -c)"
exec 9>&-
wait "$helper"

# The same figures by podman's own means: five calls, each reckoned as one per interval.
stats_us=0 peak_kb=0 calls=5
for ((i = 0; i < calls; i++)); do
    before=$(children_us $$)
    podman stats --no-stream --format json >/dev/null &
    stats=$!
    while kill -0 "$stats" 2>/dev/null; do
        now_kb=$(memory_kb "$stats" VmHWM 2>/dev/null)
        [ "${now_kb:-0}" -gt "$peak_kb" ] && peak_kb=$now_kb
        read -rt 0.01 <> <(:)
    done
    wait "$stats"
    stats_us=$((stats_us + $(children_us $$) - before))
done
printf '  %-34s %s of a core, peak %s KB each time\n' "podman stats every $interval s" \
    "$(pct $((stats_us / calls)) $((interval * 1000000)))" "$peak_kb"

rm -rf "$directory" /run/bench-helper
for ((i = 1; i <= containers; i++)); do echo "bench-$i"; done | xargs podman rm --force --time 0 --ignore >/dev/null
HOST
