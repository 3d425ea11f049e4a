/* Steps that bring a site's image and volumes to another host: directly where the two reach one another, else through
 * this engine; of storage both can mount, the mount alone. Every one may be run again, copying goes on where it was.
 * "from" and "to" in a step's parameters are the two ends. Runs in the job's thread. */
#include "actions/step.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"

#define ASK_TIMEOUT_US (60 * USEC_PER_SEC)
#define MOUNT_TIMEOUT_US (90 * USEC_PER_SEC) /* a server of the network may take its time */
#define COPY_TIMEOUT_US                                                                                                \
    (INT64_C(24) * 3600 * USEC_PER_SEC) /* silence ends it long before: connections have heartbeats */
#define GRANT_S 86400
#define PASSES_MAX 6
#define SHORT_PASS_MS 1500 /* another one would not be much shorter */

/* --- one transfer ------------------------------------------------------------------------------------------------- */

struct transfer {
    struct step_context *context;
    const struct plan_step *step;
    const json_t *what; /* "what", and "volume" or the image's members */
    int pass;           /* from 1; 0: an image */
    bool last;
    int64_t took_ms, bytes, files;
    bool direct;
};

/* For one of the ends: each has an engine of its own. */
static json_t *new_args(const struct transfer *transfer, const char *runtime)
{
    json_t *args = json_object();
    json_object_update(args, (json_t *)transfer->what);
    json_put_text(args, "runtime", step_text(transfer->step, runtime));
    return args;
}

/* Where the target's sshd is, for the source. */
static json_t *target_address_of(
    struct step_context *context, const char *host, const json_t *grant, struct err_info *info)
{
    char address[ADDRESS_SIZE], key[HOST_KEY_TEXT_SIZE], line[HOST_KEY_TEXT_SIZE + ADDRESS_SIZE + 16];
    uint16_t port;
    bool has_jump;
    if (!step_host_address(context, host, address, &port, &has_jump) ||
        !step_host_key(context, host, key, sizeof key)) {
        err_set(info, ERR_UNREACHABLE, "where %s is, or which key it has, is not known", host);
        return NULL;
    }
    if (port && port != 22)
        str_format(line, sizeof line, "[%s]:%d %s", address, port, key);
    else
        str_format(line, sizeof line, "%s %s", address, key);
    json_t *to = json_object(), *keys = json_array();
    json_put_text(to, "address", address);
    json_put_i64(to, "port", port ? port : 22);
    json_put_text(to, "user", json_get_text(grant, "user"));
    json_array_append_new(keys, json_string(line));
    json_object_set_new(to, "host_keys", keys);
    return to;
}

/* The source's address and a key of its own, for the target's grant. */
static enum err add_grant(const struct transfer *transfer, json_t *args, struct err_info *info)
{
    char address[ADDRESS_SIZE];
    uint16_t port;
    bool has_jump;
    json_t *key = NULL;
    const char *from = step_text(transfer->step, "from");
    if (!step_host_address(transfer->context, from, address, &port, &has_jump))
        return err_set(info, ERR_NOT_FOUND, "%s is not in the fleet files any more", from);
    enum err err = step_request(transfer->context, from, "transfer.key", NULL, ASK_TIMEOUT_US, &key, info);
    if (!err) {
        json_put_text(args, "from", address);
        json_put_text(args, "public_key", json_get_text(key, "public_key"));
    }
    json_decref(key);
    return err;
}

static enum err open_target(const struct transfer *transfer, bool direct, json_t **grant, struct err_info *info)
{
    json_t *args = new_args(transfer, "runtime");
    json_put_i64(args, "ttl_s", GRANT_S);
    enum err err = direct ? add_grant(transfer, args, info) : ERR_OK;
    if (err) {
        json_decref(args);
        return err;
    }
    return step_request(
        transfer->context, step_text(transfer->step, "to"), "transfer.open", args, ASK_TIMEOUT_US, grant, info);
}

static json_t *send_args(const struct transfer *transfer, const json_t *grant)
{
    json_t *args = new_args(transfer, "from_runtime");
    int64_t limit = 0;
    json_get_i64(transfer->step->parameters, "limit_bytes_s", &limit);
    json_put_text(args, "token", json_get_text(grant, "token"));
    json_put_i64(args, "pass", transfer->pass ? transfer->pass : 1);
    json_put_bool(args, "last", transfer->last);
    json_put_i64(args, "limit_bytes_s", limit);
    return args;
}

static void take_result(struct transfer *transfer, const json_t *answer)
{
    json_get_i64(answer, "took_ms", &transfer->took_ms);
    json_get_i64(answer, "bytes", &transfer->bytes);
    json_get_i64(answer, "files", &transfer->files);
}

