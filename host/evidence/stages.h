/* Inside host/evidence: what is collected, one function per kind, in order of volatility. Each fills a directory of its
 * name; what cannot be had is left out with the reason. An error means that nothing can be written any more, or that
 * the connection ended. */
#ifndef HOST_EVIDENCE_STAGES_H
#define HOST_EVIDENCE_STAGES_H

#include "host/evidence/output.h"

typedef enum err evidence_stage(struct evidence *evidence, struct err_info *info);

evidence_stage stage_sockets, stage_processes, stage_freeze, stage_memory, stage_containers, stage_filesystem,
    stage_volumes, stage_seal;

#endif
