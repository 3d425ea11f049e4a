/* Command lines: one table per subcommand is parser, help and suggestion at once. The main thread, at start. */
#include "base/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/name.h"
#include "base/sanitize.h"

#define HELP_CEILING 65536
#define HELP_COLUMNS 80

enum { GLOBAL_FLEET, GLOBAL_STATE, GLOBAL_HELP, GLOBAL_COUNT };

/* The options every subcommand takes, bound to one struct cli. */
static void bind_globals(struct cli *cli, struct cli_option globals[static GLOBAL_COUNT])
{
    globals[GLOBAL_FLEET] = (struct cli_option){
        .name = "fleet",
        .value_name = "DIR",
        .help = "the fleet files (default: ~/.config/dogwatch, then /etc/dogwatch)",
        .value = &cli->fleet_dir,
    };
    globals[GLOBAL_STATE] = (struct cli_option){
        .name = "state",
        .value_name = "DIR",
        .help = "the engine's store (default: ~/.local/state/dogwatch, then /var/lib/dogwatch)",
        .value = &cli->state_dir,
    };
    globals[GLOBAL_HELP] = (struct cli_option){.name = "help", .help = "show this and end", .flag = &cli->help};
}

static size_t count_options(const struct cli_option *options)
{
    size_t count = 0;
    while (options && options[count].name)
        count++;
    return count;
}

/* --- parsing ------------------------------------------------------------------------------------------------------ */

struct parser {
    struct cli *cli;
    struct cli_option globals[GLOBAL_COUNT];
    int argc;
    char **argv;
    int at; /* index of the argument that is looked at */
    struct err_info *info;
};

/* A subcommand's own option hides a global one of the same name. */
static const struct cli_option *find_option(const struct parser *parser, const char *name, size_t length)
{
    const struct cli_option *lists[] = {parser->cli->options, parser->globals};
    size_t counts[] = {count_options(parser->cli->options), GLOBAL_COUNT};
    for (size_t list = 0; list < 2; list++)
        for (size_t i = 0; i < counts[list]; i++)
            if (strlen(lists[list][i].name) == length && memcmp(lists[list][i].name, name, length) == 0)
                return &lists[list][i];
    return NULL;
}

static enum err refuse_unknown(const struct parser *parser, const char *name, size_t length)
{
    size_t own = count_options(parser->cli->options);
    const char **names = xcalloc(own + GLOBAL_COUNT, sizeof *names);
    for (size_t i = 0; i < own; i++)
        names[i] = parser->cli->options[i].name;
    for (size_t i = 0; i < GLOBAL_COUNT; i++)
        names[own + i] = parser->globals[i].name;
    char *asked = xstrndup(name, length);
    const char *nearest = name_nearest(asked, names, own + GLOBAL_COUNT);
    enum err result =
        nearest ? err_set(parser->info, ERR_INVALID, "unknown option --%s; did you mean --%s?", asked, nearest)
                : err_set(parser->info, ERR_INVALID, "unknown option --%s; --help lists the options", asked);
    free(asked);
    free(names);
    return result;
}

/* "--name", "--name=value" or "--name value"; moves on over a value of its own. */
static enum err parse_option(struct parser *parser)
{
    const char *name = parser->argv[parser->at] + 2;
    size_t length = strcspn(name, "=");
    const char *value = name[length] == '=' ? name + length + 1 : NULL;
    const struct cli_option *option = find_option(parser, name, length);
    if (!option)
        return refuse_unknown(parser, name, length);
    if (!option->value_name) {
        if (value)
            return err_set(parser->info, ERR_INVALID, "--%s takes no value", option->name);
        *option->flag = true;
        return ERR_OK;
    }
    if (!value && parser->at + 1 < parser->argc && !str_starts(parser->argv[parser->at + 1], "--"))
        value = parser->argv[++parser->at];
    if (!value)
        return err_set(
            parser->info, ERR_INVALID, "--%s needs a value: --%s %s", option->name, option->name, option->value_name);
    *option->value = value;
    return ERR_OK;
}

static enum err parse_argument(struct parser *parser, bool *only_words)
{
    struct cli *cli = parser->cli;
    const char *argument = parser->argv[parser->at];
    if (*only_words || argument[0] != '-' || argument[1] == '\0') { /* "-" alone is a word */
        cli->words[cli->word_count++] = argument;
        return ERR_OK;
    }
    if (strcmp(argument, "--") == 0) {
        *only_words = true;
        return ERR_OK;
    }
    if (argument[1] == '-')
        return parse_option(parser);
    if (strcmp(argument, "-h") == 0) {
        cli->help = true;
        return ERR_OK;
    }
    return err_set(
        parser->info, ERR_INVALID, "unknown option %s; options begin with --, and --help lists them", argument);
}

