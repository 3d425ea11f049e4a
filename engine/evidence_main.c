/* `dogwatch evidence list|show|verify|pull|remove`: each a row of one table with a command line of its own. All texts
 * come from hosts and pass the sanitiser. One thread. */
#include "engine/evidence_main.h"

#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "actions/evidence.h"
#include "base/cli.h"
#include "base/clock.h"
#include "base/format.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/paths.h"
#include "base/sanitize.h"

#define SHOWN_SIZE 512

static const char *clean(const char *text, char out[SHOWN_SIZE])
{
    sanitize(out, SHOWN_SIZE, text ? text : "", text ? strlen(text) : 0);
    return out;
}

static void print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT);
    putchar('\n');
    json_decref(value);
}

/* --- list --------------------------------------------------------------------------------------------------------- */

static void print_entries_json(const struct evidence_entries *entries)
{
    json_t *list = json_array();
    vec_each (entries, const struct evidence_entry, entry) {
        json_t *row = json_object();
        json_put_text(row, "name", entry->name);
        json_put_text(row, "site", entry->site[0] ? entry->site : NULL);
        json_put_text(row, "job", entry->job[0] ? entry->job : NULL);
        json_put_text(row, "host", entry->host[0] ? entry->host : NULL);
        if (entry->sealed_us)
            json_put_i64(row, "sealed_us", entry->sealed_us);
        if (entry->received_us)
            json_put_i64(row, "received_us", entry->received_us);
        json_put_i64(row, "bytes", entry->bytes);
        json_put_i64(row, "files", entry->files);
        json_put_bool(row, "whole", !entry->is_partial);
        json_array_append_new(list, row);
    }
    print_json(list);
}

static void print_entries(const struct evidence_entries *entries)
{
    if (!entries->count)
        puts("no evidence is here; `dogwatch isolate SITE` collects it, `dogwatch evidence pull SITE` fetches what a "
             "host "
             "still keeps");
    else
        printf("%-40s  %-16s  %-20s  %7s  %6s\n", "NAME", "HOST", "RECEIVED", "SIZE", "FILES");
    vec_each (entries, const struct evidence_entry, entry) {
        char at[CLOCK_RFC3339_SIZE], size[FORMAT_SIZE], host[SHOWN_SIZE];
        printf("%-40s  %-16s  %-20s  %7s  %6" PRId64 "%s\n", entry->name, clean(entry->host, host),
            entry->received_us ? clock_rfc3339(entry->received_us, 0, at) : "–",
            format_bytes((double)entry->bytes, size), entry->files,
            entry->is_partial ? "  broken off: `dogwatch evidence pull` goes on" : "");
    }
}

static enum err run_list(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info)
{
    (void)cli, (void)status;
    struct evidence_entries entries;
    enum err err = evidence_list(state_dir, &entries, info);
    if (!err)
        (json ? print_entries_json : print_entries)(&entries);
    vec_free(&entries);
    return err;
}

/* --- show --------------------------------------------------------------------------------------------------------- */

static void print_left_out(const json_t *stage)
{
    const json_t *entry;
    size_t i;
    json_array_foreach (json_object_get(stage, "left_out"), i, entry) {
        char what[SHOWN_SIZE], why[SHOWN_SIZE];
        printf("    left out: %s – %s\n", clean(json_get_text(entry, "what"), what),
            clean(json_get_text(entry, "why"), why));
    }
}

static void print_stages(const json_t *manifest)
{
    const json_t *stage;
    size_t i;
    json_array_foreach (json_object_get(manifest, "stages"), i, stage) {
        char what[SHOWN_SIZE], at[CLOCK_RFC3339_SIZE], size[FORMAT_SIZE], took[FORMAT_SIZE];
        int64_t at_us = 0, took_ms = 0;
        json_get_i64(stage, "epoch_us", &at_us);
        json_get_i64(stage, "took_ms", &took_ms);
        printf("  %-12s %-20s  %7s  in %s\n", clean(json_get_text(stage, "what"), what), clock_rfc3339(at_us, 0, at),
            format_bytes(json_get_number(stage, "bytes"), size), format_duration(took_ms * USEC_PER_MSEC, took));
        print_left_out(stage);
    }
}

static void print_files(const json_t *manifest)
{
    const json_t *file;
    size_t i;
    json_array_foreach (json_object_get(manifest, "files"), i, file) {
        char name[SHOWN_SIZE], sum[SHOWN_SIZE];
        int64_t bytes = 0;
        json_get_i64(file, "bytes", &bytes);
        printf("  %12" PRId64 "  %s  %s\n", bytes, clean(json_get_text(file, "sha256"), sum),
            clean(json_get_text(file, "name"), name));
    }
}

