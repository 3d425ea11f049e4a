/* Shared by theme.c (text to theme) and theme_files.c (finding the text). */
#ifndef TUI_THEME_PRIVATE_H
#define TUI_THEME_PRIVATE_H

#define THEME_SUFFIX ".theme"

#endif
