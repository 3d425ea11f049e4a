/* Carrying out one plan. The rule of the journal: a step's intent is on disk before the step begins and its outcome
 * after it ended, so that whoever comes next knows all but one step, and asks the host about that one (truth). A failed
 * or cancelled job undoes its steps in reverse and says what it left behind. Runs in the job's own thread. */
#include "actions/job_run.h"

#include <poll.h>
#include <stdio.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "actions/percent.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/paths.h"
#include "base/sanitize.h"
#include "store/audit.h"

#define PROGRESS_EVERY_US (300 * USEC_PER_MSEC)
#define OUTCOME_CEILING ((size_t)4000)
#define END_TRIES 30 /* to write down that it goes back, on a disk that refuses */
#define END_EVERY_US (2 * USEC_PER_SEC)

/* --- the journal -------------------------------------------------------------------------------------------------- */

static void log_failure(const struct step_context *context, enum err err, const struct err_info *info)
{
    if (err)
        log_error("job %lld: the journal cannot be written: %s", (long long)context->job.id, info->message);
}

static enum err write_job(struct step_context *context)
{
    struct err_info info = {0};
    enum err err = store_job_update(context->config->store, &context->job, &info);
    log_failure(context, err, &info);
    return err;
}

static enum err write_step(struct step_context *context, size_t index, struct err_info *info)
{
    struct err_info own = {0};
    enum err err = store_job_step_put(context->config->store, &context->steps.items[index], &own);
    log_failure(context, err, &own);
    if (err && info)
        *info = own;
    return err;
}

static void set_message(struct step_context *context, const char *text)
{
    sanitize(context->job.message, sizeof context->job.message, text, strlen(text));
}

void job_end_step(struct step_context *context, size_t index, enum step_state state, const char *outcome)
{
    struct job_step_record *record = &context->steps.items[index];
    record->state = state;
    record->ended_us = clock_wall_us();
    xstr_set(&record->outcome, outcome);
    write_step(context, index, NULL);
}

/* --- services for steps ------------------------------------------------------------------------------------------- */

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

void step_progress(struct step_context *context, const char *format, ...)
{
    char text[512];
    int64_t now_us = clock_mono_us();
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (now_us - context->progress_mono_us < PROGRESS_EVERY_US)
        return;
    context->progress_mono_us = now_us;
    struct job_step_record *record = &context->steps.items[context->current];
    xstr_set(&record->progress, text);
    record->alive_us = clock_wall_us();
    write_step(context, context->current, NULL);
    set_message(context, text);
    write_job(context);
}

/* It never goes back: bytes turn out to be more than was said, a step is done anew after a crash, a job is undone. */
static void count_percent(struct step_context *context)
{
    int percent = percent_done(&context->plan, context->steps.items);
    if (percent > context->job.progress_pct)
        context->job.progress_pct = percent;
}

/* The rate is that of the last second or so, smoothed. */
static void measure_rate(struct step_context *context, int64_t done_bytes)
{
    int64_t now_us = clock_mono_us(), for_us = now_us - context->copying.since_mono_us;
    bool anew = !context->copying.since_mono_us || done_bytes < context->copying.since_bytes;
    if (!anew && for_us < USEC_PER_SEC / 2)
        return;
    if (!anew) {
        double bytes_s = (double)(done_bytes - context->copying.since_bytes) * USEC_PER_SEC / (double)for_us;
        context->copying.bytes_s = context->copying.bytes_s > 0 ? (context->copying.bytes_s + bytes_s) / 2 : bytes_s;
    }
    context->copying.since_mono_us = now_us;
    context->copying.since_bytes = done_bytes;
}

