/* Tickets are files; whoever removes the file ends the stream, for its process looks whether it still stands. The lock
 * file beside it is held as long as a stream runs. No state of its own; any thread. */
#include "host/ticket.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "host/path.h"

#define DIRECTORY "/run/dogwatch/streams"
#define CEILING (64u * 1024)
#define LOOK_MS 20
#define END_LIMIT_US (10 * USEC_PER_SEC)

bool ticket_word_is_valid(const char *word)
{
    size_t digits = TICKET_WORD_SIZE - 1;
    return word && strlen(word) == digits && strspn(word, "0123456789abcdef") == digits;
}

/* "" where the word is none: no file has that path. */
static const char *file_of(const char *word, const char *suffix, char out[HOST_PATH_SIZE])
{
    out[0] = '\0';
    return ticket_word_is_valid(word) ? host_path_format(out, HOST_PATH_SIZE, DIRECTORY "/%s.%s", word, suffix) : out;
}

static enum err write_json(const char *path, const json_t *value, struct err_info *info)
{
    char directory[HOST_PATH_SIZE];
    struct buf text = BUF(CEILING);
    enum err result = paths_make_dir(host_path(directory, sizeof directory, DIRECTORY), info);
    if (result == ERR_OK && (result = json_write(&text, value)) != ERR_OK)
        err_set(info, result, "what is to be written to %s is too long", path);
    if (result == ERR_OK)
        result = paths_write_atomic(path, buf_text(&text), text.length, 0600, info);
    buf_free(&text);
    return result;
}

static json_t *read_json(const char *path)
{
    json_t *value = NULL;
    struct buf text = BUF(CEILING);
    if (*path && buf_read_file(&text, path, NULL) == ERR_OK)
        json_parse(buf_text(&text), text.length, &value, NULL);
    buf_free(&text);
    if (!json_is_object(value)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static bool make_word(char word[TICKET_WORD_SIZE])
{
    unsigned char bytes[(TICKET_WORD_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (size_t i = 0; i < sizeof bytes; i++)
        str_format(word + 2 * i, TICKET_WORD_SIZE - 2 * i, "%02x", bytes[i]);
    return true;
}

enum err ticket_new(const char *kind, const char *site, const char *job, int64_t ttl_s, const json_t *facts,
    char word[TICKET_WORD_SIZE], struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    word[0] = '\0';
    if (!make_word(word))
        return err_errno(info, ERR_IO, errno, "no random numbers are to be had");
    json_t *ticket = facts ? json_deep_copy(facts) : json_object();
    json_put_text(ticket, "kind", kind);
    json_put_text(ticket, "site", site);
    json_put_text(ticket, "job", job);
    json_put_i64(ticket, "expires_boot_us", clock_boot_us() + ttl_s * USEC_PER_SEC);
    enum err result = write_json(file_of(word, "json", path), ticket, info);
    json_decref(ticket);
    return result;
}

static bool has_run_out(const json_t *ticket)
{
    int64_t expires_us = 0;
    return !json_get_i64(ticket, "expires_boot_us", &expires_us) || clock_boot_us() >= expires_us;
}

enum err ticket_load(const char *word, json_t **ticket, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    *ticket = read_json(file_of(word, "json", path));
    if (*ticket && !has_run_out(*ticket))
        return ERR_OK;
    bool was_there = *ticket != NULL;
    json_decref(*ticket);
    *ticket = NULL;
    return err_set(info, ERR_DENIED, "this stream %s", was_there ? "has run out" : "is not known here, or was closed");
}

bool ticket_stands(const char *word)
{
    char path[HOST_PATH_SIZE];
    return access(file_of(word, "json", path), F_OK) == 0;
}

enum err ticket_lock(const char *word, int64_t timeout_us, int *fd, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    int64_t deadline_us = clock_mono_us() + timeout_us;
    *fd = open(file_of(word, "lock", path), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot open %s", path);
    while (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        if (clock_mono_us() < deadline_us && !poll(NULL, 0, LOOK_MS))
            continue;
        close(*fd);
        *fd = -1;
        return err_set(info, ERR_BUSY, "this stream is in use already");
    }
    return ERR_OK;
}

enum err ticket_put_result(const char *word, const json_t *result, struct err_info *info)
{
    char path[HOST_PATH_SIZE];
    return ticket_stands(word) ? write_json(file_of(word, "result", path), result, info)
                               : err_set(info, ERR_CANCELLED, "the stream was closed");
}

json_t *ticket_result(const char *word)
{
    char path[HOST_PATH_SIZE];
    return read_json(file_of(word, "result", path));
}

void ticket_remove(const char *word)
{
    char path[HOST_PATH_SIZE];
    int lock = -1;
    if (!ticket_word_is_valid(word) || unlink(file_of(word, "json", path)) != 0)
        return;
    if (ticket_lock(word, END_LIMIT_US, &lock, NULL) != ERR_OK)
        log_warning("a stream that was closed has not ended yet");
    unlink(file_of(word, "result", path));
    unlink(file_of(word, "lock", path));
    if (lock >= 0)
        close(lock);
}

/* One that is in use is not closed for its time: it was opened while there was some left. */
static bool is_left_over(const json_t *ticket, const char *word)
{
    int lock = -1;
    bool left_over = has_run_out(ticket) && ticket_lock(word, 0, &lock, NULL) == ERR_OK;
    if (lock >= 0)
        close(lock);
    return left_over;
}

static bool is_of(const json_t *ticket, const char *site, const char *job)
{
    const char *its_site = json_get_text(ticket, "site"), *its_job = json_get_text(ticket, "job");
    return its_site && strcmp(its_site, site) == 0 && (!job || (its_job && strcmp(its_job, job) == 0));
}

void ticket_remove_all(const char *site, const char *job)
{
    char path[HOST_PATH_SIZE];
    DIR *directory = opendir(host_path(path, sizeof path, DIRECTORY));
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        char word[TICKET_WORD_SIZE] = "";
        if (strlen(entry->d_name) != sizeof word - 1 + strlen(".json") || !str_ends(entry->d_name, ".json"))
            continue;
        str_copy(word, sizeof word, entry->d_name); /* cut to the word */
        json_t *ticket = read_json(file_of(word, "json", path));
        if (is_of(ticket, site, job) || is_left_over(ticket, word))
            ticket_remove(word);
        json_decref(ticket);
    }
    if (directory)
        closedir(directory);
}
