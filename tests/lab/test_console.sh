#!/bin/bash
# The console and the wallboard in a real terminal (tmux) on a real fleet: what a person sees, and that keys do what they say.
. "$(dirname "$0")/lib/testing.sh"
lab_begin
terminals=0 session=
finish_console() {
    [ -z "$session" ] || tmux -L "$session" kill-server 2>/dev/null
    finish_lab
}
trap finish_console EXIT

open() { # SIZE COMMAND…
    # a server of its own each time: one that is being ended may still answer
    [ -z "$session" ] || tmux -L "$session" kill-server 2>/dev/null
    terminals=$((terminals + 1))
    session=dogwatch-$LAB_TEST-$terminals
    tmux -L "$session" -f /dev/null new-session -d -x "${1%x*}" -y "${1#*x}" "${@:2}"
}
screen() { tmux -L "$session" capture-pane -p; }
shows() { screen | grep -qE -- "$1"; }
keys() { tmux -L "$session" send-keys "$@"; }
console() { open "$1" env LC_ALL=C.UTF-8 "$DOGWATCH" --fleet "$FLEET" --state "$STATE"; }
see() { wait_for "${2:-10}" "on screen: $1; it was: $(screen)" shows "$1"; }

test_the_console_starts_an_engine_and_shows_the_hosts() {
    console 100x30
    see 'example\.org +.*running' 40 && keys 1 && see 'mosh01 +.*up' 30 && see 'mosh03 +.*up' && see 'gate +.*up'
}
test_number_keys_switch_screens() {
    keys 2 && see 'example\.org +.*running' 20 && keys 3 && see 'stray-cache' && keys 4 && see 'example\.org-data' && keys 1 && see 'mosh02'
}
test_filter_and_drill_down_and_back() {
    keys 2 && see 'tuinder' && keys / && keys -l 'chor' && keys Enter && wait_for 5 "only chorus" eval '! shows tuinder.example' &&
        see 'chorus\.example' && keys Enter && see 'chorus\.example-web' && keys Escape && see 'chorus\.example +.*running' && keys Escape && see 'tuinder'
}
test_help_is_made_of_the_key_table() {
    keys '?' && see 'R +.*restart' && keys Escape && see 'example\.org'
}
test_ctrl_c_does_not_quit() {
    keys C-c && see 'Ctrl-C' && see 'example'
}
test_restart_by_key_shows_the_plan_and_runs() {
    keys ':' && keys -l 'sites' && keys Enter && see 'kleingarten' && keys / && keys -l 'klein' && keys Enter && see 'kleingarten' &&
        wait_for 5 "only kleingarten" eval '! shows tuinder.example' && keys R && see 'SIGTERM' &&
        keys y && wait_for 40 "done" has_row jobs '.object == "kleingarten.example" and .state == "done"'
}
test_small_and_large_windows_do_not_break_it() {
    local size
    for size in 40x10 20x5 200x60 80x24; do
        tmux -L "$session" resize-window -x "${size%x*}" -y "${size#*x}"
        wait_for 5 "something at $size" shows '[a-z]' || return
    done
    keys Escape Escape && keys 1 && see 'mosh01'
}
test_completion_knows_commands_options_and_sites() {
    # shellcheck source=/dev/null
    . completion/dogwatch.bash
    dogwatch() { "$DOGWATCH" "$@"; }
    complete_words() { # WORD…: what completes the last one
        COMP_WORDS=(dogwatch --state "$STATE" "$@") COMP_CWORD=$(($# + 2))
        _dogwatch
        why="${*} completes to: ${COMPREPLY[*]}"
    }
    local command
    for command in $("$DOGWATCH" help | awk '/^  / { print $1 }'); do
        complete_words "$command"
        [[ " ${COMPREPLY[*]} " == *" $command "* ]] || return
    done
    complete_words restart klein && [ "${COMPREPLY[*]}" = kleingarten.example ] &&
        complete_words host test mosh0 && [ "${COMPREPLY[*]}" = "mosh01 mosh02 mosh03" ] &&
        complete_words restart --rea && [ "${COMPREPLY[*]}" = --reason ]
}
test_a_dead_engine_is_loud() {
    kill -9 "$(cut -d' ' -f1 <"$STATE/engine.lock")"
    see 'engine.*(not|dead|silent|stale)|no data' 40
}
test_the_wallboard_shows_and_is_loud_when_stale() {
    open 120x40 env LC_ALL=C.UTF-8 "$DOGWATCH" --wallboard --seconds 2 --state "$STATE"
    see 'mosh|[Hh]ost|STALE|stale' 20 && see 'STALE|stale|OLD|no data|not running' 40
}

run_tests