void step_copied(struct step_context *context, int pass, int64_t done_bytes, int64_t total_bytes)
{
    struct job_step_record *record = &context->steps.items[context->current];
    char figure[FORMAT_SIZE];
    struct buf text = BUF(256);
    measure_rate(context, done_bytes);
    record->pass = pass;
    record->done_bytes = done_bytes;
    record->total_bytes = total_bytes;
    record->bytes_s = (int64_t)context->copying.bytes_s;
    if (!context->going_back)
        count_percent(context);
    if (pass)
        buf_printf(&text, "pass %d: ", pass);
    buf_puts(&text, format_bytes((double)done_bytes, figure));
    if (total_bytes >= done_bytes && total_bytes > 0)
        buf_printf(&text, " of %s", format_bytes((double)total_bytes, figure));
    if (record->bytes_s > 0)
        buf_printf(&text, ", %s", format_rate((double)record->bytes_s, figure));
    if (record->bytes_s > 0 && total_bytes > done_bytes)
        buf_printf(&text, ", %s left",
            format_duration(((total_bytes - done_bytes) / record->bytes_s + 1) * USEC_PER_SEC, figure));
    step_progress(context, "%s", buf_text(&text));
    buf_free(&text);
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

/* --- forward ------------------------------------------------------------------------------------------------------ */

static void crash_point(const struct step_context *context, const char *step, bool before)
{
    if (context->config->crash_point)
        context->config->crash_point(step, before);
}

static void begin_step(struct step_context *context, size_t index)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct job_step_record *record = &context->steps.items[index];
    context->current = index;
    context->progress_mono_us = 0;
    memset(&context->copying, 0, sizeof context->copying);
    record->state = STEP_RUNNING;
    record->alive_us = clock_wall_us();
    record->started_us = clock_wall_us();
    record->ended_us = 0;
    count_percent(context);
    set_message(context, step->command);
    write_job(context);
}

/* Said at the end of the job: somebody has to look. */
static void add_behind(struct step_context *context, const char *step, const char *why)
{
    buf_printf(&context->behind, "%s%s: %s", context->behind.length ? "; " : "", step, why);
}

static void count_as_done(struct step_context *context, size_t index, const struct err_info *info)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING);
    buf_printf(&outcome, "whether %s did it is not known, and it counts as done: %s", step->host, info->message);
    add_behind(context, step->kind->name, buf_text(&outcome));
    job_end_step(context, index, STEP_DONE, buf_text(&outcome));
    context->undecided = false;
    buf_free(&outcome);
}

static enum err run_step(struct step_context *context, size_t index, struct err_info *info)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING);
    context->in_doubt = false;
    context->undecided = job_may_have_decided(context, index); /* by the engine before this one */
    begin_step(context, index);
    enum err err = write_step(context, index, info);
    if (err && !(step->kind->again && job_is_settled(context, step->site)))
        return err; /* without a journal nothing is done, but where there is only forward and no harm in twice */
    crash_point(context, step->kind->name, true);
    err = step->kind->run(context, step, &outcome, info);
    crash_point(context, step->kind->name, false);
    if (err && context->in_doubt && step->kind->truth && !context->leaving) {
        log_warning(
            "job %lld: %s: %s; finding out what is true", (long long)context->job.id, step->kind->name, info->message);
        err = job_settle(context, index, info); /* the journal then says DONE already */
        if (!err)
            goto out;
    }
    if (err && context->undecided && !context->leaving) {
        count_as_done(context, index, info);
        err = ERR_OK;
        goto out;
    }
    if (err && info->message[0])
        buf_printf(&outcome, "%s%s", outcome.length ? "; " : "", info->message);
    if (!err || !context->leaving || err != ERR_CANCELLED) /* else it stays begun: the next engine finds out */
        job_end_step(context, index, err ? STEP_FAILED : STEP_DONE, buf_text(&outcome));
out:
    buf_free(&outcome);
    return err;
}

bool job_is_settled(const struct step_context *context, const char *site)
{
    for (size_t i = 0; i < context->steps.count; i++)
        if (context->plan.steps.items[i].kind->settles && context->steps.items[i].state == STEP_DONE &&
            strcmp(context->plan.steps.items[i].site, site) == 0)
            return true;
    return false;
}

bool job_may_have_decided(const struct step_context *context, size_t index)
{
    return context->plan.steps.items[index].kind->decides && context->steps.items[index].state == STEP_RUNNING;
}

/* --- back --------------------------------------------------------------------------------------------------------- */

static bool was_begun(const struct job_step_record *record)
{
    return record->state == STEP_RUNNING || record->state == STEP_DONE || record->state == STEP_FAILED;
}