/* Asked once in a job: a connection that is swallowed on its way costs its whole time limit. */
static enum err check_way(const struct transfer *transfer, const json_t *to, struct err_info *info)
{
    json_t *answer = NULL;
    bool reachable = false;
    if (step_recall(transfer->context, "reachable"))
        return ERR_OK;
    json_t *args = json_object();
    json_object_set(args, "to", (json_t *)to);
    enum err err = step_request(
        transfer->context, step_text(transfer->step, "from"), "transfer.check", args, ASK_TIMEOUT_US, &answer, info);
    json_get_bool(answer, "reachable", &reachable);
    const char *why = json_get_text(answer, "why");
    if (!err && reachable)
        err = step_remember(transfer->context, "reachable", json_true(), info);
    else if (!err)
        err = err_set(info, ERR_UNREACHABLE, "%s does not reach %s%s%s", step_text(transfer->step, "from"),
            step_text(transfer->step, "to"), why ? ": " : "", why ? why : "");
    json_decref(answer);
    return err;
}

/* A grant is for one transfer: sshd takes the first line that fits a key. */
static void close_grant(const struct transfer *transfer, const json_t *grant)
{
    json_t *args = json_object();
    json_put_text(args, "token", json_get_text(grant, "token"));
    step_request(
        transfer->context, step_text(transfer->step, "to"), "transfer.close", args, ASK_TIMEOUT_US, NULL, NULL);
}

/* ERR_UNREACHABLE: the source does not get as far as the target. */
static enum err send_direct(struct transfer *transfer, struct err_info *info)
{
    json_t *grant = NULL, *answer = NULL;
    const char *from = step_text(transfer->step, "from");
    enum err err = open_target(transfer, true, &grant, info);
    if (err)
        return err;
    json_t *args = send_args(transfer, grant);
    json_t *to = target_address_of(transfer->context, step_text(transfer->step, "to"), grant, info);
    err = to ? check_way(transfer, to, info) : ERR_UNREACHABLE;
    if (!err) {
        json_object_set(args, "to", to);
        err = step_request_long(transfer->context, from, "transfer.send", args, COPY_TIMEOUT_US, &answer, info);
    } else {
        json_decref(args);
    }
    if (!err)
        take_result(transfer, answer);
    close_grant(transfer, grant);
    json_decref(to);
    json_decref(answer);
    json_decref(grant);
    return err;
}

static enum err send_through_console(struct transfer *transfer, struct err_info *info)
{
    json_t *grant = NULL, *answer = NULL, *result = NULL;
    const char *from = step_text(transfer->step, "from"), *to = step_text(transfer->step, "to");
    int64_t limit = 0;
    json_get_i64(transfer->step->parameters, "limit_bytes_s", &limit);
    enum err err = open_target(transfer, false, &grant, info);
    if (!err)
        err = step_request(
            transfer->context, from, "transfer.send", send_args(transfer, grant), ASK_TIMEOUT_US, &answer, info);
    const char *word = json_get_text(answer, "stream"), *token = json_get_text(grant, "token");
    if (!err && (!word || !token))
        err = err_set(info, ERR_GARBAGE, "%s gave no word for the stream", from);
    if (!err) {
        struct err_info relay_info = {0};
        json_t *args = json_object();
        enum err relayed = step_relay(transfer->context, from, word, to, token, limit, &relay_info);
        json_put_text(args, "stream", word);
        if (relayed == ERR_CANCELLED)
            json_decref(args);
        else
            err = step_request(transfer->context, from, "transfer.result", args, ASK_TIMEOUT_US, &result, info);
        if (relayed && (!err || relayed == ERR_CANCELLED)) {
            err = relayed;
            if (info)
                *info = relay_info;
        }
    }
    if (!err)
        take_result(transfer, result);
    json_decref(result);
    json_decref(answer);
    json_decref(grant);
    return err;
}

/* What is known of it before an end says more; through the console none does. */
static void show_beginning(const struct transfer *transfer)
{
    int64_t bytes = -1;
    if (transfer->pass <= 1)
        json_get_i64(transfer->step->parameters, "bytes", &bytes);
    step_copied(transfer->context, transfer->pass, 0, bytes);
}

