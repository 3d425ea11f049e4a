/* Who may change a site now: one job at a time, over all helpers and connections of this host. A lease stands in
 * /var/lib/dogwatch/sites/SITE.lease until its job releases it, its time is over (by CLOCK_BOOTTIME: a wrong wall clock
 * changes nothing) or the host is started anew. Any thread, any process. */
#ifndef HOST_SITE_LEASE_H
#define HOST_SITE_LEASE_H

#include "base/err.h"
#include "base/json.h"

#define LEASE_JOB_SIZE 65
#define LEASE_SUFFIX ".lease" /* of the file that stands as long as a job has not given it back */

/* args.job as text: a positive number, or a word of [A-Za-z0-9._:-]. ERR_INVALID. */
enum err lease_job(const json_t *args, char out[LEASE_JOB_SIZE], struct err_info *info);

/* ERR_OK where the job holds the site's lease now; else ERR_BUSY, the message names the holder. */
enum err lease_check(const char *site, const char *job, struct err_info *info);

/* Add "lease" (job, holder, expires_us) where one is held. */
void lease_put(const char *site, json_t *object);

#endif
