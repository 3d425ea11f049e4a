/* The terminal through ncurses: the only file that knows it. Guarantees: one doupdate a paint, no bytes where nothing
 * changed; the thread sleeps in one poll over keys, signals and the caller's descriptor; a signal that ends the process
 * gives the terminal back first, with async-signal-safe calls only. All on the thread that opened it. */
#include "tui/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <langinfo.h>
#include <ncurses.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>
#include <wchar.h>

#include "base/clock.h"
#include "base/mem.h"
#include "tui/keys.h"

#include <term.h> /* last: it defines words such as "lines" as macros */

enum { ESC_DELAY_MS = 25, LOOK_CACHE = 512, RESTORE_SIZE = 512, LOG_PATH_SIZE = 512, SIGNAL_STACK = 65536 };

/* What a style became: ncurses attributes and colour pair. */
struct cached_look {
    bool known;
    uint16_t style;
    attr_t attributes;
    int pair;
};

struct terminal {
    SCREEN *screen;
    struct theme *own_theme; /* the default, where none was given */
    const struct theme *theme;
    enum color_depth depth;
    enum glyphs glyphs;
    bool closed;
    struct cached_look looks[LOOK_CACHE];
    uint64_t *rows; /* hashes of the rows last painted; NULL: nothing was */
    int row_count;
};

static const int fatal_signals[] = {SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGTERM, SIGHUP};
enum { FATAL_COUNT = sizeof fatal_signals / sizeof *fatal_signals };

/* What signal handlers need; nothing else in the program is allowed such state. */
static struct {
    struct terminal *open;
    bool alt_keys;
    int pipe[2]; /* SIGWINCH and SIGCONT write, terminal_wait reads */
    struct termios before;
    char restore[RESTORE_SIZE]; /* bytes that give the terminal back */
    size_t restore_length;
    char log_path[LOG_PATH_SIZE];
    struct sigaction old_fatal[FATAL_COUNT], old_winch, old_cont;
    void *signal_stack;
} global = {.pipe = {-1, -1}};

/* --- signals */

static void write_all(const char *text, size_t length)
{
    ssize_t ignored = write(STDOUT_FILENO, text, length);
    (void)ignored;
}

static void write_text(const char *text)
{
    write_all(text, strlen(text));
}

static const char *signal_text(int number)
{
    static const struct {
        int number;
        const char *text;
    } texts[] = {{SIGSEGV, "a bad memory access"}, {SIGABRT, "an internal error"}, {SIGBUS, "a bus error"},
        {SIGFPE, "an arithmetic error"}, {SIGILL, "an illegal instruction"}, {SIGTERM, "a request to end (SIGTERM)"},
        {SIGHUP, "the terminal going away"}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i].number == number)
            return texts[i].text;
    return "a signal";
}

/* Async-signal-safe calls only. The default action follows: a core file where those are kept. */
static void on_fatal(int number)
{
    write_all(global.restore, global.restore_length);
    tcsetattr(STDIN_FILENO, TCSANOW, &global.before);
    write_text("\ndogwatch ended by ");
    write_text(signal_text(number));
    if (global.log_path[0]) {
        write_text("; the log is ");
        write_text(global.log_path);
    }
    write_text("\n");
    raise(number); /* SA_RESETHAND: the default action, once this handler has returned */
}

static void on_notice(int number)
{
    int kept = errno;
    char byte = number == SIGWINCH ? 'w' : 'c';
    ssize_t ignored = write(global.pipe[1], &byte, 1);
    (void)ignored;
    errno = kept;
}

static void install_handlers(void)
{
    struct sigaction fatal = {.sa_handler = on_fatal, .sa_flags = (int)(SA_RESETHAND | SA_ONSTACK)};
    struct sigaction notice = {.sa_handler = on_notice, .sa_flags = SA_RESTART};
    sigemptyset(&fatal.sa_mask);
    sigaddset(&fatal.sa_mask, SIGTTOU); /* tcsetattr from the background must not stop us */
    sigemptyset(&notice.sa_mask);
    global.signal_stack = xmalloc(SIGNAL_STACK);
    stack_t stack = {.ss_sp = global.signal_stack, .ss_size = SIGNAL_STACK}; /* a full stack can still be reported */
    sigaltstack(&stack, NULL);
    for (size_t i = 0; i < FATAL_COUNT; i++)
        sigaction(fatal_signals[i], &fatal, &global.old_fatal[i]);
    sigaction(SIGWINCH, &notice, &global.old_winch);
    sigaction(SIGCONT, &notice, &global.old_cont);
}

