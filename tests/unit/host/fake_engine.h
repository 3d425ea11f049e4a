/* A container engine made of a shell script and a few files in a test's tree: it lists, describes, stops and starts,
 * and writes down how it was called. */
#ifndef TESTS_UNIT_HOST_FAKE_ENGINE_H
#define TESTS_UNIT_HOST_FAKE_ENGINE_H

#include "base/buf.h"
#include "tests/unit/host/tree.h"

/* 64 digits that end in the two given ones. */
#define FAKE_ID(two) "00112233445566778899aabbccddeeff00112233445566778899aabbccddee" two

/* STATE/ID: "state|exit code|pid"; STATE/ID.more: further JSON members; STATE/ID.health: what its check says;
 * STATE/ID.stop: what happens at a stop (a number: the exit code; "stuck": it is refused); STATE/ID.start: why it does
 * not start. STATE/network: why no network can be changed. STATE/down: the engine fails with this. STATE/hang: it does
 * not answer. */
static const char fake_engine_script[] =
    "#!/bin/sh\n"
    "name=${0##*/}; root=${0%/usr/bin/*}; state=$root/state-$name\n"
    "echo \"$*\" >>$root/calls-$name\n"
    "[ -e $state/hang ] && exec sleep 1000\n"
    "[ -e $state/down ] && { cat $state/down >&2; exit 125; }\n"
    "containers() { (cd $state && ls | grep -E '^[0-9a-f]{64}$'); }\n"
    "describe() { IFS='|' read -r s e p <$state/$1\n"
    "  h=; [ -e $state/$1.health ] && h=\",\\\"Health\\\":{\\\"Status\\\":\\\"$(cat $state/$1.health)\\\"}\"\n"
    "  echo \"{\\\"Id\\\":\\\"$1\\\",\\\"State\\\":{\\\"Status\\\":\\\"$s\\\",\\\"ExitCode\\\":$e,\\\"Pid\\\":$p$h}\"\n"
    "  [ -e $state/$1.more ] && cat $state/$1.more; echo '}'; }\n"
    "for last; do :; done\n"
    "case $1 in\n"
    "ps) for id in $(containers); do IFS='|' read -r s e p <$state/$id\n"
    "  [ -e $state/$id.health ] && e=$(cat $state/$id.health)\n"
    "  name=$(head -c 200 $state/$id.more | cut -d'\"' -f4); echo \"$id|$s ($e) 3 minutes ago|$name\"; done ;;\n"
    "version) echo 1.2.3 ;;\n"
    "container) shift 3; echo '['; comma=\n"
    "  for id; do [ -e $state/$id ] && { printf '%s' \"$comma\"; describe $id; comma=,; }; done; echo ']' ;;\n"
    "volume) [ $2 = ls ] && { cat $state/volumes 2>/dev/null; exit 0; }\n"
    "  shift 3; echo '['; comma=; for v; do\n"
    "  printf '%s' \"$comma{\\\"Name\\\":\\\"$v\\\",\\\"Mountpoint\\\":\\\"/volumes/$v\\\"}\"; comma=,; done; echo ']' "
    ";;\n"
    "stop) how=$(cat $state/$last.stop 2>/dev/null || echo 0)\n"
    "  [ $how = stuck ] && { echo \"Error: it cannot be stopped\" >&2; exit 125; }\n"
    "  echo \"exited|$how|0\" >$state/$last ;;\n"
    "network) [ ! -e $state/network ] || { cat $state/network >&2; exit 1; } ;;\n"
    "start) [ -e $state/$last.start ] && { echo 'first line' >&2; cat $state/$last.start >&2; exit 125; }\n"
    "  echo 'running|0|4242' >$state/$last ;;\n"
    "esac\n";

/* `name` is "podman" or "docker"; what makes it count as in use is made as well. */
static inline void fake_engine_make(const struct tree *host, const char *name)
{
    char path[TREE_PATH_SIZE];
    str_format(path, sizeof path, "/usr/bin/%s", name);
    tree_script(host, path, fake_engine_script);
    str_format(path, sizeof path, "/state-%s", name);
    tree_dir(host, path);
    tree_dir(host, "/var/lib/containers/storage/libpod");
    if (strcmp(name, "docker") == 0)
        tree_write(host, "/run/docker.sock", "");
}

static inline void fake_engine_write(const struct tree *host, const char *engine, const char *file, const char *text)
{
    char path[TREE_PATH_SIZE];
    str_format(path, sizeof path, "/state-%s/%s", engine, file);
    tree_write(host, path, text);
}

/* A container: `state` as above, `more` further members of its description after the name. */
static inline void fake_engine_add(
    const struct tree *host, const char *engine, const char *id, const char *name, const char *state, const char *more)
{
    char file[80];
    char *text = xasprintf(",\"Name\":\"%s\"%s%s", name, *more ? "," : "", more);
    fake_engine_write(host, engine, id, state);
    str_format(file, sizeof file, "%s.more", id);
    fake_engine_write(host, engine, file, text);
    free(text);
}

/* How it was called since the last time, one call a line; the caller frees. */
static inline char *fake_engine_calls(const struct tree *host, const char *engine)
{
    char path[TREE_PATH_SIZE], file[64];
    struct buf calls = BUF(1u << 20);
    str_format(file, sizeof file, "/calls-%s", engine);
    buf_read_file(&calls, tree_path(host, path, file), NULL);
    unlink(path);
    buf_puts(&calls, "");
    return buf_take(&calls);
}

#endif
