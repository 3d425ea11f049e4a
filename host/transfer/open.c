/* The target's verbs: transfer.open and image.find, and transfer.close, which both ends have. */
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "host/stream.h"
#include "host/ticket.h"
#include "host/transfer/btrfs.h"
#include "host/transfer/grant.h"
#include "host/transfer/image.h"
#include "host/transfer/incoming.h"
#include "host/transfer/place.h"
#include "host/transfer/transfer.h"
#include "host/transfer/way.h"
#include "host/verbs.h"

#define LEAST_TTL_S 10
#define MOST_TTL_S (7 * 24 * 3600)
#define DEFAULT_TTL_S 3600
#define SSH_PORT 22

static enum err prepare(const json_t *args, struct transfer *transfer, struct err_info *info)
{
    enum err result = transfer_read_args(args, transfer, info);
    if (result == ERR_OK)
        result = lease_check(transfer->site, transfer->job, info);
    if (result == ERR_OK)
        result = incoming_check(transfer->site, info);
    if (result == ERR_OK && !runtime_is_used(transfer->runtime))
        result = err_set(info, ERR_NOT_FOUND, "%s is not in use on this host", runtime_name(transfer->runtime));
    if (result == ERR_OK && transfer->method != TRANSFER_IMAGE)
        result = place_make_target(transfer, info);
    if (result == ERR_OK && transfer->method == TRANSFER_BTRFS && !btrfs_is_here(transfer->path))
        result = err_set(
            info, ERR_INVALID, "%s is on no btrfs on this host: carry it as a directory (driver dir)", transfer->path);
    return result;
}

static enum err let_in(const json_t *args, const struct transfer *transfer, int64_t ttl_s, const char *word,
    json_t *answer, struct err_info *info)
{
    char user[GRANT_USER_SIZE];
    struct grant grant = {.job = transfer->job,
        .word = word,
        .from = json_get_text(args, "from"),
        .public_key = json_get_text(args, "public_key"),
        .ttl_s = ttl_s};
    enum err result = grant_add(&grant, user, info);
    if (result != ERR_OK)
        return result;
    int port = stream_server_port();
    json_put_text(answer, "user", user);
    json_put_i64(answer, "port_hint", port ? port : SSH_PORT);
    return ERR_OK;
}

enum err verb_transfer_open(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    struct transfer transfer;
    char word[TICKET_WORD_SIZE];
    int64_t ttl_s = DEFAULT_TTL_S;
    if (json_get_i64(args, "ttl_s", &ttl_s) && (ttl_s < LEAST_TTL_S || ttl_s > MOST_TTL_S))
        return err_set(info, ERR_INVALID, "args.ttl_s is from %d to %d", LEAST_TTL_S, MOST_TTL_S);
    enum err result = prepare(args, &transfer, info);
    if (result != ERR_OK)
        return result;
    json_t *facts = transfer_to_json(&transfer), *answer = json_object();
    result = ticket_new("transfer-in", transfer.site, transfer.job, ttl_s, facts, word, info);
    json_put_text(answer, "token", word);
    if (result == ERR_OK && json_get_text(args, "public_key"))
        result = let_in(args, &transfer, ttl_s, word, answer, info);
    if (result == ERR_OK)
        *ok = json_incref(answer);
    else if (*word)
        ticket_remove(word);
    json_decref(answer);
    json_decref(facts);
    return result;
}

/* A word of another site's is left alone. */
static void close_one(const char *site, const char *word)
{
    json_t *ticket;
    const char *its_site = ticket_load(word, &ticket, NULL) == ERR_OK ? json_get_text(ticket, "site") : NULL;
    if (its_site && strcmp(its_site, site) == 0)
        ticket_remove(word);
    json_decref(ticket);
}

enum err verb_transfer_close(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE];
    const char *site = json_get_text(args, "site"), *word = json_get_text(args, "token");
    enum err result = lease_job(args, job, info);
    if (result == ERR_OK)
        result = lease_check(site, job, info);
    if (result == ERR_OK && word && !ticket_word_is_valid(word))
        result = err_set(info, ERR_INVALID, "args.token is what transfer.open answered");
    if (result != ERR_OK)
        return result;
    result = grant_remove(job, word, info);
    if (word) {
        close_one(site, word);
    } else {
        ticket_remove_all(site, job);
        way_forget(site);
        place_forget(site);
    }
    *ok = json_object();
    return result;
}

enum err verb_image_find(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char job[LEASE_JOB_SIZE], found[RUNTIME_ID_SIZE];
    const char *id = json_get_text(args, "image_id");
    enum runtime_kind kind = runtime_by_name(json_get_text(args, "runtime"));
    json_t *image = NULL;
    enum err result = lease_job(args, job, info);
    if (result == ERR_OK)
        result = lease_check(json_get_text(args, "site"), job, info);
    id = id && str_starts(id, "sha256:") ? id + strlen("sha256:") : id;
    if (result == ERR_OK && (kind == RUNTIME_COUNT || !runtime_id_is_valid(id)))
        result = err_set(info, ERR_INVALID, "image.find needs args.runtime and args.image_id (64 hexadecimal digits)");
    if (result == ERR_OK)
        result = image_find(json_get_text(args, "site"), kind, id, json_object_get(args, "layers"),
            json_object_get(args, "config"), found, info);
    if (result == ERR_OK)
        result = image_describe(kind, found, &image, info);
    if (result != ERR_OK && result != ERR_NOT_FOUND)
        return result;
    *ok = image ? image : json_object();
    if (!image)
        json_object_set_new(*ok, "image_id", json_null());
    return ERR_OK;
}
