/* The record of what was made for a site (made.h). Any thread; the site's lease keeps two from writing at once. */
#include "host/definition/made.h"

#include <string.h>

#include "host/site/record.h"

#define SUFFIX "made"

/* Of another job only the directories count. */
static json_t *read_made(const char *site, const char *job)
{
    json_t *record;
    if (record_read(site, SUFFIX, &record, NULL) != ERR_OK)
        record = json_object();
    const char *by = json_get_text(record, "job");
    if (by && strcmp(by, job) != 0)
        json_object_del(record, "volumes");
    json_put_text(record, "job", job);
    return record;
}

static bool array_has(const json_t *array, const char *what)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *known = json_string_value(json_array_get(array, i));
        if (known && strcmp(known, what) == 0)
            return true;
    }
    return false;
}

enum err made_note(const char *site, const char *job, const char *kind, const char *what, struct err_info *info)
{
    json_t *record = read_made(site, job), *all = json_object_get(record, kind);
    enum err result = ERR_OK;
    if (!json_is_array(all))
        json_object_set_new(record, kind, all = json_array());
    if (!array_has(all, what)) {
        json_array_append_new(all, json_string(what));
        result = record_write(site, SUFFIX, record, info);
    }
    json_decref(record);
    return result;
}

json_t *made_list(const char *site, const char *job, const char *kind)
{
    json_t *record = read_made(site, job), *texts = json_array();
    const json_t *all = json_object_get(record, kind);
    for (size_t i = 0; i < json_array_size(all); i++)
        if (json_is_string(json_array_get(all, i)))
            json_array_append(texts, json_array_get(all, i));
    json_decref(record);
    return texts;
}

void made_forget(const char *site)
{
    record_remove(site, SUFFIX, NULL);
}