static enum err check_words(const struct cli *cli, struct err_info *info)
{
    if (cli->word_count > cli->max_words)
        return err_set(info, ERR_INVALID, "unexpected “%s”; usage: %s", cli->words[cli->max_words], cli->usage);
    if (cli->word_count < cli->min_words)
        return err_set(info, ERR_INVALID, "something is missing; usage: %s", cli->usage);
    return ERR_OK;
}

/* --- help --------------------------------------------------------------------------------------------------------- */

static size_t columns_of(const char *text, size_t length)
{
    size_t columns = 0;
    for (size_t i = 0; i < length; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

/* Words of the text from column `indent` on; the cursor stands there already. */
static void put_wrapped(struct buf *out, const char *text, size_t indent)
{
    size_t column = indent;
    while (*text) {
        size_t length = strcspn(text, " ");
        size_t width = columns_of(text, length);
        if (column > indent && column + 1 + width > HELP_COLUMNS) {
            buf_printf(out, "\n%*s", (int)indent, "");
            column = indent;
        } else if (column > indent) {
            buf_putc(out, ' ');
            column++;
        }
        buf_append(out, text, length);
        column += width;
        text += length + strspn(text + length, " ");
    }
    buf_putc(out, '\n');
}

/* "--since TIME" */
static size_t label_width(const struct cli_option *option)
{
    size_t value = option->value_name ? 1 + columns_of(option->value_name, strlen(option->value_name)) : 0;
    return 2 + strlen(option->name) + value;
}

static size_t widest_label(const struct cli_option *options, size_t count)
{
    size_t widest = 0;
    for (size_t i = 0; i < count; i++)
        if (label_width(&options[i]) > widest)
            widest = label_width(&options[i]);
    return widest;
}

static void put_options(struct buf *out, const struct cli_option *options, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        const struct cli_option *option = &options[i];
        buf_printf(out, "  --%s%s%s%*s", option->name, option->value_name ? " " : "",
            option->value_name ? option->value_name : "", (int)(width - label_width(option) + 2), "");
        put_wrapped(out, option->help ? option->help : "", width + 4);
    }
}

static void print_help(const struct parser *parser)
{
    const struct cli *cli = parser->cli;
    size_t own = count_options(cli->options);
    size_t width = widest_label(cli->options, own), global_width = widest_label(parser->globals, GLOBAL_COUNT);
    if (global_width > width)
        width = global_width;
    struct buf out = BUF(HELP_CEILING);
    buf_printf(&out, "Usage: %s\n", cli->usage);
    if (cli->summary) {
        buf_putc(&out, '\n');
        put_wrapped(&out, cli->summary, 0);
    }
    buf_puts(&out, "\nOptions:\n");
    put_options(&out, cli->options, own, width);
    put_options(&out, parser->globals, GLOBAL_COUNT, width);
    fputs(buf_text(&out), stdout);
    buf_free(&out);
}

/* ------------------------------------------------------------------------------------------------------------------ */

enum err cli_parse(struct cli *cli, int argc, char **argv, struct err_info *info)
{
    cli->fleet_dir = cli->state_dir = NULL;
    cli->help = false;
    cli->word_count = 0;
    cli->words = xcalloc((size_t)(argc > 0 ? argc : 1), sizeof *cli->words);
    struct parser parser = {.cli = cli, .argc = argc, .argv = argv, .at = 1, .info = info};
    bind_globals(cli, parser.globals);
    bool only_words = false;
    for (; parser.at < argc; parser.at++) {
        enum err result = parse_argument(&parser, &only_words);
        if (result != ERR_OK)
            return result;
    }
    if (cli->help) {
        print_help(&parser);
        return ERR_OK;
    }
    return check_words(cli, info);
}

void cli_free(struct cli *cli)
{
    free(cli->words);
    cli->words = NULL;
    cli->word_count = 0;
}

int cli_find_verb(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        if (strcmp(argv[i], "--fleet") == 0 || strcmp(argv[i], "--state") == 0)
            i++;
        else if (!str_starts(argv[i], "--fleet=") && !str_starts(argv[i], "--state="))
            return 0;
    }
    return 0;
}

int cli_fail(const struct err_info *info)
{
    char text[sizeof info->message];
    sanitize(text, sizeof text, info->message, strlen(info->message));
    fprintf(stderr, "dogwatch: %s\n", text);
    return 2;
}