static enum err skip_pending(struct step_context *context)
{
    enum err result = ERR_OK;
    for (size_t i = 0; i < context->steps.count; i++) {
        struct job_step_record *record = &context->steps.items[i];
        if (record->state != STEP_PENDING && record->state != STEP_SKIPPED)
            continue;
        record->state = STEP_SKIPPED;
        enum err err = write_step(context, i, NULL);
        result = result ? result : err;
    }
    return result;
}

/* In a file of its own besides: a store that takes nothing more must not hide it from the next engine, which would go
 * forward over what was undone. */
static bool note_direction(struct step_context *context)
{
    struct buf word = BUF(16);
    struct err_info info = {0};
    buf_puts(&word, "back\n");
    if (!context->turned && step_keep_file(context, JOB_BACK_FILE, &word, &info) == ERR_OK)
        context->turned = true;
    else if (!context->turned)
        log_error("job %lld: that it goes back cannot be kept: %s", (long long)context->job.id, info.message);
    buf_free(&word);
    bool journaled = skip_pending(context) == ERR_OK;
    return journaled || context->turned;
}

/* From here on the disk says that the job goes back, whoever carries it out. Where nothing at all can be written it
 * goes back in the end all the same: the site may be down. */
static void turn_back(struct step_context *context)
{
    context->going_back = true;
    context->undecided = false;
    for (size_t i = 0; i < context->steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        if (context->steps.items[i].state == STEP_RUNNING && !step->kind->undo && !job_is_settled(context, step->site))
            job_end_step(context, i, STEP_FAILED, "not brought to its end");
    }
    for (int tries = 0; !note_direction(context) && tries < END_TRIES; tries++)
        if (step_wait(context, step_patience(context, END_EVERY_US)))
            return;
}

/* `said` and `left` get what became of it, for the job's message. ERR_CANCELLED: the engine ends. ERR_UNREACHABLE: to
 * be tried once more, with patience. */
static enum err undo_step(struct step_context *context, size_t index, struct buf *said, struct buf *left)
{
    const struct plan_step *step = &context->plan.steps.items[index];
    struct job_step_record *record = &context->steps.items[index];
    struct buf outcome = BUF(OUTCOME_CEILING), undone = BUF(OUTCOME_CEILING);
    struct err_info info = {0};
    char point[48];
    context->current = index;
    str_format(point, sizeof point, "undo %s", step->kind->name);
    crash_point(context, point, true);
    enum err err = step->kind->undo(context, step, &undone, &info);
    crash_point(context, point, false);
    if (err && context->hasty && job_may_pass(err) && !context->leaving) {
        buf_free(&undone);
        return ERR_UNREACHABLE;
    }
    if (record->outcome && record->outcome[0])
        buf_printf(&outcome, "%s; ", record->outcome);
    if (err)
        buf_printf(&outcome, "could not be undone: %s", info.message);
    else
        buf_printf(&outcome, "undone%s%s", undone.length ? ": " : "", buf_text(&undone));
    if (err)
        buf_printf(left, "; %s could not be undone: %s", step->kind->name, info.message);
    else if (!step->kind->again && undone.length)
        buf_printf(said, "; %s", buf_text(&undone));
    if (!context->leaving)
        job_end_step(context, index, err ? STEP_FAILED : STEP_UNDONE, buf_text(&outcome));
    buf_free(&undone);
    buf_free(&outcome);
    return context->leaving ? ERR_CANCELLED : err;
}

/* Once round, the last step first. `over`: of each step, whether all was done that can be. */
static enum err undo_round(struct step_context *context, bool *over, struct buf *said, struct buf *left)
{
    enum err result = ERR_OK;
    for (size_t i = context->steps.count; i-- > 0;) {
        const struct plan_step *step = &context->plan.steps.items[i];
        bool begun = was_begun(&context->steps.items[i]) && step->kind->undo && !job_is_settled(context, step->site);
        if (!begun || over[i])
            continue;
        if (context->lost[0]) {
            buf_printf(left, "; nothing more is touched, the site is somebody else's now");
            return ERR_FAILED;
        }
        enum err err = context->leaving ? ERR_CANCELLED : undo_step(context, i, said, left);
        if (err == ERR_CANCELLED)
            return err;
        over[i] = err != ERR_UNREACHABLE;
        result = err && over[i] ? ERR_FAILED : result;
    }
    return result;
}