static void remove_handlers(void)
{
    stack_t off = {.ss_flags = SS_DISABLE};
    for (size_t i = 0; i < FATAL_COUNT; i++)
        sigaction(fatal_signals[i], &global.old_fatal[i], NULL);
    sigaction(SIGWINCH, &global.old_winch, NULL);
    sigaction(SIGCONT, &global.old_cont, NULL);
    sigaltstack(&off, NULL);
    free(global.signal_stack);
    global.signal_stack = NULL;
}

/* Attributes off, keypad off, cursor on, main screen: as the terminal's own description says it. */
static void prepare_restore(void)
{
    const char *const capabilities[] = {"sgr0", "op", "rmkx", "cnorm", "rmcup"};
    global.restore_length = 0;
    for (size_t i = 0; i < sizeof capabilities / sizeof *capabilities; i++) {
        const char *text = tigetstr(capabilities[i]);
        if (!text || text == (char *)-1)
            continue;
        size_t length = strlen(text);
        if (global.restore_length + length > sizeof global.restore)
            return;
        memcpy(global.restore + global.restore_length, text, length);
        global.restore_length += length;
    }
}

/* --- opening */

static bool says_truecolor(const char *value)
{
    return value && (strcmp(value, "truecolor") == 0 || strcmp(value, "24bit") == 0);
}

/* The description with direct colour of the same terminal, where it says it has one and terminfo knows it
 * ("xterm-direct"). */
static void direct_name(const char *term, char *out, size_t out_size)
{
    int failure = 0;
    str_copy(out, out_size, term);
    if (!says_truecolor(getenv("COLORTERM")))
        return;
    char name[128];
    str_format(name, sizeof name, "%.*s-direct", (int)strcspn(term, "-"), term);
    if (setupterm(name, STDOUT_FILENO, &failure) == OK)
        str_copy(out, out_size, name);
}

static enum err check_terminal(const char *term, struct err_info *info)
{
    int failure = 0;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return err_set(
            info, ERR_INVALID, "the console needs a terminal, and this is none; for text use: dogwatch --report NAME");
    if (!term || !*term)
        return err_set(info, ERR_INVALID, "TERM is not set; set it to what your terminal is, e.g. TERM=xterm-256color");
    if (setupterm(term, STDOUT_FILENO, &failure) != OK)
        return err_set(info, ERR_INVALID,
            "this system does not know the terminal \"%.64s\"; try TERM=xterm-256color or install ncurses-term", term);
    const char *address = tigetstr("cup");
    if (!address || address == (char *)-1)
        return err_set(info, ERR_INVALID,
            "the terminal \"%.64s\" cannot place its cursor; set TERM to what it really is, or use: dogwatch --report "
            "NAME",
            term);
    return ERR_OK;
}

static enum color_depth find_depth(enum color_depth most)
{
    const char *no_color = getenv("NO_COLOR");
    enum color_depth depth = COLOR_DEPTH_MONO;
    if (has_colors() && !(no_color && *no_color)) {
        start_color();
        use_default_colors();
        bool direct = tigetflag("RGB") > 0 || COLORS >= 1 << 24;
        depth = direct          ? COLOR_DEPTH_TRUE
                : COLORS >= 256 ? COLOR_DEPTH_256
                : COLORS >= 16  ? COLOR_DEPTH_16
                                : COLOR_DEPTH_8;
    }
    return depth < most ? depth : most;
}

static enum glyphs find_glyphs(const char *term)
{
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0)
        return GLYPHS_ASCII;
    return strcmp(term, "linux") == 0 ? GLYPHS_BLOCK : GLYPHS_BRAILLE; /* the kernel's own console has no braille */
}

static enum err open_pipe(struct err_info *info)
{
    if (pipe2(global.pipe, O_CLOEXEC | O_NONBLOCK) == 0)
        return ERR_OK;
    return err_errno(info, ERR_IO, errno, "cannot make a pipe for signals");
}

static void close_pipe(void)
{
    for (int i = 0; i < 2; i++) {
        if (global.pipe[i] >= 0)
            close(global.pipe[i]);
        global.pipe[i] = -1;
    }
}

