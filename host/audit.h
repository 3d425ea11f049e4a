/* What the host itself remembers of what it was asked to do: lines in syslog (authpriv), each with who was logged in,
 * as far as sshd and sudo say. Text is sanitised. A syslog that does not take a line within a second loses it: the host
 * must not stop for its log. */
#ifndef HOST_AUDIT_H
#define HOST_AUDIT_H

struct audit;

/* Takes SSH_CONNECTION, SSH_USER_AUTH (sshd_config(5), ExposeAuthInfo) and SUDO_USER from the environment. */
struct audit *audit_new(void); /* lives as long as the process */

/* Any thread. */
void audit_record(struct audit *audit, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same for refusals, of which a minute brings at most 30 lines: what exceeds is counted in the next one. */
void audit_refusal(struct audit *audit, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