/* Directly where that works. Once it did not, everything of this job goes through the console. */
static enum err send(struct transfer *transfer, struct err_info *info)
{
    bool through_console = false;
    struct err_info own = {0};
    json_get_bool(transfer->step->parameters, "through_console", &through_console);
    show_beginning(transfer);
    through_console = through_console || step_recall(transfer->context, "through_console");
    enum err err = through_console ? ERR_UNREACHABLE : send_direct(transfer, &own);
    transfer->direct = !err;
    if (err == ERR_UNREACHABLE) {
        if (!through_console) {
            step_progress(transfer->context, "through this console: %s", own.message);
            step_remember(transfer->context, "through_console", json_string(own.message), NULL);
        }
        err = send_through_console(transfer, &own);
    }
    if (err && info)
        *info = own;
    return err;
}

/* Whatever still copies for this job on either end is ended, the grant is gone. */
static enum err close_transfers(struct step_context *context, const struct plan_step *step, struct err_info *info)
{
    enum err err = step_request(context, step_text(step, "from"), "transfer.close", NULL, ASK_TIMEOUT_US, NULL, info);
    enum err other =
        step_request(context, step_text(step, "to"), "transfer.close", NULL, ASK_TIMEOUT_US, NULL, err ? NULL : info);
    return err ? err : other;
}

static enum err transfer_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    (void)outcome;
    return close_transfers(context, step, info);
}

static enum err close_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    enum err err = close_transfers(context, step, info);
    if (!err)
        buf_puts(outcome, "keys and snapshots of the copying are gone");
    return err;
}

const struct step_kind step_close = {.name = "close", .runs = "transfer.close", .again = true, .run = close_run};

static void tell_transfer(const struct transfer *transfer, struct buf *outcome)
{
    char bytes[FORMAT_SIZE], took[FORMAT_SIZE];
    buf_printf(outcome, "%s in %s%s", format_bytes((double)transfer->bytes, bytes),
        format_duration(transfer->took_ms * USEC_PER_MSEC, took), transfer->direct ? "" : " through this console");
}

/* --- image -------------------------------------------------------------------------------------------------------- */

/* *id: the same image on the target, owned; NULL where it has none. */
static enum err find_image(struct step_context *context, const struct plan_step *step, char **id, struct err_info *info)
{
    json_t *args = json_object(), *answer = NULL;
    json_put_text(args, "runtime", step_text(step, "runtime"));
    json_put_text(args, "image_id", step_text(step, "image_id"));
    json_object_set(args, "layers", json_object_get(step->parameters, "layers"));
    *id = NULL;
    enum err err = step_request(context, step_text(step, "to"), "image.find", args, ASK_TIMEOUT_US, &answer, info);
    const char *found = json_get_text(answer, "image_id");
    if (!err && found)
        *id = xstrdup(found);
    json_decref(answer);
    return err;
}

static enum err remember_image(
    struct step_context *context, const struct plan_step *step, const char *id, struct err_info *info)
{
    const json_t *known = step_recall(context, "images");
    json_t *images = known ? json_deep_copy(known) : json_object();
    json_put_text(images, step_text(step, "image_id"), id);
    return step_remember(context, "images", images, info);
}

static enum err image_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    char *id = NULL;
    enum err err = find_image(context, step, &id, info);
    if (!err && id) {
        buf_puts(outcome, "it is there already");
    } else if (!err) {
        json_t *what = json_object();
        json_put_text(what, "what", "image");
        json_put_text(what, "image_id", step_text(step, "image_id"));
        json_put_text(what, "image", step_text(step, "image"));
        struct transfer transfer = {.context = context, .step = step, .what = what};
        err = send(&transfer, info);
        json_decref(what);
        if (!err)
            err = find_image(context, step, &id, info);
        if (!err && !id)
            err = err_set(info, ERR_FAILED, "%s says it loaded the image, but does not have %.19s",
                step_text(step, "to"), step_text(step, "image_id"));
        if (!err)
            tell_transfer(&transfer, outcome);
    }
    if (!err)
        err = remember_image(context, step, id, info);
    free(id);
    return err;
}

/* The image itself stays: another try finds it there. */
const struct step_kind step_image = {.name = "image",
    .runs = "image.find; podman|docker save, load",
    .again = true,
    .run = image_run,
    .undo = transfer_undo};

/* --- volumes ------------------------------------------------------------------------------------------------------ */

static json_t *volume_of(const struct plan_step *step)
{
    const json_t *volume = json_object_get(step->parameters, "volume");
    json_t *what = json_object();
    json_put_text(what, "what", "volume");
    json_put_text(what, "volume", json_get_text(volume, "name"));
    json_put_text(what, "driver", json_get_text(volume, "driver"));
    json_put_text(what, "path", json_get_text(volume, "path"));
    return what;
}

static int64_t passes_so_far(const struct step_context *context, const char *volume)
{
    int64_t passes = 0;
    json_get_i64(step_recall(context, "passes"), volume, &passes);
    return passes;
}

