/* `dogwatch check`: every error of the fleet files as file:line:column: message, which editors and CI systems
 * understand, then one line that sums up. Reads only; the main thread. */
#include "engine/check.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cli.h"
#include "base/mem.h"
#include "base/paths.h"
#include "fleet/fleet.h"
#include "fleet/schema.h"

#define REFERENCE_CEILING 65536
#define GROUPED_SIZE 32

/* "3,750" */
static const char *grouped(size_t number, char out[GROUPED_SIZE])
{
    char digits[GROUPED_SIZE];
    str_format(digits, sizeof digits, "%zu", number);
    size_t length = strlen(digits), at = 0;
    for (size_t i = 0; i < length && at + 2 < GROUPED_SIZE; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void print_counted(size_t count, const char *noun)
{
    char number[GROUPED_SIZE];
    printf("%s %s%s", grouped(count, number), noun, count == 1 ? "" : "s");
}

static int print_reference(void)
{
    struct buf text = BUF(REFERENCE_CEILING);
    schema_describe(&text);
    fputs(buf_text(&text), stdout);
    buf_free(&text);
    return 0;
}

static void print_fine(const struct fleet *fleet)
{
    printf("fleet %s: ", fleet->name);
    print_counted(fleet->hosts.count, "host");
    printf(", ");
    print_counted(fleet->sites.count, "site");
    puts(", fine");
}

static int check_directory(const char *directory)
{
    struct complaints complaints = {0};
    struct err_info info = {0};
    struct fleet *fleet;
    enum err result = fleet_load(directory, &fleet, &complaints, &info);
    int status = 0;
    if (fleet) {
        print_fine(fleet);
    } else if (result == ERR_INVALID) {
        complaints_print(&complaints, stdout);
        print_counted(complaints.list.count + complaints.left_out, "error");
        putchar('\n');
        status = 1;
    } else {
        status = cli_fail(&info);
    }
    fleet_free(fleet);
    complaints_free(&complaints);
    return status;
}

int check_main(int argc, char **argv)
{
    bool keys = false;
    const struct cli_option options[] = {
        {.name = "keys", .help = "print the reference of all keys instead", .flag = &keys},
        {0},
    };
    struct cli cli = {
        .usage = "dogwatch check [DIR]",
        .summary =
            "Check the fleet files in DIR (or --fleet DIR) and print everything that is wrong in them. Ends with 0 "
            "where they are fine, 1 where they have errors.",
        .options = options,
        .max_words = 1,
    };
    struct err_info info = {0};
    int status = 0;
    if (cli_parse(&cli, argc, argv, &info) != ERR_OK) {
        status = cli_fail(&info);
    } else if (keys) {
        status = print_reference();
    } else if (!cli.help) {
        char *directory = paths_fleet_dir(cli.word_count ? cli.words[0] : cli.fleet_dir);
        status = check_directory(directory);
        free(directory);
    }
    cli_free(&cli);
    return status;
}
