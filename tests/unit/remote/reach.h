/* What the tests of remote/ share: a server of the test's own, a target that trusts it, and an error that is shown on
 * failure. */
#ifndef TESTS_UNIT_REMOTE_REACH_H
#define TESTS_UNIT_REMOTE_REACH_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "remote/connection.h"
#include "remote/keys.h"
#include "remote/known_hosts.h"
#include "tests/support/ssh_server.h"

#define SOON (10 * USEC_PER_SEC)
#define AT_ONCE (300 * USEC_PER_MSEC) /* for what must run into its deadline */

struct reach {
    struct ssh_server *server;
    char *directory, *key, *known_hosts;
    struct remote_target target;
    struct err_info info;
};

static inline void reach_trust(struct reach *reach)
{
    struct host_key key;
    assert_int_equal(host_key_describe(&key, ssh_server_key(reach->server), NULL), ERR_OK);
    assert_int_equal(known_hosts_set(reach->known_hosts, "mosh01", &key, &reach->info), ERR_OK);
}

static inline void reach_start(struct reach *reach, const struct ssh_server_options *options)
{
    *reach = (struct reach){.server = ssh_server_start(options), .directory = test_dir_new()};
    assert_int_equal(keys_ensure(reach->directory, "viewer", &reach->key, NULL, &reach->info), ERR_OK);
    reach->known_hosts = paths_join(reach->directory, "known_hosts");
    reach->target = (struct remote_target){.name = "mosh01",
        .address = "127.0.0.1",
        .port = ssh_server_port(reach->server),
        .user = "dogwatch",
        .identity_file = reach->key,
        .known_hosts = {.ours = reach->known_hosts}};
    reach_trust(reach);
}

static inline void reach_stop(struct reach *reach)
{
    ssh_server_stop(reach->server);
    test_dir_free(reach->directory);
    free(reach->key);
    free(reach->known_hosts);
}

#define assert_ok(call, error)                                                                                         \
    do {                                                                                                               \
        enum err assert_ok_err = (call);                                                                               \
        if (assert_ok_err)                                                                                             \
            print_error("%s: %s\n", err_word(assert_ok_err), (error)->message);                                        \
        assert_int_equal(assert_ok_err, ERR_OK);                                                                       \
    } while (0)

#define assert_says(error, text)                                                                                       \
    do {                                                                                                               \
        if (!strstr((error)->message, text))                                                                           \
            print_error("the message is: %s\n", (error)->message);                                                     \
        assert_non_null(strstr((error)->message, text));                                                               \
    } while (0)

#endif
