/* May anything be written into this site here? Only where it bears the mark `incoming` (docs/protocol.md "Marks"). */
#ifndef HOST_TRANSFER_INCOMING_H
#define HOST_TRANSFER_INCOMING_H

#include "base/err.h"

enum err incoming_check(const char *site, struct err_info *info); /* ERR_DENIED */

#endif
