/* Run a program that takes in what another host sends so that it can write into one directory and nowhere else: it sees
 * that directory as /data, the system's programs and libraries read-only, and nothing besides. rsync has had faults by
 * which a hostile sender wrote outside of the directory it was given (CVE-2024-12086 to -12088); here there is no
 * outside. */
#ifndef HOST_TRANSFER_CONFINE_H
#define HOST_TRANSFER_CONFINE_H

#define CONFINE_DATA "/data"

/* `dogwatch-host --confine DIRECTORY PROGRAM ARGUMENT…`: becomes the program. `directory` is absolute and holds no
 * symbolic link. Returns an exit status (126) only where it fails; why is on standard error. */
int confine_main(const char *directory, char **argv);

#endif