static void print_shown(const json_t *shown, const char *directory)
{
    const json_t *manifest = json_object_get(shown, "manifest"), *receipt = json_object_get(shown, "receipt");
    char site[SHOWN_SIZE], job[SHOWN_SIZE], host[SHOWN_SIZE], node[SHOWN_SIZE], boot[SHOWN_SIZE],
        at[CLOCK_RFC3339_SIZE];
    int64_t sealed_us = 0, received_us = 0;
    json_get_i64(manifest, "epoch_us", &sealed_us);
    json_get_i64(receipt, "received_us", &received_us);
    printf("site      %s\njob       %s\nhost      %s (calls itself %s, boot %s)\n",
        clean(json_get_text(manifest, "site"), site), clean(json_get_text(manifest, "job"), job),
        clean(json_get_text(receipt, "host"), host), clean(json_get_text(manifest, "host"), node),
        clean(json_get_text(manifest, "boot_id"), boot));
    printf("sealed    %s by the host's clock\n", clock_rfc3339(sealed_us, 0, at));
    printf("received  %s by ours\n", received_us ? clock_rfc3339(received_us, 0, at) : "not whole yet");
    printf("files in  %s\n\nstages\n", directory);
    print_stages(manifest);
    puts("\nfiles (nothing of this was checked: `dogwatch evidence verify` does)");
    print_files(manifest);
}

static enum err run_show(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info)
{
    (void)status;
    json_t *shown;
    char *directory = evidence_directory(state_dir, cli->words[0]);
    enum err err = evidence_show(state_dir, cli->words[0], &shown, info);
    if (!err && json)
        print_json(json_incref(shown));
    else if (!err)
        print_shown(shown, directory);
    json_decref(shown);
    free(directory);
    return err;
}

/* --- verify ------------------------------------------------------------------------------------------------------- */

static const char *const pinned_words[] = {[HOST_KEY_TRUSTED] = "trusted",
    [HOST_KEY_UNKNOWN] = "unknown",
    [HOST_KEY_CHANGED] = "changed",
    [HOST_KEY_REVOKED] = "revoked"};

static json_t *report_json(const struct evidence_report *report, const char *directory)
{
    json_t *row = json_object(), *findings = json_array();
    json_put_text(row, "directory", directory);
    json_put_bool(row, "good", report->good);
    json_put_text(row, "site", report->site);
    json_put_text(row, "job", report->job);
    json_put_text(row, "host", report->host);
    json_put_i64(row, "files", report->files);
    json_put_i64(row, "bytes", report->bytes);
    if (report->sealed_us)
        json_put_i64(row, "sealed_us", report->sealed_us);
    if (report->received_us)
        json_put_i64(row, "received_us", report->received_us);
    json_put_text(row, "key_type", report->key_type);
    json_put_text(row, "fingerprint", report->fingerprint);
    json_put_bool(row, "signature_good", report->signature_good);
    json_put_bool(row, "key_is_pinned", report->key_is_pinned);
    json_put_text(row, "key_now", pinned_words[report->pinned]);
    json_put_bool(row, "receipt_good", report->receipt_good);
    json_put_text(row, "wrong", report->words);
    vec_each (&report->findings, const struct evidence_finding, finding) {
        json_t *entry = json_object();
        json_put_text(entry, "file", finding->name);
        json_put_text(entry, "fault", evidence_fault_word(finding->fault));
        json_array_append_new(findings, entry);
    }
    json_object_set_new(row, "findings", findings);
    return row;
}

/* What is known of the key beyond that it signed. */
static const char *key_words(const struct evidence_report *report)
{
    if (!report->key_is_pinned)
        return "which is not known to be the host's";
    switch (report->pinned) {
    case HOST_KEY_TRUSTED:
        return "its pinned host key";
    case HOST_KEY_CHANGED:
        return "its host key when it was received; it has another one now";
    case HOST_KEY_REVOKED:
        return "its host key when it was received; the key was REVOKED since";
    case HOST_KEY_UNKNOWN:
        break;
    }
    return "its host key when it was received; the host is not known here any more";
}

