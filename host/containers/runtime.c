/* podman and docker by their command lines. Names and IDs that go into a command line are checked by rule and stand
 * behind "--"; answers have a ceiling of 16 MiB, and a container whose description passes it hides itself alone.
 * No state; any thread. */
#include "host/containers/runtime.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "host/path.h"
#include "host/run.h"

#define ASK_LIMIT_US (10 * USEC_PER_SEC)
#define START_LIMIT_US (60 * USEC_PER_SEC)
#define PAUSE_LIMIT_US (30 * USEC_PER_SEC)
#define STOP_EXTRA_US (30 * USEC_PER_SEC) /* beyond the grace time: killing, unmounting, taking down the network */
#define ANSWER_CEILING (16u * 1024 * 1024)
#define ERRORS_CEILING (16u * 1024)
#define INSPECT_AT_ONCE 64 /* about 10 KB each: bounds the helper's memory */
#define MOST_VOLUMES 2000

struct runtime {
    const char *name;
    const char *const *programs; /* candidates */
    const char *const *traces;   /* one of these exists where the engine is in use; "DIR/" means: is not empty */
    const char *const *stores;   /* of containers, by storage driver */
    const char *volume_store;
    const char *const *version; /* arguments */
    const char *killed_words;   /* what `stop` says on standard error where SIGTERM was not enough; NULL: nothing */
};

static const struct runtime runtimes[RUNTIME_COUNT] = {
    [RUNTIME_PODMAN] = {.name = "podman",
        .programs = (const char *const[]){"/usr/bin/podman", "/usr/local/bin/podman", NULL},
        .traces =
            (const char *const[]){"/var/lib/containers/storage/", "/run/libpod/", "/run/containers/storage/", NULL},
        .stores = (const char *const[]){"/var/lib/containers/storage/overlay-containers",
            "/var/lib/containers/storage/btrfs-containers", "/var/lib/containers/storage/zfs-containers",
            "/var/lib/containers/storage/vfs-containers", NULL},
        .volume_store = "/var/lib/containers/storage/volumes",
        .version = (const char *const[]){"version", "--format", "{{.Client.Version}}", NULL},
        .killed_words = "resorting to SIGKILL"},
    [RUNTIME_DOCKER] = {.name = "docker",
        .programs = (const char *const[]){"/usr/bin/docker", "/usr/local/bin/docker", "/snap/bin/docker", NULL},
        .traces =
            (const char *const[]){"/run/docker.sock", "/var/run/docker.sock", "/var/lib/docker/containers/", NULL},
        .stores = (const char *const[]){"/var/lib/docker/containers", NULL},
        .volume_store = "/var/lib/docker/volumes",
        .version = (const char *const[]){"version", "--format", "{{.Server.Version}}", NULL}},
};

const char *runtime_name(enum runtime_kind kind)
{
    return runtimes[kind].name;
}

enum runtime_kind runtime_by_name(const char *name)
{
    for (enum runtime_kind kind = 0; name && kind < RUNTIME_COUNT; kind++)
        if (strcmp(runtimes[kind].name, name) == 0)
            return kind;
    return RUNTIME_COUNT;
}

const char *const *runtime_container_stores(enum runtime_kind kind)
{
    return runtimes[kind].stores;
}

const char *runtime_volume_store(enum runtime_kind kind)
{
    return runtimes[kind].volume_store;
}

bool runtime_id_is_valid(const char *id)
{
    return id && strlen(id) == RUNTIME_ID_SIZE - 1 && strspn(id, "0123456789abcdef") == RUNTIME_ID_SIZE - 1;
}

/* --- is it there ----------------------------------------------------------------------------------------------------
 */

bool runtime_program(enum runtime_kind kind, char out[HOST_PATH_SIZE])
{
    for (const char *const *candidate = runtimes[kind].programs; *candidate; candidate++)
        if (access(host_path(out, HOST_PATH_SIZE, *candidate), X_OK) == 0)
            return true;
    return false;
}

bool runtime_is_used(enum runtime_kind kind)
{
    char path[HOST_PATH_SIZE];
    if (!runtime_program(kind, path))
        return false;
    for (const char *const *trace = runtimes[kind].traces; *trace; trace++) {
        host_path(path, sizeof path, *trace);
        if (str_ends(path, "/") ? paths_count_entries(path, 1) > 0 : access(path, F_OK) == 0)
            return true;
    }
    return false;
}

