# bash completion for dogwatch: subcommands and actions, their options (asked of --help), and names of sites, hosts, containers and
# jobs as the store knows them. Installed by `make install` where bash-completion looks for it.

_dogwatch_state() { # sets `state` to the --state option that is on the line so far
    local i
    state=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --state ]] && state=(--state "${COMP_WORDS[i + 1]}")
    done
}

_dogwatch_names() { # REPORT COLUMN [COLUMN=VALUE…]: the names of that kind, of rows that have one of these values
    local state
    _dogwatch_state
    dogwatch --report "$1" --since 7d --format csv "${state[@]}" 2>/dev/null | awk -F, -v want="$2" -v only="${*:3}" '
        BEGIN { n = split(only, pair, " "); for (i = 1; i <= n; i++) { split(pair[i], p, "="); column = p[1]; good[p[2]] } }
        { sub(/\r$/, "") }
        NR == 1 { for (i = 1; i <= NF; i++) { if ($i == want) c = i; if ($i == column) k = i } }
        NR > 1 && c && (!n || $k in good) { print $c }'
}

_dogwatch_actions() {
    dogwatch help 2>/dev/null | awk '/^actions:/ { on = 1; next } /^$/ { on = 0 } on { print $1 }'
}

_dogwatch() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands="console log jobs job undo cancel site evidence host check audit engine help --wallboard --report --version"
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        --fleet | --state) i=$((i + 1)) ;;
        --report | --wallboard) command=${COMP_WORDS[i]} && break ;;
        -*) ;;
        *) command=${COMP_WORDS[i]} && break ;;
        esac
    done
    COMPREPLY=()
    case $before in
    --fleet | --state) mapfile -t COMPREPLY < <(compgen -d -- "$word") && return ;;
    --output | --identity) mapfile -t COMPREPLY < <(compgen -f -- "$word") && return ;;
    --site) mapfile -t COMPREPLY < <(compgen -W "$(_dogwatch_names sites site)" -- "$word") && return ;;
    --host | --to | --on) mapfile -t COMPREPLY < <(compgen -W "$(_dogwatch_names hosts host)" -- "$word") && return ;;
    --container) mapfile -t COMPREPLY < <(compgen -W "$(_dogwatch_names containers container)" -- "$word") && return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "text csv json" -- "$word") && return ;;
    --limit | --keep | --reason) return ;;
    esac
    local words
    case $command in
    '') words="$commands $(_dogwatch_actions) --fleet --state" ;;
    --report) words="hosts sites containers volumes jobs timeline engine" ;;
    host)
        words="add list test trust remove"
        [[ $before == test || $before == trust || $before == remove ]] && words=$(_dogwatch_names hosts host)
        ;;
    site)
        words=where
        [[ $before == where ]] && words=$(_dogwatch_names sites site)
        ;;
    evidence)
        words="list show verify pull remove"
        case $before in
        pull) words=$(_dogwatch_names sites site) ;;
        show | verify | remove)
            local state
            _dogwatch_state
            words=$(dogwatch evidence list "${state[@]}" 2>/dev/null | awk 'NR > 1 { print $1 }')
            ;;
        esac
        ;;
    audit) words=verify ;;
    job) words=$(_dogwatch_names jobs job) ;;
    undo) words=$(_dogwatch_names jobs job state=done) ;;
    cancel) words=$(_dogwatch_names jobs job state=running state=planned) ;;
    help) words="$commands $(_dogwatch_actions)" ;;
    console | log | jobs | check | engine | --wallboard) words= ;;
    *) words=$(_dogwatch_names sites site) ;; # an action
    esac
    if [[ $word == -* && -n $command ]]; then
        local verb=()
        [[ $command == host || $command == site || $command == evidence ]] && verb=("${COMP_WORDS[i + 1]}")
        words=$(dogwatch "$command" "${verb[@]}" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+' | tr -d ' ')
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _dogwatch dogwatch