/* Undo everything that was begun of sites that have not settled. Twice round: a proxy that is away must not keep a site
 * down which its host could start at once. ERR_CANCELLED: the engine ends before all is undone. ERR_FAILED: something
 * is left. */
static enum err undo_steps(struct step_context *context, struct buf *said, struct buf *left)
{
    bool *over = xcalloc(context->steps.count + 1, sizeof *over);
    turn_back(context);
    context->hasty = true;
    enum err err = undo_round(context, over, said, left);
    context->hasty = false;
    if (err != ERR_CANCELLED && !context->lost[0]) {
        enum err second = undo_round(context, over, said, left);
        err = second ? second : err;
    }
    free(over);
    return err;
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

/* However long the disk refuses: who comes next on this site must not begin before, or the next engine would find this
 * job unfinished, and undo it over what was done since. */
static void write_end(struct step_context *context)
{
    struct err_info info = {0};
    int64_t every_us = step_patience(context, END_EVERY_US);
    for (unsigned tries = 0; store_job_update(context->config->store, &context->job, &info) != ERR_OK; tries++) {
        if (tries % END_TRIES == 0)
            log_failure(context, ERR_IO, &info);
        if (context->leaving ||
            poll(&(struct pollfd){.fd = context->leave_fd, .events = POLLIN}, 1, (int)(every_us / USEC_PER_MSEC)) > 0)
            break; /* the next engine finds it unfinished and ends it */
    }
}

static void end_job(struct step_context *context, enum job_state state, const char *message)
{
    struct err_info info = {0};
    char text[600];
    context->ending = true;
    context->job.state = state;
    context->job.ended_us = clock_wall_us();
    context->job.progress_pct = state == JOB_DONE ? 100 : context->job.progress_pct;
    set_message(context, message);
    str_format(
        text, sizeof text, "job %lld %s: %s", (long long)context->job.id, job_state_word(state), context->job.message);
    if (store_audit_add(context->config->store, context->job.who, (uid_t)-1, context->job.action, context->job.object,
            text, &info) != ERR_OK)
        log_error("job %lld: the audit entry cannot be written: %s", (long long)context->job.id, info.message);
    job_close_links(context);
    write_end(context);
    context->ended = true;
    if (context->tell_ended)
        context->tell_ended(context->owner); /* who waits for the site plans from the record */
    log_info("%s", text);
}

/* False: the engine ended before everything was undone; the next one goes on. */
static bool give_up(struct step_context *context, enum err why, const struct err_info *info)
{
    struct buf message = BUF(OUTCOME_CEILING), said = BUF(OUTCOME_CEILING), left = BUF(OUTCOME_CEILING);
    bool by_person = why == ERR_CANCELLED && context->cancelled;
    const char *step = context->plan.steps.items[context->current].kind->name;
    size_t name_length = strlen(step);
    bool named = strncmp(info->message, step, name_length) == 0 && info->message[name_length] == ':';
    if (by_person)
        buf_printf(&message, "cancelled by %s", context->cancelled_by);
    else if (!was_begun(&context->steps.items[context->current]))
        buf_puts(&message, info->message);
    else
        buf_printf(&message, "%s%s%s", named ? "" : step, named ? "" : ": ", info->message);
    enum err undone = undo_steps(context, &said, &left);
    buf_puts(&message, buf_text(&left));
    buf_puts(&message, buf_text(&said));
    if (undone != ERR_CANCELLED)
        end_job(context, by_person && !undone ? JOB_CANCELLED : JOB_FAILED, buf_text(&message));
    buf_free(&left);
    buf_free(&said);
    buf_free(&message);
    return undone != ERR_CANCELLED;
}

static bool left_anything_out(const struct step_context *context)
{
    for (size_t i = 0; i < context->steps.count; i++)
        if (context->steps.items[i].state == STEP_SKIPPED)
            return true;
    return false;
}

static void succeed(struct step_context *context)
{
    char message[512];
    const char *too_late = left_anything_out(context) ? "; what was optional was left out when cancelled by "
                                                      : "; it was through already when cancelled by ";
    str_format(message, sizeof message, "%s of %s is done%s%s%s%s%s", context->job.action, context->job.object,
        context->resumed ? ", finished after the engine was started anew" : "", context->cancelled ? too_late : "",
        context->cancelled ? context->cancelled_by : "", context->behind.length ? ", but: " : "",
        buf_text(&context->behind));
    end_job(context, context->behind.length ? JOB_FAILED : JOB_DONE, message);
}

/* Where a site has settled there is only forward: what fails is noted, and the rest is done all the same. */
static enum err go_forward(struct step_context *context, size_t index, struct err_info *info)
{
    enum err err = ERR_OK;
    for (; index < context->plan.steps.count; index++) {
        const struct plan_step *step = &context->plan.steps.items[index];
        bool settled = job_is_settled(context, step->site);
        if (context->steps.items[index].state == STEP_DONE)
            continue;
        context->current = index;
        context->undecided = job_may_have_decided(context, index);
        if (step_is_cancelled(context) && (!settled || context->leaving))
            return err_set(info, ERR_CANCELLED, "cancelled");
        if (step_is_cancelled(context)) {
            job_end_step(context, index, STEP_SKIPPED, "left out: cancelled");
            continue;
        }
        err = run_step(context, index, info);
        if (err && (!settled || context->leaving))
            return err;
        if (err)
            add_behind(context, step->kind->name, info->message);
    }
    return ERR_OK;
}

/* Whether it may begin: it may have to wait for another job, and find something else afterwards. */
static enum err begin(struct step_context *context, size_t *index, struct err_info *info)
{
    enum err err = context->await_turn ? context->await_turn(context->owner, context, info) : ERR_OK;
    if (err)
        return err;
    context->job.state = JOB_RUNNING;
    if (!context->job.started_us)
        context->job.started_us = clock_wall_us();
    return context->resumed ? job_resume(context, index, info) : ERR_OK;
}

void *job_thread(void *arg)
{
    struct step_context *context = arg;
    struct err_info info = {0};
    size_t index = 0;
    bool over = true;
    enum err err = begin(context, &index, &info);
    if (!err)
        err = go_forward(context, index, &info);
    if (!err)
        succeed(context);
    else if (context->leaving)
        over = false;
    else if (job_is_settled(context, step_site(context)))
        end_job(context, JOB_FAILED, info.message);
    else
        over = give_up(context, err, &info);
    if (!over)
        log_info("job %lld waits for the next engine", (long long)context->job.id);
    job_close_links(context);
    context->finished = true;
    return NULL;
}

/* --- life --------------------------------------------------------------------------------------------------------- */

/* One record a step: what was written before, and what is missing of it. */
static void make_journal(struct step_context *context, struct job_step_list *known)
{
    for (size_t i = 0; i < context->plan.steps.count; i++) {
        const struct plan_step *step = &context->plan.steps.items[i];
        struct job_step_record *record = vec_add(&context->steps);
        if (known)
            vec_each (&known->items, struct job_step_record, old)
                if (old->index == (int)i) {
                    *record = *old;
                    old->command = old->outcome = old->undo = old->progress = NULL; /* taken over */
                    old->index = -1;
                }
        if (record->command)
            continue;
        record->job_id = context->job.id;
        record->index = (int)i;
        str_copy(record->name, sizeof record->name, step->kind->name);
        str_copy(record->host, sizeof record->host, step->host);
        record->command = xstrdup(step->command);
        record->undo = step->undo ? xstrdup(step->undo) : NULL;
        write_step(context, i, NULL);
    }
}

void job_replan(struct step_context *context, struct plan *plan)
{
    struct err_info info = {0};
    vec_each (&context->steps, struct job_step_record, step)
        job_step_record_free(step);
    vec_free(&context->steps);
    plan_free(&context->plan);
    context->plan = *plan;
    context->current = 0;
    *plan = (struct plan){.cut_us = -1};
    make_journal(context, NULL);
    enum err err = store_job_steps_cut(context->config->store, context->job.id, context->steps.count, &info);
    log_failure(context, err, &info);
}

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
    make_journal(context, steps);
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