/* --- one call -------------------------------------------------------------------------------------------------------
 */

/* The last line with something on it, sanitised: where command lines say what went wrong. */
static void last_line(const struct buf *errors, char *out, size_t out_size)
{
    const char *text = buf_text(errors);
    size_t end = errors->length;
    while (end > 0 && (text[end - 1] == '\n' || text[end - 1] == '\r' || text[end - 1] == ' '))
        end--;
    size_t begin = end;
    while (begin > 0 && text[begin - 1] != '\n')
        begin--;
    sanitize(out, out_size, text + begin, end - begin);
}

struct call {
    const char *const *words; /* NULL-terminated */
    const char *const *names; /* behind the words and "--" */
    size_t name_count;
    const char *const *environment; /* further entries, as of run_program_with */
    int64_t limit_us;
};

/* Run the engine's CLI. A status other than 0 is ERR_FAILED, but what was said stays in `out`. `errors` is the
 * caller's. */
static enum err ask(
    enum runtime_kind kind, const struct call *call, struct buf *out, struct buf *errors, struct err_info *info)
{
    char program[HOST_PATH_SIZE], said[400];
    VEC(const char *) argv = {0};
    int status = 0;
    if (!runtime_program(kind, program))
        return err_set(info, ERR_NOT_FOUND, "%s is not installed on this host", runtime_name(kind));
    vec_push(&argv, program);
    for (const char *const *word = call->words; *word; word++)
        vec_push(&argv, *word);
    if (call->name_count)
        vec_push(&argv, "--");
    for (size_t i = 0; i < call->name_count; i++)
        vec_push(&argv, call->names[i]);
    vec_push(&argv, NULL);
    enum err result = run_program_with(argv.items, call->environment, call->limit_us, out, errors, &status, info);
    vec_free(&argv);
    if (result != ERR_OK || status == 0)
        return result;
    last_line(errors, said, sizeof said);
    return err_set(info, ERR_FAILED, "%s %s failed (%d)%s%s", runtime_name(kind), call->words[0], status,
        said[0] ? ": " : "", said);
}

static enum err ask_plainly(enum runtime_kind kind, const struct call *call, struct buf *out, struct err_info *info)
{
    struct buf errors = BUF(ERRORS_CEILING);
    enum err result = ask(kind, call, out, &errors, info);
    buf_free(&errors);
    return result;
}

enum err runtime_command(
    enum runtime_kind kind, const char *const *words, int64_t limit_us, struct buf *out, struct err_info *info)
{
    return ask_plainly(kind, &(struct call){.words = words, .limit_us = limit_us}, out, info);
}

enum err runtime_command_with(enum runtime_kind kind, const char *const *words, const char *const *environment,
    int64_t limit_us, struct err_info *info)
{
    const struct call call = {.words = words, .environment = environment, .limit_us = limit_us};
    return ask_plainly(kind, &call, NULL, info);
}

static enum err ask_for_text(enum runtime_kind kind, const char *const *words, struct buf *out, struct err_info *info)
{
    return runtime_command(kind, words, ASK_LIMIT_US, out, info);
}

/* The next line of *text, ended in place; NULL at the end. */
static char *next_line(char **text)
{
    char *line = *text;
    if (!line || *line == '\0')
        return NULL;
    size_t length = strcspn(line, "\n");
    *text = line[length] ? line + length + 1 : line + length;
    line[length] = '\0';
    return line;
}

enum err runtime_version(enum runtime_kind kind, char out[RUNTIME_VERSION_SIZE], struct err_info *info)
{
    struct buf said = BUF(4096);
    out[0] = '\0';
    enum err result = ask_for_text(kind, runtimes[kind].version, &said, info);
    if (result == ERR_OK)
        sanitize(out, RUNTIME_VERSION_SIZE, buf_text(&said), strcspn(buf_text(&said), "\r\n"));
    buf_free(&said);
    return result;
}

/* --- what there is --------------------------------------------------------------------------------------------------
 */