static void set_modes(void)
{
    raw();
    noecho();
    nonl();
    set_escdelay(ESC_DELAY_MS);
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    meta(stdscr, TRUE);
    leaveok(stdscr, FALSE);
    scrollok(stdscr, FALSE);
    curs_set(0);
}

enum err terminal_open(struct terminal **out, const struct terminal_options *options, struct err_info *info)
{
    *out = NULL;
    const char *term = getenv("TERM");
    char name[128];
    enum err err = check_terminal(term, info);
    if (!err)
        err = open_pipe(info);
    if (err)
        return err;
    tcgetattr(STDIN_FILENO, &global.before);
    direct_name(term, name, sizeof name);
    struct terminal *terminal = xcalloc(1, sizeof *terminal);
    terminal->screen = newterm(name, stdout, stdin);
    if (!terminal->screen) {
        free(terminal);
        close_pipe();
        return err_set(info, ERR_INVALID, "cannot use the terminal \"%.64s\"", name);
    }
    set_modes();
    terminal->depth = find_depth(options->most_colors);
    terminal->glyphs = find_glyphs(term);
    terminal->own_theme = options->theme ? NULL : theme_default();
    terminal->theme = options->theme ? options->theme : terminal->own_theme;
    str_copy(global.log_path, sizeof global.log_path, options->log_path ? options->log_path : "");
    global.alt_keys = options->alt_keys;
    prepare_restore();
    global.open = terminal;
    install_handlers();
    *out = terminal;
    return ERR_OK;
}

void terminal_close(struct terminal *terminal)
{
    if (!terminal)
        return;
    remove_handlers();
    curs_set(1);
    endwin();
    delscreen(terminal->screen);
    tcsetattr(STDIN_FILENO, TCSANOW, &global.before);
    close_pipe();
    global.open = NULL;
    theme_free(terminal->own_theme);
    free(terminal->rows);
    free(terminal);
}

void terminal_size(const struct terminal *terminal, int *width, int *height)
{
    (void)terminal;
    *width = COLS;
    *height = LINES;
}

enum color_depth terminal_depth(const struct terminal *terminal)
{
    return terminal->depth;
}

enum glyphs terminal_glyphs(const struct terminal *terminal)
{
    return terminal->glyphs;
}

void terminal_set_theme(struct terminal *terminal, const struct theme *theme)
{
    terminal->theme = theme ? theme : terminal->own_theme;
    if (!terminal->theme)
        terminal->theme = terminal->own_theme = theme_default();
    memset(terminal->looks, 0, sizeof terminal->looks);
}

/* --- keys */

static const struct {
    int curses;
    int key;
} special_keys[] = {
    {KEY_UP, KEYS_UP},
    {KEY_DOWN, KEYS_DOWN},
    {KEY_LEFT, KEYS_LEFT},
    {KEY_RIGHT, KEYS_RIGHT},
    {KEY_HOME, KEYS_HOME},
    {KEY_END, KEYS_END},
    {KEY_PPAGE, KEYS_PAGE_UP},
    {KEY_NPAGE, KEYS_PAGE_DOWN},
    {KEY_IC, KEYS_INSERT},
    {KEY_DC, KEYS_DELETE},
    {KEY_BTAB, KEYS_BACK_TAB},
    {KEY_BACKSPACE, KEYS_BACKSPACE},
    {KEY_ENTER, KEYS_ENTER},
    {KEY_SLEFT, KEYS_SHIFT_LEFT},
    {KEY_SRIGHT, KEYS_SHIFT_RIGHT},
    {KEY_FIND, KEYS_HOME},
    {KEY_SELECT, KEYS_END},
};

static int special_key(int curses)
{
    for (size_t i = 0; i < sizeof special_keys / sizeof *special_keys; i++)
        if (special_keys[i].curses == curses)
            return special_keys[i].key;
    if (curses > KEY_F(0) && curses <= KEY_F(24))
        return KEYS_F(curses - KEY_F(0));
    return 0; /* a key we have no name for */
}

static int plain_key(wint_t character)
{
    if (character == '\n')
        return KEYS_ENTER;
    return character < 0x110000 ? (int)character : 0;
}

