/* Commands with input and output over one channel, against real programs behind the test's own SSH server. */
#include "tests/unit/remote/reach.h"

#include "remote/exec.h"

struct run {
    struct reach reach;
    struct connection *connection;
    struct buf out, errors;
    int status;
};

static void run_open(struct run *run, const char *const *argv)
{
    reach_start(&run->reach, &(struct ssh_server_options){.argv = argv});
    run->out = BUF(16u << 20);
    run->errors = BUF(65536);
    assert_ok(
        remote_dial(&run->reach.target, SOON, REMOTE_NO_CANCEL, &run->connection, &run->reach.info), &run->reach.info);
}

static void run_close(struct run *run)
{
    connection_free(run->connection);
    reach_stop(&run->reach);
    buf_free(&run->out);
    buf_free(&run->errors);
}

static enum err run_it(struct run *run, struct remote_command *command)
{
    command->text = "whatever";
    if (!command->timeout_us)
        command->timeout_us = 30 * USEC_PER_SEC;
    return remote_exec(run->connection, command, &run->out, &run->errors, &run->status, &run->reach.info);
}

static void outputs_and_status_come_back_apart(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, (const char *const[]){"/bin/sh", "-c", "read -r x; echo \"out $x\"; echo err >&2; exit 7", NULL});
    assert_ok(run_it(&run, &(struct remote_command){.input = "hello\n", .input_length = 6}), &run.reach.info);
    assert_string_equal(buf_text(&run.out), "out hello\n");
    assert_string_equal(buf_text(&run.errors), "err\n");
    assert_int_equal(run.status, 7);
    run_close(&run);
}

static void note_progress(void *owner, size_t sent, size_t all)
{
    size_t *last = owner;
    assert_true(sent > *last && sent <= all);
    *last = sent;
}

static void five_megabytes_arrive_whole_while_as_many_come_back(void **state)
{
    (void)state;
    const size_t size = 5u << 20;
    unsigned char *data = xmalloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    struct run run;
    size_t last = 0;
    run_open(&run, (const char *const[]){"/bin/cat", NULL});
    assert_ok(
        run_it(&run,
            &(struct remote_command){.input = data, .input_length = size, .progress = note_progress, .owner = &last}),
        &run.reach.info);
    assert_int_equal(run.status, 0);
    assert_int_equal(last, size);
    assert_int_equal(run.out.length, size);
    assert_memory_equal(run.out.data, data, size);
    free(data);
    run_close(&run);
}

static void input_nobody_reads_does_not_block_the_end(void **state)
{
    (void)state;
    const size_t size = 5u << 20; /* more than any window */
    char *data = xcalloc(1, size);
    struct run run;
    run_open(&run, (const char *const[]){"/bin/sh", "-c", "exit 3", NULL});
    assert_ok(run_it(&run, &(struct remote_command){.input = data, .input_length = size}), &run.reach.info);
    assert_int_equal(run.status, 3);
    free(data);
    run_close(&run);
}

static void more_output_than_allowed_is_an_error(void **state)
{
    (void)state;
    struct run run;
    run_open(&run,
        (const char *const[]){"/bin/sh", "-c", "while echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; do :; done", NULL});
    run.out = BUF(100000);
    assert_int_equal(run_it(&run, &(struct remote_command){0}), ERR_FULL);
    run_close(&run);
}

static void a_command_that_does_not_end_runs_into_its_deadline(void **state)
{
    (void)state;
    struct run run;
    run_open(&run, (const char *const[]){"/bin/sh", "-c", "echo begun; read -r never; read -r never", NULL});
    assert_int_equal(
        run_it(&run, &(struct remote_command){.input = "x\n", .input_length = 2, .timeout_us = AT_ONCE}), ERR_OK);
    run_close(&run); /* end of input ended it: that is what an exec with input means */
    run_open(&run, (const char *const[]){"/bin/sleep", "2", NULL});
    assert_int_equal(run_it(&run, &(struct remote_command){.timeout_us = AT_ONCE}), ERR_TIMEOUT);
    ssh_server_cut(run.reach.server);
    run_close(&run);
}

static void join_lines(void *owner, const char *line)
{
    buf_printf(owner, "[%s]", line);
}

static void lines_are_given_as_they_come_and_clean(void **state)
{
    (void)state;
    struct run run;
    struct buf lines = BUF(1000);
    run_open(&run, (const char *const[]){"/bin/sh", "-c", "printf 'did one\\ntwo\\033[2J\\n\\nlast'", NULL});
    assert_ok(run_it(&run, &(struct remote_command){.line = join_lines, .owner = &lines}), &run.reach.info);
    assert_string_equal(buf_text(&lines), "[did one][two\xef\xbf\xbd[2J][][last]");
    buf_free(&lines);
    run_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(outputs_and_status_come_back_apart),
        cmocka_unit_test(five_megabytes_arrive_whole_while_as_many_come_back),
        cmocka_unit_test(input_nobody_reads_does_not_block_the_end),
        cmocka_unit_test(more_output_than_allowed_is_an_error),
        cmocka_unit_test(a_command_that_does_not_end_runs_into_its_deadline),
        cmocka_unit_test(lines_are_given_as_they_come_and_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
