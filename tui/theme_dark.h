/* The dark theme as text, so that no file is needed. The same as themes/dark.theme: a test compares the two. */
#ifndef TUI_THEME_DARK_H
#define TUI_THEME_DARK_H

static const char theme_dark_text[] = "normal         = - -\n"
                                      "dim            = #8a8f98/bright-black -\n"
                                      "title          = #e6edf3/bright-white - bold\n"
                                      "accent         = #56b6f2/bright-cyan - bold\n"
                                      "ok             = #5fd787/green -\n"
                                      "warning        = #ffb454/yellow - bold\n"
                                      "critical       = #ff6b6b/bright-red - bold\n"
                                      "unknown        = #c39af0/magenta -\n"
                                      "active         = #56b6f2/bright-cyan -\n"
                                      "quarantined    = #ffd7ff/bright-white #6b2a82/magenta bold\n"
                                      "conflict       = #ffffff/bright-white #d32f2f/red bold\n"
                                      "selected       = #ffffff/bright-white #2d4263/blue bold\n"
                                      "marked         = #ffe08a/bright-yellow #3d3a24/bright-black\n"
                                      "header         = #a9b4c2/white - bold underline\n"
                                      "key            = #56b6f2/bright-cyan - bold\n"
                                      "border         = #5c6773/bright-black -\n"
                                      "match          = #1a1a1a/black #ffd75f/yellow\n"
                                      "input          = #ffffff/bright-white -\n"
                                      "chart1         = #56b6f2/bright-cyan -\n"
                                      "chart2         = #f2a65a/yellow -\n"
                                      "chart3         = #7fd6a8/green -\n"
                                      "chart4         = #d6a8e6/magenta -\n"
                                      "env_production = #ffffff/bright-white #b3261e/red bold\n"
                                      "env_staging    = #1a1a1a/black #e0a526/yellow bold\n"
                                      "env_test       = #1a1a1a/black #5fb3b3/cyan bold\n";

#endif