/* 0: no key is waiting, or one that means nothing here. *pending says whether there was something. */
static int read_key(bool *pending)
{
    wint_t character = 0;
    int kind = get_wch(&character);
    *pending = kind != ERR;
    if (kind == ERR)
        return 0;
    if (kind == KEY_CODE_YES)
        return special_key((int)character);
    if (character != KEYS_ESC || !global.alt_keys)
        return plain_key(character);
    wint_t second = 0; /* Esc and a key in one go is Alt; ncurses has already waited for it */
    int second_kind = get_wch(&second);
    if (second_kind == ERR)
        return KEYS_ESC;
    if (second_kind == OK && second == KEYS_ESC) {
        unget_wch((wchar_t)second);
        return KEYS_ESC;
    }
    int key = second_kind == KEY_CODE_YES ? special_key((int)second) : plain_key(second);
    return key ? key | KEYS_ALT : KEYS_ESC;
}

static void take_size(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0)
        resizeterm(size.ws_row, size.ws_col);
}

void terminal_leave(struct terminal *terminal)
{
    (void)terminal;
    curs_set(1);
    endwin();
}

void terminal_return(struct terminal *terminal)
{
    (void)terminal;
    set_modes();
    take_size();
    clearok(curscr, TRUE); /* whatever stands on the screen now is not ours */
    refresh();
}

/* What the terminal driver does on Ctrl-Z outside raw mode: stop the whole foreground job. */
static void suspend(struct terminal *terminal)
{
    terminal_leave(terminal);
    struct sigaction stop = {.sa_handler = SIG_DFL}, old;
    sigemptyset(&stop.sa_mask);
    sigaction(SIGTSTP, &stop, &old);
    kill(0, SIGTSTP);
    sigaction(SIGTSTP, &old, NULL);
    terminal_return(terminal);
}

/* --- waiting */

/* True where the size changed or the process was continued. */
static bool drain_notices(struct terminal *terminal)
{
    char bytes[64];
    bool resized = false, continued = false;
    for (ssize_t got = read(global.pipe[0], bytes, sizeof bytes); got > 0;
         got = read(global.pipe[0], bytes, sizeof bytes)) {
        resized = resized || memchr(bytes, 'w', (size_t)got);
        continued = continued || memchr(bytes, 'c', (size_t)got);
    }
    if (continued)
        terminal_return(terminal);
    else if (resized)
        take_size();
    return resized || continued;
}

static int remaining_ms(int timeout_ms, int64_t started_us)
{
    if (timeout_ms < 0)
        return -1;
    int64_t left = timeout_ms - (clock_mono_us() - started_us) / USEC_PER_MSEC;
    return left < 0 ? 0 : (int)left;
}

/* Keys that ncurses holds already, or that poll announced. KEY_RESIZE and unknown keys are skipped. */
static int next_key(struct terminal *terminal, bool *suspended)
{
    bool pending = true;
    while (pending) {
        int key = read_key(&pending);
        if (key == KEYS_CTRL('z')) {
            suspend(terminal);
            *suspended = true;
            return 0;
        }
        if (key)
            return key;
    }
    return 0;
}

enum terminal_event terminal_wait(struct terminal *terminal, int timeout_ms, int extra_fd, int *key)
{
    int64_t started_us = clock_mono_us();
    *key = 0;
    while (!terminal->closed) {
        bool suspended = false;
        *key = next_key(terminal, &suspended);
        if (*key)
            return TERMINAL_KEY;
        if (drain_notices(terminal) || suspended)
            return TERMINAL_RESIZE;
        struct pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {global.pipe[0], POLLIN, 0}, {extra_fd, POLLIN, 0}};
        int ready = poll(fds, 3, remaining_ms(timeout_ms, started_us));
        if (ready < 0 && errno != EINTR)
            terminal->closed = true;
        if (ready == 0)
            return TERMINAL_TIMEOUT;
        if (ready < 0)
            continue;
        if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
            terminal->closed = true;
        else if (!(fds[0].revents | fds[1].revents) && fds[2].revents)
            return TERMINAL_WAKE;
    }
    return TERMINAL_CLOSED;
}

/* --- painting */

static int pair_color(int color)
{
    return color >= 0 && (color & LOOK_RGB) ? color & 0xFFFFFF : color;
}

