/* Changing hosts.yaml as a text: one host is written in or cut out, everything else stays as it was. Within fleet/
 * only; the result has to be loaded and compared before it is trusted (fleet/hosts_edit.c). */
#ifndef FLEET_HOSTS_TEXT_H
#define FLEET_HOSTS_TEXT_H

#include "fleet/fleet.h"

/* `text` has been loaded without complaint. *out: the new text, the caller frees. ERR_INVALID where hosts.yaml is
 * written in a way that cannot be edited safely; hosts_text_remove: ERR_NOT_FOUND. */
enum err hosts_text_add(const char *text, const struct host_def *host, char **out, struct err_info *info);
enum err hosts_text_remove(const char *text, const char *name, char **out, struct err_info *info);

#endif
