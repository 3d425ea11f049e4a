/* rsync's "remote shell": rsync starts it and speaks to its standard input and output, it carries them to and from the
 * way to the peer (ssh, or a channel of the console) that it inherited as descriptors 3 (from the peer) and 4 (to it).
 * The peer gets rsync's command line first, as a frame. */
#ifndef HOST_TRANSFER_RELAY_H
#define HOST_TRANSFER_RELAY_H

/* `dogwatch-host --relay HOST rsync --server …`; returns the exit status. */
int relay_main(int argc, char **argv);

#endif