/* "Up 5 minutes (healthy)" → "Up(healthy)": the first word and what stands in parentheses. */
static void keep_what_is_stable(const char *status, char out[RUNTIME_STATUS_SIZE])
{
    size_t length = 0, depth = 0;
    bool first_word = true;
    for (; *status && length < RUNTIME_STATUS_SIZE - 1; status++) {
        first_word = first_word && *status != ' ';
        depth += *status == '(';
        if (first_word || depth)
            out[length++] = *status;
        depth -= *status == ')' && depth;
    }
    out[length] = '\0';
}

/* End the text at its first '|' and return what is behind it, "" where there is none. */
static char *cut_column(char *text)
{
    size_t length = strcspn(text, "|");
    bool any = text[length] == '|';
    text[length] = '\0';
    return text + length + any;
}

enum err runtime_list(enum runtime_kind kind, struct runtime_rows *rows, struct err_info *info)
{
    static const char *const words[] = {"ps", "-a", "--no-trunc", "--format", "{{.ID}}|{{.Status}}|{{.Names}}", NULL};
    struct buf said = BUF(ANSWER_CEILING);
    *rows = (struct runtime_rows){0};
    enum err result = ask_for_text(kind, words, &said, info);
    char *text = said.data;
    for (char *line; result == ERR_OK && (line = next_line(&text)) && rows->count < RUNTIME_MOST_CONTAINERS;) {
        char *status = cut_column(line), *names = cut_column(status);
        if (!runtime_id_is_valid(line))
            continue;
        struct runtime_row *row = vec_add(rows);
        str_copy(row->id, sizeof row->id, line);
        str_copy(row->names, sizeof row->names, names);
        keep_what_is_stable(status, row->status);
    }
    buf_free(&said);
    return result;
}

