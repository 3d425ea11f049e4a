/* Loading a fleet as it would be after an edit. Within fleet/ only. */
#ifndef FLEET_LOAD_H
#define FLEET_LOAD_H

#include "fleet/fleet.h"

struct fleet_edit { /* the text that is to be in a file; NULL: what is there now */
    const char *fleet_yaml, *hosts_yaml;
};

/* As fleet_load. */
enum err fleet_load_edited(const char *directory, const struct fleet_edit *edit, struct fleet **out,
    struct complaints *complaints, struct err_info *info);

#endif
