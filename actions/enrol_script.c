/* The scripts of enrolment and how they are run. A script is given to the login shell as exec /bin/sh -c with the text
 * between single quotes, so the texts hold none; that is the only quoting there is. Output protocol: "did …", "kept …",
 * "fail …", "fact NAME VALUE". Runs in the person's process. */
#include "actions/enrol_script.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"
#include "remote/exec.h"

#define OUTPUT_CEILING 65536
#define LOOK_TIMEOUT_US (20 * USEC_PER_SEC)
#define WORK_TIMEOUT_US (180 * USEC_PER_SEC)

/* clang-format off */
#define BEGIN \
    "set -eu; umask 022; LC_ALL=C; export LC_ALL\n" \
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH\n" \
    "has() { command -v \"$1\" >/dev/null 2>&1; }\n" \
    "did() { echo \"did $*\"; }\n" \
    "kept() { echo \"kept $*\"; }\n" \
    "fail() { echo \"fail $*\"; exit 1; }\n" \
    "user=dogwatch state=/var/lib/dogwatch lib=/usr/local/lib/dogwatch\n" \
    "home=$state/home helper=$lib/dogwatch-host rule=/etc/sudoers.d/dogwatch\n" \
    "passwd_of() { { has getent && getent passwd \"$1\"; } || grep \"^$1:\" /etc/passwd || true; }\n" \
    "root_home=$(passwd_of root | cut -d: -f6); root_keys=${root_home:-/root}/.ssh/authorized_keys\n" \
    "user_keys=$home/.ssh/authorized_keys\n"

/* Facts, without any rights. */
static const char look_script[] = BEGIN
    "echo \"fact machine $(uname -m)\"; echo \"fact node $(uname -n)\"; echo \"fact uid $(id -u)\"\n"
    "if has sudo; then echo \"fact sudo yes\"; else echo \"fact sudo no\"; fi\n"
    "if [ \"$(id -u)\" = 0 ] || { has sudo && sudo -n true </dev/null >/dev/null 2>&1; }; then echo \"fact root yes\"; else echo \"fact root no\"; fi\n";

/* Input: mode, viewer key, operator key, permit options, helper size in bytes (0: none), the helper. In this order, so that nothing can be
 * reached before it is whole: helper, user, sudo rule, keys. */
static const char install_script[] = BEGIN
    "IFS= read -r mode; IFS= read -r viewer; IFS= read -r operator; IFS= read -r permit; IFS= read -r size\n"
    "[ \"$(id -u)\" = 0 ] || fail \"not root\"\n"
    "if [ \"$size\" -gt 0 ]; then\n"
    "  mkdir -p \"$lib\"; chmod 755 \"$lib\"\n"
    "  trap \"rm -f $helper.new\" EXIT\n"
    "  cat >\"$helper.new\"\n"
    "  [ \"$(wc -c <\"$helper.new\")\" -eq \"$size\" ] || fail \"the helper did not arrive whole\"\n"
    "  if cmp -s \"$helper.new\" \"$helper\"; then kept \"$helper\"; else\n"
    "    chown 0:0 \"$helper.new\"; chmod 755 \"$helper.new\"; mv -f \"$helper.new\" \"$helper\"; did \"installed $helper\"; fi\n"
    "fi\n"
    "mkdir -p /etc/dogwatch \"$state\"; chmod 755 /etc/dogwatch \"$state\"\n"
    "if [ \"$mode\" = root ]; then\n"
    "  file=$root_keys; run=$helper; permissions=600\n"
    "  [ -d \"${file%/*}\" ] || mkdir -m 700 \"${file%/*}\"\n"
    "else\n"
    "  file=$user_keys; run=\"$(command -v sudo) -n $helper\"; permissions=644\n"
    "  entry=$(passwd_of $user)\n"
    "  if [ -z \"$entry\" ]; then\n"
    "    if has useradd; then useradd --system --user-group --no-create-home --home-dir \"$home\" --shell /bin/sh --password \"*\" $user\n"
    "    elif has adduser; then adduser -S -D -H -h \"$home\" -s /bin/sh $user; echo \"$user:*\" | chpasswd -e\n"
    "    else fail \"neither useradd nor adduser\"; fi\n"
    "    did \"created the system user $user\"\n"
    "  elif [ \"$(echo \"$entry\" | cut -d: -f6)\" = \"$home\" ]; then kept \"the system user $user\"\n"
    "  else fail \"there is a user $user already whose home is not $home\"; fi\n"
    "  mkdir -p \"$home/.ssh\"; chown 0:0 \"$home\" \"$home/.ssh\"; chmod 755 \"$home\" \"$home/.ssh\"\n"
    "  hex=\"[0-9a-f]\"; for i in 1 2 3 4 5; do hex=$hex$hex; done\n"
    "  { echo \"# What the keys of dogwatch, and the one-shot keys of a transfer, may run; written by: dogwatch host add\"\n"
    "    echo \"Defaults:$user !requiretty\"\n"
    "    echo \"Defaults:$user env_keep += \\\"SSH_ORIGINAL_COMMAND SSH_CONNECTION\\\"\"\n"
    "    echo \"$user ALL=(root) NOPASSWD: $helper --role viewer, $helper --role operator, $helper --receive $hex\"\n"
    "  } >\"$rule.new\"\n"
    "  chmod 440 \"$rule.new\"\n"
    "  if cmp -s \"$rule.new\" \"$rule\"; then rm -f \"$rule.new\"; kept \"$rule\"\n"
    "  else\n"
    "    if has visudo; then visudo -cqf \"$rule.new\" >/dev/null 2>&1 || { rm -f \"$rule.new\"; fail \"visudo does not take the rule\"; }; fi\n"
    "    mv -f \"$rule.new\" \"$rule\"; did \"wrote $rule\"\n"
    "  fi\n"
    "fi\n"
    "fresh=yes; if [ -f \"$file\" ] && grep -qF \"$viewer\" \"$file\"; then fresh=no; fi\n"
    "{ [ ! -f \"$file\" ] || grep -vF -e \"$viewer\" -e \"$operator\" \"$file\" || true\n"
    "  echo \"restrict,${permit}command=\\\"$run --role viewer\\\" $viewer dogwatch-viewer\"\n"
    "  echo \"restrict,${permit}command=\\\"$run --role operator\\\" $operator dogwatch-operator\"\n"
    "} >\"$file.dogwatch-new\"\n"
    "chmod $permissions \"$file.dogwatch-new\"\n"
    "if cmp -s \"$file.dogwatch-new\" \"$file\"; then rm -f \"$file.dogwatch-new\"; kept \"the keys in $file\"\n"
    "else mv -f \"$file.dogwatch-new\" \"$file\"; did \"wrote the keys to $file\"; fi\n"
    "if has restorecon; then restorecon -R \"$lib\" \"$state\" \"${file%/*}\" >/dev/null 2>&1 || true; fi\n"
    "echo \"fact fresh $fresh\"\n";

/* Input: viewer key, operator key. The helper guards the marked sites of its host: where it is the last dogwatch's, it is
 * asked first, and takes its hook away where none is marked. */
static const char uninstall_script[] = BEGIN
    "IFS= read -r viewer; IFS= read -r operator\n"
    "[ \"$(id -u)\" = 0 ] || fail \"not root\"\n"
    "if [ -x \"$helper\" ] && ! grep -shF \"dogwatch-host --role\" \"$root_keys\" \"$user_keys\" | grep -qvF -e \"$viewer\" -e \"$operator\"; then\n"
    "  said=$(\"$helper\" --unguard 2>&1 </dev/null) || case $said in *marked*) fail \"$said\";; esac\n"
    "fi\n"
    "for file in \"$root_keys\" \"$user_keys\"; do\n"
    "  if [ -f \"$file\" ] && grep -qF -e \"$viewer\" -e \"$operator\" \"$file\"; then\n"
    "    cp -p \"$file\" \"$file.dogwatch-new\"\n"
    "    { grep -vF -e \"$viewer\" -e \"$operator\" \"$file\" || true; } >\"$file.dogwatch-new\"\n"
    "    mv -f \"$file.dogwatch-new\" \"$file\"; did \"took the keys out of $file\"\n"
    "  fi\n"
    "done\n"
    "if grep -sqF \"dogwatch-host --role\" \"$root_keys\" \"$user_keys\"; then\n"
    "  kept \"the helper: another dogwatch uses it\"; exit 0; fi\n"
    "if [ -f \"$root_keys\" ] && grep -q \" dogwatch-grant:\" \"$root_keys\"; then\n"
    "  cp -p \"$root_keys\" \"$root_keys.dogwatch-new\"\n"
    "  { grep -v \" dogwatch-grant:\" \"$root_keys\" || true; } >\"$root_keys.dogwatch-new\"\n"
    "  mv -f \"$root_keys.dogwatch-new\" \"$root_keys\"; did \"took the keys of transfers out of $root_keys\"\n"
    "fi\n"
    "rm -rf /run/dogwatch\n"
    "if [ -f \"$rule\" ]; then rm -f \"$rule\"; did \"removed $rule\"; fi\n"
    "if [ -n \"$(passwd_of $user)\" ] && [ \"$(passwd_of $user | cut -d: -f6)\" = \"$home\" ]; then\n"
    "  if has pkill; then pkill -KILL -u $user || true; fi\n"
    "  tries=0\n"
    "  until { if has userdel; then userdel $user; else deluser $user; fi; } >/dev/null 2>&1; do\n"
    "    tries=$((tries + 1)); [ $tries -lt 20 ] || fail \"cannot remove the user $user: is somebody logged in?\"; sleep 0.2; done\n"
    "  did \"removed the system user $user\"\n"
    "fi\n"
    "rm -rf \"$home\"\n"
    "if [ -f \"$helper\" ]; then rm -f \"$helper\"; did \"removed $helper\"; fi\n"
    "rm -rf \"$state/sites\"; rmdir \"$state\"/* 2>/dev/null || true\n" /* leases and locks; no mark stands any more */
    "rmdir \"$lib\" /etc/dogwatch \"$state\" 2>/dev/null || true\n"
    "for left in \"$lib\" /etc/dogwatch \"$state\"; do [ ! -e \"$left\" ] || kept \"$left: it holds files that are not enrolment\"; done\n";
/* clang-format on */

const char *const enrol_script_texts[] = {look_script, install_script, uninstall_script, NULL};

struct script_run {
    bool verbose;
    char failure[300]; /* what the script said in "fail …" */
    struct enrol_facts *facts;
    bool *fresh;
};

static void take_fact(struct script_run *run, const char *fact)
{
    struct enrol_facts *facts = run->facts;
    if (facts && str_starts(fact, "machine "))
        str_copy(facts->machine, sizeof facts->machine, fact + 8);
    else if (facts && str_starts(fact, "node "))
        str_copy(facts->node, sizeof facts->node, fact + 5);
    else if (facts && str_starts(fact, "uid "))
        str_to_i64(fact + 4, 0, INT64_MAX, &facts->uid);
    else if (facts && str_starts(fact, "sudo "))
        facts->has_sudo = strcmp(fact + 5, "yes") == 0;
    else if (facts && str_starts(fact, "root "))
        facts->can_root = strcmp(fact + 5, "yes") == 0;
    else if (run->fresh && str_starts(fact, "fresh "))
        *run->fresh = strcmp(fact + 6, "yes") == 0;
}

static void take_line(void *owner, const char *line)
{
    struct script_run *run = owner;
    if (str_starts(line, "fact "))
        take_fact(run, line + 5);
    else if (str_starts(line, "fail "))
        str_copy(run->failure, sizeof run->failure, line + 5);
    else if (str_starts(line, "did "))
        printf("  %s\n", line + 4);
    else if (str_starts(line, "kept "))
        printf("  unchanged: %s\n", line + 5);
    fflush(stdout);
}

static enum err run_script(struct connection *connection, bool with_sudo, const char *text, const struct buf *input,
    int64_t timeout_us, struct script_run *run, struct err_info *info)
{
    char *command = xasprintf("exec %s/bin/sh -c '%s'", with_sudo ? "sudo -n " : "", text);
    struct remote_command remote = {.text = command,
        .input = input ? input->data : NULL,
        .input_length = input ? input->length : 0,
        .timeout_us = timeout_us,
        .line = take_line,
        .owner = run};
    struct buf errors = BUF(OUTPUT_CEILING), out = BUF(OUTPUT_CEILING);
    int status;
    enum err err = remote_exec(connection, &remote, &out, &errors, &status, info);
    free(command);
    if (err == ERR_OK && status != 0) {
        char said[300];
        sanitize(said, sizeof said, buf_text(&errors), strcspn(buf_text(&errors), "\n"));
        err = err_set(info, ERR_FAILED, "%s: %s", connection_name(connection),
            *run->failure ? run->failure
            : *said       ? said
                          : "the shell there failed without a word");
    }
    buf_free(&errors);
    buf_free(&out);
    return err;
}

enum err enrol_look(struct connection *connection, struct enrol_facts *facts, struct err_info *info)
{
    *facts = (struct enrol_facts){.uid = -1};
    struct script_run run = {.facts = facts};
    enum err err = run_script(connection, false, look_script, NULL, LOOK_TIMEOUT_US, &run, info);
    if (err == ERR_OK && (facts->uid < 0 || !*facts->machine))
        err = err_set(info, ERR_GARBAGE, "%s: its shell does not answer as a shell", connection_name(connection));
    return err;
}

static bool is_one_line(const char *text)
{
    return !strpbrk(text, "\n\r");
}

enum err enrol_install(struct connection *connection, const struct enrol_facts *facts,
    const struct enrol_install *install, bool *fresh, struct err_info *info)
{
    *fresh = false;
    if (!is_one_line(install->keys.viewer) || !is_one_line(install->keys.operator) || !is_one_line(install->permit))
        return err_set(info, ERR_INVALID, "a key line holds a line break");
    struct buf input = BUF(install->helper_length + OUTPUT_CEILING);
    buf_printf(&input, "%s\n%s\n%s\n%s\n%zu\n", install->as_root ? "root" : "dogwatch", install->keys.viewer,
        install->keys.operator, install->permit, install->helper ? install->helper_length : 0);
    if (install->helper)
        buf_append(&input, install->helper, install->helper_length);
    struct script_run run = {.fresh = fresh};
    enum err err = input.overflowed
                       ? err_set(info, ERR_FULL, "the input for %s is too long", connection_name(connection))
                       : run_script(connection, facts->uid != 0, install_script, &input, WORK_TIMEOUT_US, &run, info);
    buf_free(&input);
    return err;
}

enum err enrol_uninstall(struct connection *connection, const struct enrol_facts *facts, const struct enrol_keys *keys,
    struct err_info *info)
{
    struct buf input = BUF(OUTPUT_CEILING);
    buf_printf(&input, "%s\n%s\n", keys->viewer, keys->operator);
    struct script_run run = {0};
    enum err err = run_script(connection, facts->uid != 0, uninstall_script, &input, WORK_TIMEOUT_US, &run, info);
    buf_free(&input);
    return err;
}
