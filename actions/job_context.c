/* What a step may use of its job (actions/step.h), and what a job is made of and from: its plan, its record, the files
 * beside the journal. Runs in the job's own thread, but for cancelling and leaving. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "actions/job_run.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"

const char *step_site(const struct step_context *context)
{
    return context->plan.steps.items[context->current].site;
}

const struct jobs_config *step_config(const struct step_context *context)
{
    return context->config;
}

int64_t step_job_id(const struct step_context *context)
{
    return context->job.id;
}

const char *step_job_word(const struct step_context *context)
{
    return context->word;
}

/* A site that has settled only goes forward; what its plan calls optional is left out all the same. */
static bool is_optional(const struct step_context *context)
{
    bool optional = false;
    json_get_bool(context->plan.steps.items[context->current].parameters, "optional", &optional);
    return optional;
}

bool step_is_cancelled(struct step_context *context)
{
    bool counts = !context->going_back && !context->undecided &&
                  (!job_is_settled(context, step_site(context)) || is_optional(context));
    return context->leaving || (context->cancelled && counts);
}

int64_t step_patience(const struct step_context *context, int64_t duration_us)
{
    return context->config->hurry > 1 ? duration_us / context->config->hurry : duration_us;
}

void job_signal(int eventfd)
{
    uint64_t one = 1;
    ssize_t written = write(eventfd, &one, sizeof one);
    (void)written; /* the counter cannot overflow, and readable is all it has to be */
}

void job_cancel(struct step_context *context, const char *who)
{
    if (context->cancelled)
        return;
    str_copy(context->cancelled_by, sizeof context->cancelled_by, who);
    context->cancelled = true;
    job_signal(context->wake_fd);
}

void job_leave(struct step_context *context)
{
    context->leaving = true;
    job_signal(context->leave_fd);
}

bool step_wait(struct step_context *context, int64_t duration_us)
{
    struct pollfd waiting[] = {{.fd = context->leave_fd, .events = POLLIN}, {.fd = context->wake_fd, .events = POLLIN}};
    int64_t until_us = clock_mono_us() + duration_us, left_us = duration_us;
    while (!step_is_cancelled(context) && left_us > 0) {
        uint64_t count;
        poll(waiting, 2, (int)((left_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
        ssize_t got = read(context->wake_fd, &count, sizeof count); /* a cancel that does not count while going back */
        (void)got;
        left_us = until_us - clock_mono_us();
    }
    return step_is_cancelled(context);
}

/* --- what is remembered ------------------------------------------------------------------------------------------- */

#define FACTS_FILE "facts.json"
#define FACTS_CEILING ((size_t)4 << 20)

static void read_facts(struct step_context *context)
{
    struct buf text = BUF(FACTS_CEILING);
    char *path = job_file(context->config->state_dir, context->job.id, FACTS_FILE);
    if (buf_read_file(&text, path, NULL) == ERR_OK)
        json_parse(buf_text(&text), text.length, &context->facts, NULL);
    if (!json_is_object(context->facts)) {
        json_decref(context->facts);
        context->facts = json_object();
    }
    buf_free(&text);
    free(path);
}

enum err step_remember(struct step_context *context, const char *key, json_t *value, struct err_info *info)
{
    struct buf text = BUF(FACTS_CEILING);
    if (!context->facts)
        read_facts(context);
    json_object_set_new(context->facts, key, value);
    enum err err = json_write(&text, context->facts);
    if (!err)
        err = step_keep_file(context, FACTS_FILE, &text, info);
    buf_free(&text);
    return err;
}

const json_t *step_recall(const struct step_context *context, const char *key)
{
    if (!context->facts)
        read_facts((struct step_context *)context); /* read when first asked for */
    return json_object_get(context->facts, key);
}

char *job_file(const char *state_dir, int64_t job_id, const char *name)
{
    return xasprintf("%s/jobs/%lld/%s", state_dir, (long long)job_id, name);
}

enum err step_keep_file(struct step_context *context, const char *name, const struct buf *data, struct err_info *info)
{
    char *path = job_file(context->config->state_dir, context->job.id, name);
    char *directory = job_file(context->config->state_dir, context->job.id, "");
    enum err err = paths_make_dir(directory, info);
    if (!err)
        err = paths_write_atomic(path, buf_text(data), data->length, 0600, info);
    free(path);
    free(directory);
    return err;
}

bool step_host_address(
    struct step_context *context, const char *host, char out[ADDRESS_SIZE], uint16_t *port, bool *has_jump)
{
    const struct jobs_config *config = context->config;
    const struct fleet *fleet = config->fleet_hold(config->fleet_owner);
    const struct host_def *def = fleet_host(fleet, host);
    *has_jump = def && def->jump;
    *port = def ? def->port : 0;
    str_copy(out, ADDRESS_SIZE, def ? def->address : "");
    config->fleet_release(config->fleet_owner, fleet);
    return def != NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void read_cancelled(struct step_context *context)
{
    struct buf who = BUF(sizeof context->cancelled_by);
    char *path = job_file(context->config->state_dir, context->job.id, JOB_CANCELLED_FILE);
    if (buf_read_file(&who, path, NULL) == ERR_OK)
        job_cancel(context, buf_text(&who));
    buf_free(&who);
    free(path);
}

static void read_direction(struct step_context *context)
{
    char *path = job_file(context->config->state_dir, context->job.id, JOB_BACK_FILE);
    context->turned = access(path, F_OK) == 0;
    free(path);
}

struct step_context *job_context_new(const struct jobs_config *config, const char *lease_prefix, struct plan *plan,
    struct job_record *job, struct job_step_list *steps)
{
    struct step_context *context = xcalloc(1, sizeof *context);
    context->config = config;
    context->plan = *plan;
    context->job = *job;
    context->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    context->leave_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    context->resumed = steps != NULL;
    context->behind.ceiling = sizeof context->job.message;
    str_format(context->word, sizeof context->word, "%s.%lld", lease_prefix, (long long)job->id);
    *plan = (struct plan){.cut_us = -1};
    *job = (struct job_record){0};
    job_make_journal(context, steps);
    if (context->resumed)
        read_cancelled(context);
    if (context->resumed)
        read_direction(context);
    return context;
}

void job_context_free(struct step_context *context)
{
    job_close_links(context);
    vec_each (&context->steps, struct job_step_record, step)
        job_step_record_free(step);
    vec_free(&context->steps);
    plan_free(&context->plan);
    job_record_free(&context->job);
    vec_free(&context->leases);
    json_decref(context->facts);
    buf_free(&context->behind);
    close(context->wake_fd);
    close(context->leave_fd);
    free(context);
}