static void print_report(const struct evidence_report *report, const char *name)
{
    char host[SHOWN_SIZE], words[SHOWN_SIZE], file[SHOWN_SIZE], at[CLOCK_RFC3339_SIZE], size[FORMAT_SIZE];
    printf("%s: %s\n", name, report->good ? "good" : "NOT GOOD");
    if (report->fingerprint[0])
        printf("  signed    by %s with %s %s, %s%s\n", report->host[0] ? clean(report->host, host) : "an unknown host",
            report->key_type, report->fingerprint, key_words(report), report->signature_good ? "" : ": DOES NOT FIT");
    if (report->receipt_good)
        printf("  received  %s, by our own signature\n", clock_rfc3339(report->received_us, 0, at));
    if (report->files)
        printf("  files     %" PRId64 ", %s%s\n", report->files, format_bytes((double)report->bytes, size),
            report->findings.count ? "" : ", each as the manifest says");
    if (report->words[0])
        printf("  wrong     %s\n", clean(report->words, words));
    vec_each (&report->findings, const struct evidence_finding, finding)
        printf("  %-8s  %s\n", evidence_fault_word(finding->fault), clean(finding->name, file));
}

/* A word with a '/' is a directory anywhere, else a name of the list. */
static enum err verify_one(const char *state_dir, const char *word, json_t *list, int *status, struct err_info *info)
{
    struct evidence_report report = {0};
    bool is_path = strchr(word, '/') != NULL;
    if (!is_path && !evidence_name_is_valid(word))
        return err_set(
            info, ERR_INVALID, "\"%.80s\" is neither a name of `dogwatch evidence list` nor a directory", word);
    char *directory = is_path ? xstrdup(word) : evidence_directory(state_dir, word);
    enum err err = evidence_verify(state_dir, directory, &report, info);
    if (!err && list)
        json_array_append_new(list, report_json(&report, directory));
    else if (!err)
        print_report(&report, word);
    if (!err && !report.good)
        *status = 1;
    evidence_report_free(&report);
    free(directory);
    return err;
}

static enum err verify_all(const char *state_dir, json_t *list, int *status, struct err_info *info)
{
    struct evidence_entries entries;
    size_t checked = 0;
    enum err err = evidence_list(state_dir, &entries, info);
    for (size_t i = 0; i < entries.count && !err; i++)
        if (!entries.items[i].is_partial) {
            err = verify_one(state_dir, entries.items[i].name, list, status, info);
            checked++;
        }
    if (!err && !checked && !list)
        puts("no evidence is here");
    vec_free(&entries);
    return err;
}

static enum err run_verify(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info)
{
    json_t *list = json ? json_array() : NULL;
    enum err err = cli->word_count ? verify_one(state_dir, cli->words[0], list, status, info)
                                   : verify_all(state_dir, list, status, info);
    if (!err && json)
        print_json(json_incref(list));
    json_decref(list);
    return err;
}

/* --- pull and remove ---------------------------------------------------------------------------------------------- */

static const char *given_host, *given_job;
static bool given_yes, given_on_host;

/* What a host or the disk made fail is 1, what was asked wrongly 2. */
static enum err end_remote(enum err err, int *status, const struct err_info *info)
{
    if (!err || err == ERR_INVALID || err == ERR_NOT_FOUND)
        return err;
    cli_fail(info);
    *status = 1;
    return ERR_OK;
}

static enum err run_pull(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info)
{
    struct evidence_fetch fetch = {.fleet_dir = cli->fleet_dir,
        .state_dir = state_dir,
        .site = cli->words[0],
        .host = given_host,
        .job = given_job,
        .json = json};
    if (!name_is_valid(fetch.site))
        return err_set(info, ERR_INVALID, "\"%.80s\" is no name of a site", fetch.site);
    return end_remote(evidence_fetch(&fetch, info), status, info);
}

static enum err remove_here(const char *state_dir, const char *name, struct err_info *info)
{
    char who[80];
    const struct passwd *person = getpwuid(getuid());
    str_format(who, sizeof who, "%s (%lu)", person ? person->pw_name : "?", (unsigned long)getuid());
    return evidence_remove(state_dir, name, who, info);
}

static enum err run_remove(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info)
{
    (void)json;
    const char *name = cli->words[0], *where = given_on_host ? "on its host" : "here";
    if (!evidence_name_is_valid(name))
        return err_set(info, ERR_INVALID, "\"%.80s\" is no name of `dogwatch evidence list`", name);
    if (!given_yes)
        return err_set(info, ERR_INVALID, "removing evidence cannot be undone: add --yes where %s is to be removed %s",
            name, where);
    enum err err =
        given_on_host ? evidence_drop(cli->fleet_dir, state_dir, name, info) : remove_here(state_dir, name, info);
    if (!err)
        printf("%s is removed %s\n", name, where);
    return end_remote(err, status, info);
}

