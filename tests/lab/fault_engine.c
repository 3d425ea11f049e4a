/* `engine` for tests of faults: the product's engine, which at one point of a job dies or waits for the test.
 *
 *     echo "copy#2 before kill" >$DOGWATCH_FAULT_DIR/fault     at the second "copy" from now on, before its run: as
 * SIGKILL would echo "route after wait" >$DOGWATCH_FAULT_DIR/fault       makes the file "reached" there, goes on once
 * there is one called "go"
 *
 * A point is a step's name, or "undo-" and the name. It happens once: the file becomes "happened". All points that are
 * passed are written to the file "passed", one a line. Runs on the threads of jobs. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "engine/engine.h"

#define WAIT_US (180 * USEC_PER_SEC) /* a test that forgot us */

struct fault {
    char step[64];
    int64_t which; /* from 1 */
    bool before, kill;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and the files */
static char text_of_fault[160];                           /* what the count is for */
static int64_t came;                                      /* how often that step came so far */
static const char *directory;

static const char *path_of(const char *name, char out[512])
{
    str_format(out, 512, "%s/%s", directory, name);
    return out;
}

static void make_file(const char *name)
{
    char path[512];
    int fd = open(path_of(name, path), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
}

static void note(const char *step, bool before)
{
    char path[512], line[128];
    str_format(line, sizeof line, "%s %s\n", step, before ? "before" : "after");
    int fd = open(path_of("passed", path), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    if (write(fd, line, strlen(line)) < 0)
        perror(path);
    close(fd);
}

/* False where none is wanted now, or it is not written as above. */
static bool read_fault(struct fault *fault)
{
    struct buf text = BUF(sizeof text_of_fault - 1);
    char path[512], when[16] = "", what[16] = "";
    *fault = (struct fault){.which = 1};
    bool good = buf_read_file(&text, path_of("fault", path), NULL) == ERR_OK &&
                sscanf(buf_text(&text), "%63s %15s %15s", fault->step, when, what) == 3;
    if (strcmp(text_of_fault, buf_text(&text)) != 0)
        came = 0;
    str_copy(text_of_fault, sizeof text_of_fault, buf_text(&text));
    buf_free(&text);
    char *which = strchr(fault->step, '#');
    if (which)
        *which = '\0';
    if (which && !str_to_i64(which + 1, 1, 1000, &fault->which))
        return false;
    fault->before = strcmp(when, "before") == 0;
    fault->kill = strcmp(what, "kill") == 0;
    return good;
}

static bool is_here(const char *step, bool before, struct fault *fault)
{
    char path[512], done[512];
    if (!read_fault(fault) || strcmp(step, fault->step) != 0 || before != fault->before || ++came != fault->which)
        return false;
    return rename(path_of("fault", path), path_of("happened", done)) == 0;
}

static void wait_for_go(void)
{
    char path[512];
    make_file("reached");
    for (int64_t end_us = clock_mono_us() + WAIT_US; access(path_of("go", path), F_OK) < 0 && clock_mono_us() < end_us;)
        nanosleep(&(struct timespec){.tv_nsec = 20 * 1000 * 1000}, NULL);
}

static void at_point(const char *step, bool before)
{
    struct fault fault;
    char word[64];
    str_copy(word, sizeof word, step);
    for (char *c = word; *c; c++)
        *c = *c == ' ' ? '-' : *c;
    pthread_mutex_lock(&mutex);
    note(word, before);
    bool here = is_here(word, before, &fault);
    pthread_mutex_unlock(&mutex);
    if (here && fault.kill)
        kill(getpid(), SIGKILL);
    else if (here)
        wait_for_go();
}

int main(int argc, char **argv)
{
    directory = getenv("DOGWATCH_FAULT_DIR");
    return engine_main_with(argc, argv, directory ? at_point : NULL);
}
