/* Tickets: each asker waits until a reading that began after it asked is done. */
#include "engine/reload.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"

#define DESCRIBED_MAX 5

struct reload {
    int fd;
    pthread_mutex_t mutex;
    pthread_cond_t done;
    uint64_t asked, begun, finished; /* tickets */
    struct err_info outcome;
    bool ended;
};

struct reload *reload_new(void)
{
    struct reload *reload = xcalloc(1, sizeof *reload);
    reload->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&reload->mutex, NULL);
    pthread_cond_init(&reload->done, NULL);
    return reload;
}

void reload_free(struct reload *reload)
{
    if (!reload)
        return;
    if (reload->fd >= 0)
        close(reload->fd);
    pthread_cond_destroy(&reload->done);
    pthread_mutex_destroy(&reload->mutex);
    free(reload);
}

enum err reload_ask(struct reload *reload, struct err_info *info)
{
    pthread_mutex_lock(&reload->mutex);
    uint64_t ticket = ++reload->asked;
    eventfd_write(reload->fd, 1);
    while (reload->finished < ticket && !reload->ended)
        pthread_cond_wait(&reload->done, &reload->mutex);
    enum err result = reload->finished < ticket ? err_set(info, ERR_CANCELLED, "the engine is ending")
                                                : err_set(info, reload->outcome.code, "%s", reload->outcome.message);
    pthread_mutex_unlock(&reload->mutex);
    return result;
}

void reload_error(struct reload *reload, char *out, size_t out_size)
{
    pthread_mutex_lock(&reload->mutex);
    str_copy(out, out_size, reload->outcome.message);
    pthread_mutex_unlock(&reload->mutex);
}

int reload_fd(const struct reload *reload)
{
    return reload->fd;
}

void reload_begin(struct reload *reload)
{
    eventfd_t ignored;
    pthread_mutex_lock(&reload->mutex);
    eventfd_read(reload->fd, &ignored);
    reload->begun = reload->asked;
    pthread_mutex_unlock(&reload->mutex);
}

void reload_done(struct reload *reload, enum err result, const char *message)
{
    pthread_mutex_lock(&reload->mutex);
    err_set(&reload->outcome, result, "%s", result == ERR_OK ? "" : message);
    reload->finished = reload->begun;
    pthread_cond_broadcast(&reload->done);
    pthread_mutex_unlock(&reload->mutex);
}

void reload_end(struct reload *reload)
{
    pthread_mutex_lock(&reload->mutex);
    reload->ended = true;
    pthread_cond_broadcast(&reload->done);
    pthread_mutex_unlock(&reload->mutex);
}

void reload_describe(const struct complaints *complaints, const struct err_info *info, char *out, size_t out_size)
{
    struct buf text = BUF(out_size - 1);
    size_t told = 0;
    vec_each (&complaints->list, const struct complaint, complaint) {
        if (told == DESCRIBED_MAX)
            break;
        const char *slash = complaint->file ? strrchr(complaint->file, '/') : NULL;
        const char *file = slash ? slash + 1 : complaint->file ? complaint->file : "";
        buf_printf(
            &text, "%s%s:%u:%u: %s", told++ ? "; " : "", file, complaint->line, complaint->column, complaint->message);
    }
    size_t more = complaints->list.count - told + complaints->left_out;
    if (more)
        buf_printf(&text, "; and %zu more: `dogwatch check` lists them", more);
    str_copy(out, out_size, told ? buf_text(&text) : info->message);
    buf_free(&text);
}
