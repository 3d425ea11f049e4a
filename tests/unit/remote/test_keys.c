/* The engine's own keys: made once, private, the same for whoever asks. */
#include "tests/unit/remote/reach.h"

#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_key_is_made_once_and_is_private(void **state)
{
    (void)state;
    char *directory = test_dir_new();
    struct err_info info;
    char *path, *line, *again;
    assert_ok(keys_ensure(directory, "viewer", &path, &line, &info), &info);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    assert_true(str_starts(line, "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"));
    assert_ok(keys_ensure(directory, "viewer", NULL, &again, &info), &info);
    assert_string_equal(line, again);
    free(again);
    assert_ok(keys_ensure(directory, "operator", NULL, &again, &info), &info);
    assert_string_not_equal(line, again);
    free(again);
    free(path);
    free(line);
    test_dir_free(directory);
}

struct racer {
    const char *directory;
    pthread_barrier_t *start;
    char *line;
};

static void *race(void *arg)
{
    struct racer *racer = arg;
    pthread_barrier_wait(racer->start);
    keys_ensure(racer->directory, "viewer", NULL, &racer->line, NULL);
    return NULL;
}

static void racing_askers_get_the_same_key(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        char *directory = test_dir_new();
        pthread_barrier_t start;
        pthread_barrier_init(&start, NULL, 2);
        struct racer racers[2] = {{directory, &start, NULL}, {directory, &start, NULL}};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++)
            pthread_create(&threads[i], NULL, race, &racers[i]);
        for (int i = 0; i < 2; i++)
            pthread_join(threads[i], NULL);
        assert_non_null(racers[0].line);
        assert_non_null(racers[1].line);
        assert_string_equal(racers[0].line, racers[1].line);
        free(racers[0].line);
        free(racers[1].line);
        pthread_barrier_destroy(&start);
        test_dir_free(directory);
    }
}

static void a_key_others_can_read_is_refused(void **state)
{
    (void)state;
    char *directory = test_dir_new();
    struct err_info info;
    char *path, *line = NULL;
    assert_ok(keys_ensure(directory, "viewer", &path, NULL, &info), &info);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(keys_ensure(directory, "viewer", NULL, &line, &info), ERR_DENIED);
    assert_says(&info, path);
    assert_null(line);
    free(path);
    test_dir_free(directory);
}

static void a_damaged_key_is_not_replaced(void **state)
{
    (void)state;
    char *directory = test_dir_new();
    struct err_info info;
    char *path, *line;
    assert_ok(keys_ensure(directory, "viewer", &path, NULL, &info), &info);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(keys_ensure(directory, "viewer", NULL, &line, &info), ERR_CORRUPT);
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_size, 100);
    free(path);
    test_dir_free(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_made_once_and_is_private),
        cmocka_unit_test(racing_askers_get_the_same_key),
        cmocka_unit_test(a_key_others_can_read_is_refused),
        cmocka_unit_test(a_damaged_key_is_not_replaced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