static enum err remember_pass(struct step_context *context, const char *volume, int64_t pass, struct err_info *info)
{
    const json_t *known = step_recall(context, "passes");
    json_t *passes = known ? json_deep_copy(known) : json_object();
    json_put_i64(passes, volume, pass);
    return step_remember(context, "passes", passes, info);
}

static enum err copy_pass(struct transfer *transfer, bool last, struct err_info *info)
{
    const char *name = json_get_text(json_object_get(transfer->step->parameters, "volume"), "name");
    int64_t pass = passes_so_far(transfer->context, name ? name : "") + 1;
    transfer->pass = (int)pass;
    transfer->last = last;
    enum err err = send(transfer, info);
    return err ? err : remember_pass(transfer->context, name ? name : "", pass, info);
}

/* While the site runs: again and again, until a pass does not get much shorter any more. */
static enum err copy_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    json_t *what = volume_of(step);
    struct transfer transfer = {.context = context, .step = step, .what = what};
    int64_t before_ms = INT64_MAX;
    enum err err =
        step_recall(context, "overwritten") ? ERR_OK : step_remember(context, "overwritten", json_true(), info);
    for (int passes = 0; !err && passes < PASSES_MAX; passes++) {
        if (step_is_cancelled(context))
            err = err_set(info, ERR_CANCELLED, "cancelled");
        if (!err)
            err = copy_pass(&transfer, false, info);
        if (err)
            break;
        buf_printf(outcome, "%spass %d: ", outcome->length ? "; " : "", transfer.pass);
        tell_transfer(&transfer, outcome);
        if (transfer.took_ms < SHORT_PASS_MS || transfer.took_ms > before_ms * 4 / 5)
            break;
        before_ms = transfer.took_ms;
    }
    json_decref(what);
    return err;
}

const struct step_kind step_copy = {.name = "copy",
    .runs = "transfer.send: rsync -aHAX --delete, or btrfs send, receive",
    .again = true,
    .run = copy_run,
    .undo = transfer_undo};

/* Each end has an engine of its own. `by_hand`: what the host leaves to a person. */
static enum err ask_mount(struct step_context *context, const struct plan_step *step, const char *verb,
    const char *host, struct buf *by_hand, struct err_info *info)
{
    json_t *args = volume_of(step), *answer = NULL;
    bool is_target = strcmp(host, step_text(step, "to")) == 0;
    json_put_text(args, "runtime", step_text(step, is_target ? "runtime" : "from_runtime"));
    enum err err = step_request(context, host, verb, args, MOUNT_TIMEOUT_US, &answer, info);
    const char *left = json_get_text(answer, "by_hand");
    if (!err && left)
        buf_printf(by_hand, "; left to do on %s: %s", host, left);
    json_decref(answer);
    return err;
}

static enum err move_mount(struct step_context *context, const struct plan_step *step, const char *off, const char *on,
    struct buf *outcome, struct err_info *info)
{
    struct buf by_hand = BUF(2000);
    enum err err = ask_mount(context, step, "volume.detach", off, &by_hand, info);
    if (!err)
        err = ask_mount(context, step, "volume.attach", on, &by_hand, info);
    if (!err)
        buf_printf(outcome, "unmounted on %s, mounted on %s%s", off, on,
            by_hand.length ? buf_text(&by_hand) : ", now and at each boot");
    buf_free(&by_hand);
    return err;
}

static bool is_mount(const struct plan_step *step)
{
    const char *driver = json_get_text(json_object_get(step->parameters, "volume"), "driver");
    return driver && strcmp(driver, "mount") == 0;
}

/* With the site stopped: what was written since the last pass, or the whole network storage at once. */
static enum err last_pass_run(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    if (is_mount(step))
        return move_mount(context, step, step_text(step, "from"), step_text(step, "to"), outcome, info);
    json_t *what = volume_of(step);
    struct transfer transfer = {.context = context, .step = step, .what = what};
    enum err err = copy_pass(&transfer, true, info);
    if (!err)
        tell_transfer(&transfer, outcome);
    json_decref(what);
    return err;
}

static enum err last_pass_undo(
    struct step_context *context, const struct plan_step *step, struct buf *outcome, struct err_info *info)
{
    if (is_mount(step))
        return move_mount(context, step, step_text(step, "to"), step_text(step, "from"), outcome, info);
    return close_transfers(context, step, info);
}

const struct step_kind step_last_pass = {.name = "last-pass",
    .runs = "transfer.send: rsync -aHAX --delete, or btrfs send, receive; of a mount: umount, mount, and /etc/fstab",
    .again = true,
    .run = last_pass_run,
    .undo = last_pass_undo};
