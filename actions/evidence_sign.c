/* OpenSSH's signatures, made and checked by ssh-keygen: texts, signatures and the one key that may have signed are
 * handed to it as descriptors of memory, so that no name and no path of the evidence reaches a command line. Any
 * thread. */
#include "actions/evidence_private.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/sanitize.h"

#define FIRST_SPARE_FD 20
#define BEGIN "-----BEGIN SSH SIGNATURE-----"
#define END "-----END SSH SIGNATURE-----"
#define MAGIC "SSHSIG"
#define PRINCIPAL "signer"

static const char *const keygens[] = {"/usr/bin/ssh-keygen", "/usr/local/bin/ssh-keygen", "/bin/ssh-keygen"};

/* --- who signed ----------------------------------------------------------------------------------------------------
 */

/* What stands between the two lines, without line ends; false where it is no such text. */
static bool take_base64(const struct buf *signature, struct buf *base64)
{
    const char *at = strstr(buf_text(signature), BEGIN), *end = at ? strstr(at, END) : NULL;
    if (!end)
        return false;
    for (at += strlen(BEGIN); at < end; at++)
        if (*at != '\n' && *at != '\r')
            buf_putc(base64, *at);
    return base64->length > 0 && base64->length % 4 == 0 && !base64->overflowed;
}

static size_t big_endian(const unsigned char *at)
{
    return (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
}

/* PROTOCOL.sshsig: the magic, a version of 4 bytes, and the public key as a string of 4 bytes' length. */
enum err signature_key(const struct buf *signature, struct host_key *key, struct err_info *info)
{
    enum { KEY_AT = sizeof MAGIC - 1 + 8 };
    struct buf base64 = BUF(SIGNATURE_CEILING);
    *key = (struct host_key){0};
    bool good = take_base64(signature, &base64);
    unsigned char *blob = xcalloc(1, base64.length + 4);
    int decoded = good ? EVP_DecodeBlock(blob, (const unsigned char *)base64.data, (int)base64.length) : -1;
    size_t size = decoded > KEY_AT ? big_endian(blob + KEY_AT - 4) : 0;
    good = size > 0 && size <= (size_t)decoded - KEY_AT && size < HOST_KEY_BASE64_SIZE / 2 &&
           memcmp(blob, MAGIC, sizeof MAGIC - 1) == 0;
    if (good) {
        char *text = xcalloc(1, size * 2 + 8);
        EVP_EncodeBlock((unsigned char *)text, blob + KEY_AT, (int)size);
        good = host_key_describe(key, text, NULL) == ERR_OK;
        free(text);
    }
    free(blob);
    buf_free(&base64);
    return good ? ERR_OK : err_set(info, ERR_CORRUPT, "the signature is none that OpenSSH made");
}

/* --- running ssh-keygen ----------------------------------------------------------------------------------------------
 */

/* A descriptor to read `data` from, or an empty one to write to (NULL); -1: errno says why. */
static int memory_fd(const struct buf *data)
{
    int fd = memfd_create("evidence", MFD_CLOEXEC);
    size_t length = data ? data->length : 0, done = 0;
    while (fd >= 0 && done < length) {
        ssize_t wrote = write(fd, data->data + done, length - done);
        if (wrote <= 0 && errno != EINTR)
            break;
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    int spare =
        fd >= 0 && done == length && lseek(fd, 0, SEEK_SET) == 0 ? fcntl(fd, F_DUPFD_CLOEXEC, FIRST_SPARE_FD) : -1;
    if (fd >= 0)
        close(fd);
    return spare;
}

static void read_back(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t got;
    off_t at = 0;
    while ((got = pread(fd, piece, sizeof piece, at)) > 0 && buf_append(out, piece, (size_t)got) == ERR_OK)
        at += got;
}

/* Its descriptors 0, 1, 2, … are fds[0], fds[1], …; *status is its exit status. */
static enum err run_keygen(
    const char *const *words, const int *fds, size_t fd_count, int *status, struct err_info *info)
{
    static char *const environment[] = {"PATH=/usr/bin:/bin", "LANG=C.UTF-8", "SSH_ASKPASS_REQUIRE=never", NULL};
    const char *argv[16] = {"ssh-keygen"}, *program = NULL;
    posix_spawn_file_actions_t actions;
    pid_t pid;
    for (size_t i = 0; words[i] && i < 14; i++)
        argv[i + 1] = words[i];
    for (size_t i = 0; i < sizeof keygens / sizeof *keygens && !program; i++)
        program = access(keygens[i], X_OK) == 0 ? keygens[i] : NULL;
    if (!program)
        return err_set(info, ERR_MISSING, "ssh-keygen is not installed here (package openssh-client)");
    posix_spawn_file_actions_init(&actions);
    for (size_t i = 0; i < fd_count; i++)
        posix_spawn_file_actions_adddup2(&actions, fds[i], (int)i);
    posix_spawn_file_actions_addclosefrom_np(&actions, (int)fd_count);
    int why = posix_spawn(&pid, program, &actions, NULL, (char *const *)argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (why)
        return err_errno(info, ERR_IO, why, "cannot run %s", program);
    int wait_status;
    while (waitpid(pid, &wait_status, 0) < 0)
        if (errno != EINTR)
            return err_errno(info, ERR_IO, errno, "cannot wait for %s", program);
    *status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : 128;
    return ERR_OK;
}

static bool all_open(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] < 0)
            return false;
    return true;
}

static void close_all(const int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

enum err signature_verify(const struct buf *text, const struct buf *signature, const struct host_key *key,
    const char *name_space, bool *good, struct err_info *info)
{
    struct buf signers = BUF(HOST_KEY_BASE64_SIZE + 256);
    int status = -1;
    *good = false;
    buf_printf(&signers, PRINCIPAL " namespaces=\"%s\" %s %s\n", name_space, key->type, key->base64);
    const int fds[] = {memory_fd(text), memory_fd(NULL), memory_fd(NULL), memory_fd(&signers), memory_fd(signature)};
    const char *const words[] = {
        "-Y", "verify", "-n", name_space, "-I", PRINCIPAL, "-f", "/dev/fd/3", "-s", "/dev/fd/4", NULL};
    enum err err = all_open(fds, 5) ? run_keygen(words, fds, 5, &status, info)
                                    : err_errno(info, ERR_IO, errno, "cannot check a signature");
    close_all(fds, 5);
    buf_free(&signers);
    *good = err == ERR_OK && status == 0;
    return err;
}

enum err signature_make(const struct buf *text, const char *private_key, const char *name_space, struct buf *signature,
    struct err_info *info)
{
    struct buf errors = BUF(2048);
    char said[300];
    int status = -1;
    const int fds[] = {memory_fd(text), memory_fd(NULL), memory_fd(NULL)};
    const char *const words[] = {"-Y", "sign", "-n", name_space, "-f", private_key, NULL};
    enum err err =
        all_open(fds, 3) ? run_keygen(words, fds, 3, &status, info) : err_errno(info, ERR_IO, errno, "cannot sign");
    if (err == ERR_OK) {
        read_back(fds[1], signature);
        read_back(fds[2], &errors);
        sanitize(said, sizeof said, buf_text(&errors), errors.length);
        if (status != 0 || !strstr(buf_text(signature), END))
            err = err_set(info, ERR_FAILED, "ssh-keygen did not sign with %s: %s", private_key, said);
    }
    close_all(fds, 3);
    buf_free(&errors);
    return err;
}
