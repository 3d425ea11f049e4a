/* Canned messages of helpers for the tests of collectors/. Included by each test program after cmocka.h. */
#ifndef TESTS_UNIT_COLLECTORS_FIXTURE_H
#define TESTS_UNIT_COLLECTORS_FIXTURE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"

#define FIXTURES "tests/unit/collectors/fixtures/" /* tests run in the root of the repository */

/* A file of FIXTURES; the caller's. */
static inline json_t *fixture(const char *name)
{
    char *path = xasprintf(FIXTURES "%s", name);
    struct buf buf = BUF(1 << 20);
    struct err_info info = {0};
    json_t *json = NULL;
    if (buf_read_file(&buf, path, &info) != ERR_OK || json_parse(buf.data, buf.length, &json, &info) != ERR_OK)
        fail_msg("%s: %s", path, info.message);
    buf_free(&buf);
    free(path);
    return json;
}

/* A message written with ' for ". */
static inline json_t *message(const char *text)
{
    char *copy = xstrdup(text);
    for (char *c = copy; *c; c++)
        if (*c == '\'')
            *c = '"';
    struct err_info info = {0};
    json_t *json = NULL;
    if (json_parse(copy, strlen(copy), &json, &info) != ERR_OK)
        fail_msg("%s: %s", copy, info.message);
    free(copy);
    return json;
}

/* Replace one member by JSON written with ' for "; NULL removes it. */
static inline void set(json_t *object, const char *key, const char *text)
{
    if (!text) {
        json_object_del(object, key);
        return;
    }
    char *wrapped = xasprintf("{'v':%s}", text);
    json_t *value = message(wrapped);
    json_object_set(object, key, json_object_get(value, "v"));
    json_decref(value);
    free(wrapped);
}

static inline void assert_near(double value, double wanted)
{
    if (!(fabs(value - wanted) <= 1e-6 * (1 + fabs(wanted))))
        fail_msg("%.9g is not %.9g", value, wanted);
}

#define assert_unknown(value) assert_true(isnan(value))

#endif
