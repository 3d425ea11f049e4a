/* nft -c first, so that what this version or kernel does not know is seen before anything changes; then the same text
 * in one transaction. The text is an argument, not a file. Interface names come from the kernel, of any bytes but "/"
 * and blanks: a name that cannot stand between quotes is refused. No state; any thread. */
#include "host/isolate/drop.h"

#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "host/path.h"
#include "host/run.h"

#define NFT_LIMIT_US (5 * USEC_PER_SEC)
#define TEXT_CEILING (64u * 1024) /* an argument of execve(2) may have 128 KiB */
#define ERRORS_CEILING 4096u
#define TABLE "netdev dogwatch."

static const char *const programs[] = {"/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/bin/nft", NULL};

static enum err find_program(char out[HOST_PATH_SIZE], struct err_info *info)
{
    for (const char *const *candidate = programs; *candidate; candidate++) {
        const char *const one[] = {host_path(out, HOST_PATH_SIZE, *candidate), NULL};
        if (run_find(one))
            return ERR_OK;
    }
    return err_set(info, ERR_NOT_FOUND, "nft (nftables) is not installed on this host: nothing can be cut off");
}

static enum err put_chain(struct buf *out, const char *name, const char *hook, const struct isolate_found *found)
{
    buf_printf(out, "chain %s { type filter hook %s devices = {", name, hook);
    for (size_t i = 0; i < found->interfaces.count; i++) {
        const char *device = found->interfaces.items[i].name;
        if (strpbrk(device, "\"\\") || !sanitize_is_clean(device, strlen(device)))
            return ERR_INVALID;
        buf_printf(out, "%s \"%s\"", i ? "," : "", device);
    }
    return buf_puts(out, " } priority -500; policy drop; counter; }; ");
}

enum err drop_text(const char *site, const struct isolate_found *found, bool both, struct buf *out)
{
    buf_printf(out, "add table " TABLE "%s; delete table " TABLE "%s; add table " TABLE "%s; ", site, site, site);
    if (!found->interfaces.count)
        return out->overflowed ? ERR_FULL : ERR_OK;
    buf_printf(out, "table " TABLE "%s { ", site);
    enum err result = put_chain(out, "from", "ingress", found);
    if (result == ERR_OK && both)
        result = put_chain(out, "to", "egress", found);
    return result == ERR_OK ? buf_puts(out, "}") : result;
}

static enum err run_nft(const char *text, bool check, struct err_info *info)
{
    char program[HOST_PATH_SIZE], said[300];
    struct buf errors = BUF(ERRORS_CEILING);
    int status;
    enum err result = find_program(program, info);
    const char *const checking[] = {program, "-c", text, NULL}, *const doing[] = {program, text, NULL};
    if (result == ERR_OK)
        result = run_program(check ? checking : doing, NFT_LIMIT_US, NULL, &errors, &status, info);
    if (result == ERR_OK && status != 0) {
        sanitize(said, sizeof said, buf_text(&errors), strcspn(buf_text(&errors), "\n"));
        result = err_set(info, ERR_FAILED, "nft failed (%d): %s", status, said[0] ? said : "it does not say why");
    }
    buf_free(&errors);
    return result;
}

static enum err apply(const char *site, const struct isolate_found *found, bool both, struct err_info *info)
{
    struct buf text = BUF(TEXT_CEILING);
    enum err result = drop_text(site, found, both, &text);
    if (result != ERR_OK)
        result = err_set(info, result, "the interfaces of %s cannot be written down for nft", site);
    if (result == ERR_OK)
        result = run_nft(buf_text(&text), true, info);
    if (result == ERR_OK)
        result = run_nft(buf_text(&text), false, info);
    buf_free(&text);
    return result;
}

enum err drop_apply(const char *site, const struct isolate_found *found, bool *both, struct err_info *info)
{
    struct err_info first;
    *both = true;
    if (apply(site, found, true, &first) == ERR_OK)
        return ERR_OK;
    *both = false;
    enum err result = apply(site, found, false, info);
    if (result == ERR_OK)
        log_warning("only what %s sends is dropped, not what is sent to it: %s", site, first.message);
    return result;
}

enum err drop_remove(const char *site, struct err_info *info)
{
    struct buf text = BUF(TEXT_CEILING);
    buf_printf(&text, "add table " TABLE "%s; delete table " TABLE "%s", site, site);
    enum err result = run_nft(buf_text(&text), false, info);
    buf_free(&text);
    return result;
}
