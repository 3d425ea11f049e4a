/* The subcommand is host_main's; afterwards the engine on the same state directory, if there is one, reads the fleet
 * files again and retries hosts it waits for. */
#include "engine/host_command.h"

#include <stdlib.h>
#include <string.h>

#include "actions/enrol.h"
#include "base/mem.h"
#include "base/paths.h"
#include "engine/client.h"

static const char *given_state_dir(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (str_starts(argv[i], "--state="))
            return argv[i] + strlen("--state=");
        if (strcmp(argv[i], "--state") == 0 && i + 1 < argc)
            return argv[i + 1];
    }
    return NULL;
}

int host_command_main(int argc, char **argv)
{
    int status = host_main(argc, argv);
    char *state_dir = paths_state_dir(given_state_dir(argc, argv));
    json_t *request = json_object(), *answer = NULL;
    json_put_text(request, "command", "reload");
    if (status == 0)
        client_ask(state_dir, request, &answer, NULL); /* no engine, nothing to tell */
    else
        json_decref(request);
    json_decref(answer);
    free(state_dir);
    return status;
}
