/* evidence.list: what evidence of a site is kept on this host, whoever collected it. In a thread of its own. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/evidence/vault.h"
#include "host/verbs.h"

#define MOST_LISTED 100
#define MANIFEST_CEILING ((size_t)32 << 20)

static json_t *load(const char *directory, const char *name)
{
    struct buf text = BUF(MANIFEST_CEILING);
    char *path = xasprintf("%s/%s", directory, name);
    json_t *value = NULL;
    if (buf_read_file(&text, path, NULL) == ERR_OK)
        json_parse(buf_text(&text), text.length, &value, NULL);
    buf_free(&text);
    free(path);
    return value;
}

/* NULL where the directory is not of this site. */
static json_t *describe(const char *site, const char *directory)
{
    int64_t began_us = 0, bytes = 0;
    json_t *beginning = load(directory, "begin.json"), *entry = NULL;
    const char *of = json_get_text(beginning, "site"), *job = json_get_text(beginning, "job");
    struct vault vault = {.fd = -1};
    if (of && job && strcmp(of, site) == 0 && vault_open(site, job, false, &vault, NULL) == ERR_OK) {
        bool sealed = vault_is_sealed(&vault);
        json_t *manifest = sealed ? load(directory, VAULT_MANIFEST) : NULL;
        entry = json_object();
        json_put_text(entry, "job", job);
        if (json_get_i64(beginning, "epoch_us", &began_us))
            json_put_i64(entry, "began_us", began_us);
        json_put_bool(entry, "sealed", sealed);
        if (json_get_i64(manifest, "bytes", &bytes))
            json_put_i64(entry, "bytes", bytes);
        if (manifest)
            json_put_i64(entry, "files", (int64_t)json_array_size(json_object_get(manifest, "files")));
        json_decref(manifest);
    }
    vault_close(&vault);
    json_decref(beginning);
    return entry;
}

enum err verb_evidence_list(
    struct session *session, int64_t request_id, const json_t *args, json_t **ok, struct err_info *info)
{
    (void)session, (void)request_id;
    char root[HOST_PATH_SIZE];
    const char *site = json_get_text(args, "site");
    json_t *list = json_array();
    DIR *directory = opendir(host_path(root, sizeof root, VAULT_DIRECTORY));
    if (!directory && errno != ENOENT) {
        json_decref(list);
        return err_errno(info, err_from_errno(errno), errno, "cannot list %s", root);
    }
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;) {
        if (strncmp(entry->d_name, site, strlen(site)) != 0 || json_array_size(list) >= MOST_LISTED)
            continue;
        char *path = xasprintf("%s/%s", root, entry->d_name);
        json_t *described = describe(site, path);
        if (described)
            json_array_append_new(list, described);
        free(path);
    }
    if (directory)
        closedir(directory);
    *ok = json_object();
    json_object_set_new(*ok, "evidence", list);
    return ERR_OK;
}
