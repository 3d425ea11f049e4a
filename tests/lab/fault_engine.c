/* `engine` for tests of faults: the product's engine, which at one point of one job dies or waits for the test.
 *
 *     DOGWATCH_FAULT="copy#2 before kill"     at the second "copy" of this engine's life, before its run: as SIGKILL
 * would DOGWATCH_FAULT="switch after wait"      makes the file DOGWATCH_FAULT_DIR/reached, goes on once there is one
 * called go DOGWATCH_FAULT_DIR=DIR                  all points that are passed are written to DIR/passed, one a line
 *
 * A point is a step's name, or "undo " and the name ("undo-copy" on this line). It happens once. Runs on the threads of
 * jobs. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"

#define WAIT_US (120 * USEC_PER_SEC) /* a test that forgot us */

static struct {
    pthread_mutex_t mutex; /* guards what follows */
    char step[64];
    int64_t which; /* from 1 */
    bool before, kill, happened;
    int64_t passed; /* how often the step came so far */
    const char *directory;
} fault = {.mutex = PTHREAD_MUTEX_INITIALIZER, .which = 1};

static void make_file(const char *name)
{
    char path[512];
    str_format(path, sizeof path, "%s/%s", fault.directory, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static void note(const char *step, bool before)
{
    char path[512], line[128];
    str_format(path, sizeof path, "%s/passed", fault.directory);
    str_format(line, sizeof line, "%s %s\n", step, before ? "before" : "after");
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        perror(path);
    close(fd);
}

static void wait_for_go(void)
{
    char path[512];
    str_format(path, sizeof path, "%s/go", fault.directory);
    make_file("reached");
    for (int64_t end_us = clock_mono_us() + WAIT_US; access(path, F_OK) < 0 && clock_mono_us() < end_us;)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static void at_point(const char *step, bool before)
{
    char word[64];
    str_copy(word, sizeof word, step);
    for (char *c = word; *c; c++)
        *c = *c == ' ' ? '-' : *c;
    pthread_mutex_lock(&fault.mutex);
    if (fault.directory)
        note(word, before);
    bool here =
        strcmp(word, fault.step) == 0 && before == fault.before && ++fault.passed == fault.which && !fault.happened;
    fault.happened = fault.happened || here;
    pthread_mutex_unlock(&fault.mutex);
    if (here && fault.kill)
        kill(getpid(), SIGKILL);
    else if (here && fault.directory)
        wait_for_go();
}

/* False where it is not written as above. */
static bool parse_fault(const char *text)
{
    char step[64], when[16], what[16];
    if (sscanf(text, "%63s %15s %15s", step, when, what) != 3)
        return false;
    char *which = strchr(step, '#');
    if (which) {
        *which = '\0';
        if (!str_to_i64(which + 1, 1, 1000, &fault.which))
            return false;
    }
    str_copy(fault.step, sizeof fault.step, step);
    fault.before = strcmp(when, "before") == 0;
    fault.kill = strcmp(what, "kill") == 0;
    return (fault.before || strcmp(when, "after") == 0) && (fault.kill || strcmp(what, "wait") == 0);
}

int main(int argc, char **argv)
{
    const char *text = getenv("DOGWATCH_FAULT");
    fault.directory = getenv("DOGWATCH_FAULT_DIR");
    if (text && text[0] && !parse_fault(text)) {
        fprintf(stderr, "DOGWATCH_FAULT: not \"STEP[#N] before|after kill|wait\": %s\n", text);
        return 2;
    }
    return engine_main_with(argc, argv, at_point);
}
