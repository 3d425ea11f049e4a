/* What the engines of this host say of a site, asked afresh. Any thread; each call runs programs with deadlines. */
#ifndef HOST_DEFINITION_GATHER_H
#define HOST_DEFINITION_GATHER_H

#include "base/err.h"
#include "base/json.h"
#include "host/containers/runtime.h"

/* An engine's description of one thing ("container", "image", "volume", "network"); NULL where there is none or the
 * engine does not answer. The name was checked by the caller, who owns what is returned. */
json_t *gather_one(enum runtime_kind kind, const char *object, const char *name);

/* A fresh inventory, the caller's. ERR_TIMEOUT also where an engine of this host does not answer: what it has is not
 * known, and must not be taken for nothing. */
enum err gather_inventory(json_t **inventory, struct err_info *info);

/* The definition of one container (define.h) by ID; NULL where it is not there. Its restart policy is that which it has
 * when the site bears no mark. *image (may be NULL): the engine's description of its image, the caller's; NULL where it
 * is not known. */
json_t *gather_container(enum runtime_kind kind, const char *id, const char *site, const char *role, json_t **image);

/* The site's definition (docs/definition.md) made of its containers in the inventory. ERR_NOT_FOUND where there are
 * none, ERR_FULL where it would not fit into a request. */
enum err gather_definition(const json_t *inventory, const char *site, json_t **definition, struct err_info *info);

#endif
