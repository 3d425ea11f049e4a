/* Who may do what here: /etc/dogwatch/policy, written by the host's own administrator.
 *
 *     # comment
 *     deny  operator *                         the last line that matches decides
 *     allow operator site.* on blog-*          a glob (fnmatch(3)) of sites; without `on`: everywhere, also for verbs
 * without a site deny  viewer   logs.tail,logs.follow
 *
 * Without a matching line a viewer may use the verbs that only read, an operator all. `hello` and `ping` are always
 * allowed, and nothing makes a viewer change the host: naming an operator's verb for it is an error. The file counts
 * only if it and its directory belong to root (or to the user the helper runs as) and nobody else can write them. A
 * file that is refused or has an error counts as a whole as "allow nothing": then only hello, ping and subscribe are
 * left, and hello tells why. */
#ifndef HOST_POLICY_H
#define HOST_POLICY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "host/verbs.h"

struct policy;

/* Never fails: a missing file gives the defaults, a bad one a policy that allows next to nothing (ask policy_error). */
struct policy *policy_load(const char *path);
/* The same from text; `name` stands before the line number in errors. */
struct policy *policy_parse(const char *name, const char *text, size_t length);
void policy_free(struct policy *policy);

/* Read the file again if it is another one than last time or was changed (one stat(2)). */
void policy_refresh(struct policy **policy, const char *path);

const char *policy_error(const struct policy *policy); /* NULL where it is good; sanitised, with file and line */

/* `site` is NULL for verbs without one. */
bool policy_allows(const struct policy *policy, enum host_role role, const struct verb *verb, const char *site);
/* Is there any site (or none) for which it is allowed? */
bool policy_allows_somewhere(const struct policy *policy, enum host_role role, const struct verb *verb);

const char *host_role_name(enum host_role role);
bool host_role_parse(const char *name, enum host_role *role);

#endif