static struct cached_look make_look(const struct terminal *terminal, uint16_t style)
{
    static const struct {
        unsigned attribute;
        attr_t curses;
    } map[] = {{LOOK_BOLD, A_BOLD}, {LOOK_DIM, A_DIM}, {LOOK_UNDERLINE, A_UNDERLINE}, {LOOK_REVERSE, A_REVERSE},
        {LOOK_ITALIC, A_ITALIC}};
    struct look look = theme_look(terminal->theme, terminal->depth, style);
    struct cached_look made = {.known = true, .style = style};
    for (size_t i = 0; i < sizeof map / sizeof *map; i++)
        if (look.attributes & map[i].attribute)
            made.attributes |= map[i].curses;
    if (terminal->depth != COLOR_DEPTH_MONO && (look.foreground >= 0 || look.background >= 0)) {
        int pair = alloc_pair(pair_color(look.foreground), pair_color(look.background));
        made.pair = pair > 0 ? pair : 0;
    }
    return made;
}

static const struct cached_look *find_look(struct terminal *terminal, uint16_t style)
{
    struct cached_look *look = &terminal->looks[(style ^ style >> 7) % LOOK_CACHE];
    if (!look->known || look->style != style)
        *look = make_look(terminal, style);
    return look;
}

static void paint_cell(struct terminal *terminal, int x, int y, const struct cell *cell)
{
    wchar_t wide[CCHARW_MAX + 1];
    cchar_t character;
    const struct cached_look *look = find_look(terminal, cell->style);
    if ((unsigned char)cell->text[0] < 0x80 && cell->text[1] == '\0') {
        wide[0] = (wchar_t)cell->text[0];
        wide[1] = L'\0';
    } else {
        size_t length = mbstowcs(wide, cell->text, CCHARW_MAX);
        if (length == (size_t)-1 || length == 0)
            wide[0] = L'?', length = 1;
        /* In the last column marks come loose from their base: emulators put them on the next row, and ncurses draws
         * the last cell of all by a detour. */
        wide[x == COLS - 1 ? 1 : length] = L'\0';
    }
    int pair = look->pair;
    if (setcchar(&character, wide, look->attributes, 0, &pair) == OK)
        mvadd_wch(y, x, &character); /* ERR in the last cell of the screen, which is drawn all the same */
}

/* As ncurses knows a row again (hashmap.c): by the first character of each cell, whatever their colours (FNV-1a). */
static uint64_t row_hash(const struct cells *cells, int y)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (int x = 0; x < cells_width(cells); x++) {
        const char *text = cells_at(cells, x, y)->text;
        size_t i = 0;
        do
            hash = (hash ^ (unsigned char)text[i]) * UINT64_C(1099511628211);
        while (text[i] && ((unsigned char)text[++i] & 0xC0) == 0x80);
    }
    return hash;
}

/* ncurses scrolls the terminal where rows have moved, with sequences that not every emulator calling itself xterm
 * knows; the screen would then show what was there before. A row that reappears elsewhere is declared unknown: it is
 * sent again instead. */
static void avoid_scrolling(struct terminal *terminal, const struct cells *cells, int height)
{
    uint64_t *rows = xreallocarray(NULL, (size_t)height, sizeof *rows);
    for (int y = 0; y < height; y++)
        rows[y] = row_hash(cells, y);
    for (int old = 0; old < terminal->row_count && old < height; old++) {
        bool moved = false;
        for (int y = 0; y < height && !moved && rows[old] != terminal->rows[old]; y++)
            moved = y != old && rows[y] == terminal->rows[old];
        if (moved)
            wredrawln(curscr, old, 1);
    }
    free(terminal->rows);
    terminal->rows = rows;
    terminal->row_count = height;
}

static void paint_row(struct terminal *terminal, const struct cells *cells, int y, int width)
{
    for (int x = 0; x < width; x++) {
        const struct cell *cell = cells_at(cells, x, y);
        if (cell->width > 0 && x + cell->width <= COLS)
            paint_cell(terminal, x, y, cell);
    }
}

void terminal_paint(struct terminal *terminal, const struct cells *cells)
{
    int width = cells_width(cells) < COLS ? cells_width(cells) : COLS;
    int height = cells_height(cells) < LINES ? cells_height(cells) : LINES;
    int x = 0, y = 0;
    avoid_scrolling(terminal, cells, height);
    erase();
    for (int row = 0; row < height; row++)
        paint_row(terminal, cells, row, width);
    bool shown = cells_cursor(cells, &x, &y) && x < COLS && y < LINES;
    move(shown ? y : 0, shown ? x : 0);
    curs_set(shown ? 1 : 0);
    wnoutrefresh(stdscr);
    doupdate();
}
