# bash completion for dogwatch: subcommands, their options (asked of --help), and names of sites, hosts and containers as the
# store knows them. Installed by `make install` where bash-completion looks for it.

_dogwatch_names() { # REPORT COLUMN: the names of that kind, from the store named on the line so far
    local state=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        [[ ${COMP_WORDS[i]} == --state ]] && state=(--state "${COMP_WORDS[i + 1]}")
    done
    dogwatch --report "$1" --format csv "${state[@]}" 2>/dev/null | awk -F, -v want="$2" '
        { sub(/\r$/, "") } NR == 1 { for (i = 1; i <= NF; i++) if ($i == want) c = i } NR > 1 && c { print $c }'
}

_dogwatch() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command='' i
    local commands="console log jobs job host check audit engine help --wallboard --report --version restart"
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
    --host) mapfile -t COMPREPLY < <(compgen -W "$(_dogwatch_names hosts host)" -- "$word") && return ;;
    --container) mapfile -t COMPREPLY < <(compgen -W "$(_dogwatch_names containers container)" -- "$word") && return ;;
    --format) mapfile -t COMPREPLY < <(compgen -W "text csv json" -- "$word") && return ;;
    esac
    local words
    case $command in
    '') words="$commands --fleet --state" ;;
    --report) words="hosts sites containers volumes jobs timeline engine" ;;
    host)
        words="add list test trust remove"
        [[ $before == test || $before == trust || $before == remove ]] && words=$(_dogwatch_names hosts host)
        ;;
    audit) words=verify ;;
    restart) words=$(_dogwatch_names sites site) ;;
    *) words= ;;
    esac
    if [[ $word == -* && -n $command ]]; then
        local verb=()
        [[ $command == host ]] && verb=("${COMP_WORDS[i + 1]}")
        words=$(dogwatch "$command" "${verb[@]}" --help 2>/dev/null | grep -oE -- '^ +--[a-z-]+' | tr -d ' ')
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
}
complete -F _dogwatch dogwatch