bool runtime_next_element(const char **cursor, size_t *left, const char **element, size_t *length)
{
    const char *text = *cursor;
    size_t i = 0, depth = 0, count = *left;
    bool in_text = false;
    while (i < count && strchr("[, \t\r\n", text[i]) && text[i])
        i++;
    size_t begin = i;
    for (; i < count && text[i]; i++) {
        if (in_text && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            in_text = !in_text;
        else if (!in_text && (text[i] == '{' || text[i] == '['))
            depth++;
        else if (!in_text && depth > 0 && (text[i] == '}' || text[i] == ']') && --depth == 0)
            break;
        else if (!in_text && depth == 0)
            return false; /* the array's end, or no object */
    }
    if (i >= count || text[i] == '\0')
        return false; /* cut */
    *element = text + begin;
    *length = i + 1 - begin;
    *cursor = text + i + 1;
    *left = count - i - 1;
    return true;
}

/* "\u0000" in a text becomes "\ufffd" in place: jansson refuses a whole text for it, and a label must not hide a
 * container. */
static void replace_nul_escapes(struct buf *said)
{
    for (size_t i = 0; i + 1 < said->length; i++) {
        if (said->data[i] != '\\')
            continue;
        if (said->length - i >= 6 && memcmp(said->data + i, "\\u0000", 6) == 0)
            memcpy(said->data + i, "\\ufffd", 6);
        i++; /* what is escaped begins no escape */
    }
}

static void visit_each(enum runtime_kind kind, const struct buf *said, runtime_visitor *visit, void *context)
{
    const char *cursor = buf_text(said), *element;
    size_t left = said->length, length;
    while (runtime_next_element(&cursor, &left, &element, &length)) {
        json_t *description;
        struct err_info info;
        if (json_parse(element, length, &description, &info) == ERR_OK)
            visit(description, context);
        else
            log_warning("%s described something in words that are no JSON: %s", runtime_name(kind), info.message);
        json_decref(description);
    }
}

/* One call for up to INSPECT_AT_ONCE names. Where the answer passes its ceiling, the halves are asked for, until the
 * one that is too large is alone. A failure with an answer is no failure: one of the names was gone. */
static enum err inspect_some(enum runtime_kind kind, const char *const *words, const char *const *names, size_t count,
    runtime_visitor *visit, void *context, struct err_info *info)
{
    const struct call call = {.words = words, .names = names, .name_count = count, .limit_us = ASK_LIMIT_US};
    struct buf said = BUF(ANSWER_CEILING), errors = BUF(ERRORS_CEILING);
    enum err result = ask(kind, &call, &said, &errors, info);
    if (result == ERR_OK || (result == ERR_FAILED && strchr(buf_text(&said), '['))) {
        replace_nul_escapes(&said);
        visit_each(kind, &said, visit, context);
        result = ERR_OK;
    }
    buf_free(&said);
    buf_free(&errors);
    if (result != ERR_FULL)
        return result;
    if (count == 1) {
        log_warning(
            "%s describes %s in more than %u bytes: it is left out", runtime_name(kind), names[0], ANSWER_CEILING);
        return ERR_OK;
    }
    result = inspect_some(kind, words, names, count / 2, visit, context, info);
    if (result == ERR_OK)
        result = inspect_some(kind, words, names + count / 2, count - count / 2, visit, context, info);
    return result;
}

static enum err inspect_all(enum runtime_kind kind, const char *const *words, const char *const *names, size_t count,
    runtime_visitor *visit, void *context, struct err_info *info)
{
    enum err result = ERR_OK;
    for (size_t at = 0; at < count && result == ERR_OK; at += INSPECT_AT_ONCE) {
        size_t some = count - at < INSPECT_AT_ONCE ? count - at : INSPECT_AT_ONCE;
        result = inspect_some(kind, words, names + at, some, visit, context, info);
    }
    return result;
}

enum err runtime_inspect(enum runtime_kind kind, const char *const *ids, size_t count, runtime_visitor *visit,
    void *context, struct err_info *info)
{
    static const char *const words[] = {"container", "inspect", NULL};
    return inspect_all(kind, words, ids, count, visit, context, info);
}

enum err runtime_describe(enum runtime_kind kind, const char *object, const char *const *names, size_t count,
    runtime_visitor *visit, void *context, struct err_info *info)
{
    const char *const words[] = {object, "inspect", NULL};
    return inspect_all(kind, words, names, count, visit, context, info);
}

enum err runtime_volumes(enum runtime_kind kind, runtime_visitor *visit, void *context, struct err_info *info)
{
    static const char *const list_words[] = {"volume", "ls", "-q", NULL};
    static const char *const inspect_words[] = {"volume", "inspect", NULL};
    struct buf said = BUF(ANSWER_CEILING);
    VEC(const char *) names = {0};
    enum err result = ask_for_text(kind, list_words, &said, info);
    char *text = said.data;
    for (char *line; result == ERR_OK && (line = next_line(&text)) && names.count < MOST_VOLUMES;)
        if (name_is_valid_container(line))
            vec_push(&names, line);
    if (result == ERR_OK && names.count)
        result = inspect_all(kind, inspect_words, names.items, names.count, visit, context, info);
    vec_free(&names);
    buf_free(&said);
    return result;
}

/* --- what changes it ------------------------------------------------------------------------------------------------
 */

enum err runtime_stop(enum runtime_kind kind, const char *id, int grace_s, bool *killed, struct err_info *info)
{
    char grace[16];
    struct buf errors = BUF(ERRORS_CEILING);
    *killed = false;
    str_format(grace, sizeof grace, "%d", grace_s);
    const char *const words[] = {"stop", "-t", grace, NULL};
    const struct call call = {
        .words = words, .names = &id, .name_count = 1, .limit_us = grace_s * USEC_PER_SEC + STOP_EXTRA_US};
    enum err result = ask(kind, &call, NULL, &errors, info);
    if (runtimes[kind].killed_words)
        *killed = strstr(buf_text(&errors), runtimes[kind].killed_words) != NULL;
    buf_free(&errors);
    return result;
}

/* A verb on one container that says nothing when all is well. */
static enum err command(
    enum runtime_kind kind, const char *verb, const char *id, int64_t limit_us, struct err_info *info)
{
    const char *const words[] = {verb, NULL};
    const struct call call = {.words = words, .names = &id, .name_count = 1, .limit_us = limit_us};
    return ask_plainly(kind, &call, NULL, info);
}

enum err runtime_start(enum runtime_kind kind, const char *id, struct err_info *info)
{
    return command(kind, "start", id, START_LIMIT_US, info);
}

enum err runtime_pause(enum runtime_kind kind, const char *id, struct err_info *info)
{
    return command(kind, "pause", id, PAUSE_LIMIT_US, info);
}

enum err runtime_unpause(enum runtime_kind kind, const char *id, struct err_info *info)
{
    return command(kind, "unpause", id, PAUSE_LIMIT_US, info);
}
