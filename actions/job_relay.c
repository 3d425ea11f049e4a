/* Bytes between two hosts that cannot reach one another, through this engine. */
#include "actions/job_run.h"

enum err step_relay(struct step_context *context, const char *from_host, const char *from_word, const char *to_host,
    const char *to_word, int64_t limit_bytes_s, struct err_info *info)
{
    (void)context, (void)from_word, (void)to_word, (void)limit_bytes_s;
    return err_set(info, ERR_UNREACHABLE, "%s and %s cannot reach one another", from_host, to_host);
}
