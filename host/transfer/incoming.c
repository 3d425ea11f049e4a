/* Reads the mark's file each time: marks are set by other processes. Any thread. */
#include "host/transfer/incoming.h"

#include <string.h>

#include "host/site/record.h"

enum err incoming_check(const char *site, struct err_info *info)
{
    json_t *record;
    enum err result = record_read(site, "mark", &record, info);
    const char *mark = json_get_text(record, "mark");
    if (result == ERR_NOT_FOUND || (result == ERR_OK && (!mark || strcmp(mark, "incoming") != 0)))
        result = err_set(info, ERR_DENIED,
            "%s is not marked incoming on this host (%s): nothing is written into it, for it could be running", site,
            result == ERR_OK && mark ? mark : "it bears no mark");
    json_decref(record);
    return result;
}
