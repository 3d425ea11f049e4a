/* Where a site really is: every host is asked through the engine, nothing is read from the store. Drawing thread only.
 */
#ifndef VIEWS_PAGES_WHERE_PAGE_H
#define VIEWS_PAGES_WHERE_PAGE_H

#include "views/console/core.h"

struct view *where_page_new(struct console *console, const char *site); /* asks at once */

#endif
