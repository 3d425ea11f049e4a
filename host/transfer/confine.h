/* Run a program that carries a site's files so that it has one directory and nothing else: it sees that directory as
 * /data, the system's programs and libraries read-only, and nothing besides. rsync has had faults by which a hostile
 * sender wrote outside of the directory it was given (CVE-2024-12086 to -12088). And a site's own user may swap a
 * directory for a symbolic link between a sender's look at it and its reading (CVE-2024-12747 for files), and so be
 * sent the host's own files. Here there is no outside. */
#ifndef HOST_TRANSFER_CONFINE_H
#define HOST_TRANSFER_CONFINE_H

#include <stdbool.h>

#define CONFINE_DATA "/data"
#define CONFINE_HELPER "/dogwatch-host" /* this program; only for who reads */

/* `dogwatch-host --confine DIRECTORY PROGRAM ARGUMENT…`: becomes the program. to_read (`--confine-to-read`): nothing in
 * the directory can be changed, and no device there opened. `directory` is absolute and holds no symbolic link. Returns
 * an exit status (126) only where it fails; why is on standard error. */
int confine_main(const char *directory, bool to_read, char **argv);

#endif
