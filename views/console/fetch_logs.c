/* Following the end of a log on the data thread: once the newest lines, then only what was added. Lines of a host's
 * system are those without a container. */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "views/console/fetch.h"

enum { LOOKED_AT_MOST = 20000 /* lines passed over in search of a quiet host's own */ };

struct log_follower {
    char *state_dir;
    struct log_reader *reader;
    struct log_place place;
    bool placed;
    struct wish asked;     /* the last wish that was answered */
    struct log_tail *tail; /* what was answered */
};

struct gathering {
    const struct wish *wish;
    struct log_tail *tail;
    size_t looked;
    size_t room; /* lines still wanted; following: as many as come */
};

struct log_follower *log_follower_new(const char *state_dir)
{
    struct log_follower *follower = xcalloc(1, sizeof *follower);
    follower->state_dir = xstrdup(state_dir);
    return follower;
}

void log_follower_free(struct log_follower *follower)
{
    if (!follower)
        return;
    log_reader_close(follower->reader);
    log_tail_free(follower->tail);
    free(follower->state_dir);
    free(follower);
}

static bool gather(void *arg, const struct log_entry *entry)
{
    struct gathering *gathering = arg;
    gathering->looked++;
    bool system = !entry->container || !entry->container[0];
    if (system || !gathering->wish->log_system) {
        struct log_tail_line *line = vec_add(&gathering->tail->lines);
        *line = (struct log_tail_line){.at_us = entry->at_us,
            .origin = xstrdup(system ? entry->unit : entry->container),
            .text = xstrdup(entry->text),
            .priority = entry->priority,
            .dropped = entry->dropped};
    }
    return gathering->tail->lines.count < gathering->room && gathering->looked < LOOKED_AT_MOST;
}

static struct log_filter filter_of(const struct wish *wish)
{
    return (struct log_filter){
        .host = wish->log_host[0] ? wish->log_host : NULL,
        .site = wish->log_site[0] ? wish->log_site : NULL,
        .container = wish->log_container[0] ? wish->log_container : NULL,
    };
}

static void turn_round(struct log_tail *tail)
{
    for (size_t i = 0, j = tail->lines.count; i + 1 < j; i++) {
        struct log_tail_line line = tail->lines.items[i];
        tail->lines.items[i] = tail->lines.items[--j];
        tail->lines.items[j] = line;
    }
}

static void drop_oldest(struct log_tail *tail, size_t most)
{
    if (tail->lines.count <= most)
        return;
    size_t gone = tail->lines.count - most;
    for (size_t i = 0; i < gone; i++)
        log_tail_line_free(&tail->lines.items[i]);
    memmove(tail->lines.items, tail->lines.items + gone, most * sizeof *tail->lines.items);
    tail->lines.count = most;
}

static bool same_logs(const struct wish *a, const struct wish *b)
{
    return subject_is(&a->logs_of, &b->logs_of) && a->log_lines == b->log_lines && a->log_system == b->log_system &&
           strcmp(a->log_host, b->log_host) == 0 && strcmp(a->log_site, b->log_site) == 0 &&
           strcmp(a->log_container, b->log_container) == 0;
}

/* From nothing: note the place first, so that no line is missed between the two. */
static enum err read_anew(struct log_follower *follower, const struct wish *wish, struct err_info *info)
{
    struct log_filter filter = filter_of(wish);
    log_tail_free(follower->tail);
    follower->tail = xcalloc(1, sizeof *follower->tail);
    follower->tail->of = wish->logs_of;
    follower->asked = *wish;
    struct gathering gathering = {.wish = wish, .tail = follower->tail, .room = wish->log_lines};
    enum err result = log_place_now(follower->reader, &follower->place, info);
    follower->placed = result == ERR_OK;
    if (result == ERR_OK)
        result = log_query(follower->reader, &filter, gather, &gathering, info);
    turn_round(follower->tail);
    return result;
}

static enum err read_on(struct log_follower *follower, const struct wish *wish, bool *news, struct err_info *info)
{
    struct log_filter filter = filter_of(wish);
    filter.limit = LOOKED_AT_MOST;
    size_t before = follower->tail->lines.count;
    struct gathering gathering = {.wish = wish, .tail = follower->tail, .room = SIZE_MAX};
    enum err result = log_follow(follower->reader, &filter, &follower->place, gather, &gathering, info);
    *news = follower->tail->lines.count != before;
    drop_oldest(follower->tail, wish->log_lines);
    return result;
}

static struct log_tail *copy_of(const struct log_tail *tail)
{
    struct log_tail *copy = xcalloc(1, sizeof *copy);
    copy->of = tail->of;
    memcpy(copy->problem, tail->problem, sizeof copy->problem);
    vec_each (&tail->lines, const struct log_tail_line, line) {
        struct log_tail_line *added = vec_add(&copy->lines);
        *added = *line;
        added->origin = xstrdup(line->origin);
        added->text = xstrdup(line->text);
    }
    return copy;
}

struct log_tail *log_follower_read(struct log_follower *follower, const struct wish *wish)
{
    struct err_info info = {0};
    bool news = true;
    enum err result = ERR_OK;
    if (!follower->reader)
        result = log_reader_open(follower->state_dir, &follower->reader, &info);
    if (result == ERR_OK && follower->tail && follower->placed && same_logs(&follower->asked, wish))
        result = read_on(follower, wish, &news, &info);
    else if (result == ERR_OK)
        result = read_anew(follower, wish, &info);
    if (result == ERR_OK)
        return news ? copy_of(follower->tail) : NULL;
    struct log_tail *tail = xcalloc(1, sizeof *tail);
    tail->of = wish->logs_of;
    if (result != ERR_NOT_FOUND) /* no logs yet is no problem */
        str_copy(tail->problem, sizeof tail->problem, info.message);
    follower->placed = false;
    return tail;
}