/* --- the table ---------------------------------------------------------------------------------------------------- */

struct evidence_verb {
    const char *name, *usage, *summary;
    size_t min_words, max_words;
    enum err (*run)(const struct cli *cli, const char *state_dir, bool json, int *status, struct err_info *info);
};

static const struct evidence_verb verbs[] = {
    {"list", "dogwatch evidence list [--json]", "List the evidence that was fetched from hosts.", 0, 0, run_list},
    {"show", "dogwatch evidence show NAME [--json]",
        "Show what was collected, when, and what was left out and why; and every file with its SHA-256.", 1, 1,
        run_show},
    {"verify", "dogwatch evidence verify [NAME|DIRECTORY] [--json]",
        "Check every file, the host's signature and our receipt; without a word all there is. Exit status 1 where "
        "anything is missing, changed, added, or signed by another.",
        0, 1, run_verify},
    {"pull", "dogwatch evidence pull SITE [--host HOST] [--job JOB] [--json]",
        "Fetch what hosts still keep of a site. Where it was broken off it goes on with what is missing.", 1, 1,
        run_pull},
    {"remove", "dogwatch evidence remove NAME --yes [--on-host]",
        "Remove it from here; evidence/removed.log says who did so. With --on-host the copy on its host instead, once "
        "ours was verified.",
        1, 1, run_remove},
};
#define VERB_COUNT (sizeof verbs / sizeof *verbs)

static const struct evidence_verb *find_verb(const char *name)
{
    for (size_t i = 0; i < VERB_COUNT; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int run_verb(const struct evidence_verb *verb, int argc, char **argv)
{
    bool json = false;
    const struct cli_option json_only[] = {{"json", NULL, "as JSON", NULL, &json}, {0}},
                            of_pull[] = {{"host", "HOST", "on this host only", &given_host, NULL},
                                {"job", "JOB", "of this job only", &given_job, NULL},
                                {"json", NULL, "as JSON", NULL, &json}, {0}},
                            of_remove[] = {{"yes", NULL, "do it", NULL, &given_yes},
                                {"on-host", NULL, "the copy on its host, not ours", NULL, &given_on_host}, {0}};
    struct cli cli = {.usage = verb->usage,
        .summary = verb->summary,
        .options = verb->run == run_pull     ? of_pull
                   : verb->run == run_remove ? of_remove
                                             : json_only,
        .min_words = verb->min_words,
        .max_words = verb->max_words};
    struct err_info info = {0};
    int status = 0;
    enum err err = cli_parse(&cli, argc, argv, &info);
    if (!err && !cli.help) {
        char *state_dir = paths_state_dir(cli.state_dir);
        err = verb->run(&cli, state_dir, json, &status, &info);
        free(state_dir);
    }
    cli_free(&cli);
    return err ? cli_fail(&info) : status;
}

static int print_help(void)
{
    puts("usage: dogwatch evidence VERB …\n\nEvidence of isolated sites (docs/evidence.md).\n");
    for (size_t i = 0; i < VERB_COUNT; i++)
        printf("  %s\n      %s\n", verbs[i].usage + strlen("dogwatch evidence "), verbs[i].summary);
    return 0;
}

int evidence_main(int argc, char **argv)
{
    int at = cli_find_verb(argc, argv);
    const struct evidence_verb *verb = at ? find_verb(argv[at]) : NULL;
    const char *names[VERB_COUNT];
    struct err_info info;
    for (int i = 1; i < argc && !at; i++)
        if (strcmp(argv[i], "--help") == 0)
            return print_help();
    if (verb) {
        for (int i = at; i > 1; i--)
            argv[i] = argv[i - 1];
        argv[1] = (char *)verb->name;
        return run_verb(verb, argc - 1, argv + 1);
    }
    for (size_t i = 0; i < VERB_COUNT; i++)
        names[i] = verbs[i].name;
    const char *nearest = at ? name_nearest(argv[at], names, VERB_COUNT) : NULL;
    err_set(&info, ERR_INVALID, "%s%.40s%s; one of list, show, verify, pull, remove%s%s%s",
        at ? "there is no `dogwatch evidence " : "`dogwatch evidence", at ? argv[at] : "", at ? "`" : "` needs a verb",
        nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    return cli_fail(&info);
}
