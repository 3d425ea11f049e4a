/* The engine's keys. A new key is written whole under a name of its own and then linked to its place: link(2) fails
 * where another process was faster, and then that one's key is used. Any thread. */
#include "remote/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <libssh/libssh.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/paths.h"

static enum err write_new(const char *path, const char *text, struct err_info *info)
{
    char *fresh = xasprintf("%s.%ld.new", path, (long)gettid());
    enum err err = paths_write_atomic(fresh, text, strlen(text), 0600, info);
    if (err == ERR_OK && link(fresh, path) != 0 && errno != EEXIST)
        err = err_errno(info, err_from_errno(errno), errno, "cannot write %s", path);
    unlink(fresh);
    free(fresh);
    return err;
}

static enum err generate(const char *path, struct err_info *info)
{
    ssh_key key = NULL;
    char *text = NULL;
    enum err err = ERR_OK;
    if (ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key) != SSH_OK ||
        ssh_pki_export_privkey_base64(key, NULL, NULL, NULL, &text) != SSH_OK)
        err = err_set(info, ERR_IO, "cannot make an ed25519 key for %s", path);
    else
        err = write_new(path, text, info);
    if (text)
        explicit_bzero(text, strlen(text));
    ssh_string_free_char(text);
    ssh_key_free(key);
    return err;
}

static enum err check_mode(const char *path, struct err_info *info)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return err_errno(info, err_from_errno(errno), errno, "cannot look at %s", path);
    if (!S_ISREG(status.st_mode) || (status.st_mode & 077) != 0)
        return err_set(info, ERR_DENIED,
            "others can read the private key %s: chmod 600 it, or delete it and enrol the hosts again", path);
    return ERR_OK;
}

static enum err read_public(const char *path, char **line, struct err_info *info)
{
    ssh_key key = NULL, public_key = NULL;
    char *base64 = NULL;
    enum err err = ERR_OK;
    if (access(path, R_OK) != 0)
        err = err_errno(info, err_from_errno(errno), errno, "cannot read the key %s", path);
    else if (ssh_pki_import_privkey_file(path, NULL, NULL, NULL, &key) != SSH_OK ||
             ssh_pki_export_privkey_to_pubkey(key, &public_key) != SSH_OK ||
             ssh_pki_export_pubkey_base64(public_key, &base64) != SSH_OK)
        err = err_set(info, ERR_CORRUPT, "%s is no usable private key: delete it and enrol the hosts again", path);
    else
        *line = xasprintf("%s %s", ssh_key_type_to_char(ssh_key_type(key)), base64);
    ssh_string_free_char(base64);
    ssh_key_free(public_key);
    ssh_key_free(key);
    return err;
}

enum err keys_ensure(const char *state_dir, const char *role, char **path, char **public_line, struct err_info *info)
{
    if (path)
        *path = NULL;
    if (public_line)
        *public_line = NULL;
    char *directory = paths_join(state_dir, "keys");
    char *file = paths_join(directory, role);
    enum err err = paths_make_dir(directory, info);
    if (err == ERR_OK && access(file, F_OK) != 0)
        err = generate(file, info);
    if (err == ERR_OK)
        err = check_mode(file, info);
    if (err == ERR_OK && public_line)
        err = read_public(file, public_line, info);
    if (err == ERR_OK && path) {
        *path = file;
        file = NULL;
    }
    free(directory);
    free(file);
    return err;
}
