/* Proxies' files as text: what is found in them, and that nothing but it is changed; addresses and host names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "host/route/connections.h"
#include "host/route/text.h"

#define SITE_FILE                                                                                                      \
    "# kept by anna\n"                                                                                                 \
    "backend b.org\n"                                                                                                  \
    "    server site 192.0.2.9:81\n"                                                                                   \
    "backend a.org # server site 1.2.3.4:5\n"                                                                          \
    "\tserver\tsite  192.0.2.1:8080 maxconn 50 # the old one\n"                                                        \
    "    http-request set-header X-A a\n"                                                                              \
    "# no newline at the end"

static void test_only_the_address_of_the_sites_server_changes(void **state)
{
    (void)state;
    struct text_span where;
    struct address address;
    struct buf changed = BUF(4096);
    assert_true(text_find_server(SITE_FILE, "a.org", &where, &address));
    assert_string_equal(address.host, "192.0.2.1");
    assert_int_equal(address.port, 8080);
    assert_int_equal(text_replace(&changed, SITE_FILE, &where, "[2001:db8::1]:9"), ERR_OK);
    const char *at = strstr(SITE_FILE, "192.0.2.1:8080");
    char *wanted = xasprintf("%.*s[2001:db8::1]:9%s", (int)(at - SITE_FILE), SITE_FILE, at + strlen("192.0.2.1:8080"));
    assert_string_equal(buf_text(&changed), wanted);
    assert_true(text_find_server(buf_text(&changed), "a.org", &where, &address));
    assert_string_equal(address.host, "2001:db8::1");
    free(wanted);
    buf_free(&changed);
}

static void test_a_site_without_an_address_is_not_found(void **state)
{
    (void)state;
    static const char *const without[] = {"", "backend a.org\n", "backend a.org\nserver site\n",
        "backend a.org\nserver other 192.0.2.1:80\n", "backend a.org\nserver site web.example:80\n",
        "backend a.org\nserver site 192.0.2.1\n", "backend a.org\nfrontend x\nserver site 192.0.2.1:80\n",
        "# backend a.org\nserver site 192.0.2.1:80\n", "listen a.org\nserver site 192.0.2.1:80\n"};
    struct text_span where;
    struct address address;
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        assert_false(text_find_server(without[i], "a.org", &where, &address));
}

static struct hold_settings settings_of(const char *config, const char *site_file)
{
    struct hold_settings settings = HOLD_SETTINGS_START;
    text_read_hold_settings(config, NULL, &settings);
    text_read_hold_settings(site_file, "a.org", &settings);
    return settings;
}

static void test_what_decides_how_long_requests_wait_is_read_as_haproxy_reads_it(void **state)
{
    (void)state;
    struct hold_settings settings = settings_of("", "");
    assert_int_equal(settings.retries, 3);
    assert_false(settings.redispatch || settings.server_close);
    const char *config = "defaults\n  retries 240 # many\n  option redispatch 1\n  option http-server-close\n"
                         "  timeout connect 250ms\nfrontend f\n  retries 9\n";
    settings = settings_of(config, "backend b.org\n retries 1\n");
    assert_int_equal(settings.retries, 240);
    assert_int_equal(settings.connect_ms, 250);
    assert_true(settings.redispatch && settings.server_close);
    settings = settings_of(config, "backend a.org\n retries 7\n timeout connect 2s\n no option http-server-close\n"
                                   " option redispatch\n");
    assert_int_equal(settings.retries, 7);
    assert_int_equal(settings.connect_ms, 2000);
    assert_false(settings.redispatch || settings.server_close);
    settings = settings_of("defaults\n retries 240\ndefaults\n timeout connect 4000\n", "");
    assert_int_equal(settings.retries, 3);
    assert_int_equal(settings.connect_ms, 4000);
}

#define MAP                                                                                                            \
    "# domains\n\n"                                                                                                    \
    "a.org   a.org\n"                                                                                                  \
    "\twww.a.org\ta.org   # both\n"                                                                                    \
    "b.org b.org\n"                                                                                                    \
    "a.org a.org"

static void assert_map_set(const char *key, const char *value, const char *wanted)
{
    struct buf changed = BUF(4096);
    assert_int_equal(map_set(&changed, MAP, key, value), ERR_OK);
    assert_string_equal(buf_text(&changed), wanted);
    buf_free(&changed);
}

static void test_a_maps_entries_change_and_the_rest_stays(void **state)
{
    (void)state;
    assert_map_set(
        "a.org", "notice", "# domains\n\na.org   notice\n\twww.a.org\ta.org   # both\nb.org b.org\na.org notice");
    assert_map_set("c.org", "c", MAP "\nc.org c\n");
    assert_map_set("b.org", "b.org", MAP);
    char value[NAME_VALUE_SIZE];
    assert_true(map_find(MAP, "www.a.org", value));
    assert_string_equal(value, "a.org");
    assert_false(map_find(MAP, "domains", value));
    assert_false(map_find(MAP, "a.or", value));
}

static void test_a_sites_domains_are_those_that_lead_to_it(void **state)
{
    (void)state;
    struct route_domains *domains = xcalloc(1, sizeof *domains);
    map_add_keys(MAP, "a.org", domains);
    assert_int_equal(domains->count, 2);
    assert_string_equal(domains->names[0], "a.org");
    assert_string_equal(domains->names[1], "www.a.org");
    free(domains);
}

static void test_the_running_map_reads_like_the_file(void **state)
{
    (void)state;
    struct buf map = BUF(4096);
    char value[NAME_VALUE_SIZE];
    assert_int_equal(map_from_runtime(&map, "0x55d2 a.org a.org\n0x55d3 www.a.org notice\n\n"), ERR_OK);
    assert_true(map_find(buf_text(&map), "www.a.org", value));
    assert_string_equal(value, "notice");
    buf_free(&map);
}

#define STATES                                                                                                         \
    "1\n# be_id be_name srv_id srv_name srv_addr srv_port\n4 a.org 1 site 127.0.0.1 8504\n5 b.org 1 site 192.0.2.7 "   \
    "80\n6 c.org 1 site 192.0.2.8 8504\n"

static void test_tables_are_read_by_the_names_of_their_columns(void **state)
{
    (void)state;
    char cell[64];
    assert_true(table_cell(STATES, ' ', "be_name", "b.org", "srv_addr", cell, sizeof cell));
    assert_string_equal(cell, "192.0.2.7");
    assert_true(table_cell(
        "# pxname,svname,scur,\na,FRONTEND,7,\na,BACKEND,,\n", ',', "svname", "BACKEND", "scur", cell, sizeof cell));
    assert_string_equal(cell, "");
    assert_false(table_cell(STATES, ' ', "be_name", "d.org", "srv_addr", cell, sizeof cell));
    assert_false(table_cell(STATES, ' ', "be_name", "a.org", "nothing", cell, sizeof cell));
    assert_false(table_cell("Can't find backend.", ' ', "be_name", "a.org", "srv_addr", cell, sizeof cell));
    assert_true(table_has(STATES, ' ', "srv_addr", "127.0.0.1", "srv_port", "8504"));
    assert_false(table_has(STATES, ' ', "srv_addr", "192.0.2.7", "srv_port", "8504"));
}

static void assert_upstream(const char *text, const char *leads, const char *site)
{
    struct upstream found;
    char words[ADDRESS_TEXT_SIZE];
    assert_true(upstream_find(text, "a.org", &found));
    assert_string_equal(address_text(&found.leads, words), leads);
    assert_string_equal(address_text(&found.site, words), site);
}

static void test_an_upstream_remembers_its_site_while_it_shows_the_notice_page(void **state)
{
    (void)state;
    static const char text[] = "# mine\nupstream b.org {\n server 192.0.2.2:1;\n}\nupstream a.org {\n    "
                               "server 192.0.2.1:80; # x\n    keepalive 0;\n}\n";
    struct upstream found;
    struct address notice;
    struct buf line = BUF(512), changed = BUF(4096), back = BUF(4096);
    assert_upstream(text, "192.0.2.1:80", "192.0.2.1:80");
    assert_true(address_make(&notice, "127.0.0.1", 8503) && upstream_find(text, "a.org", &found));
    struct address site = found.site;
    assert_int_equal(upstream_line(&line, &notice, &site), ERR_OK);
    assert_int_equal(text_replace(&changed, text, &found.line, buf_text(&line)), ERR_OK);
    assert_upstream(buf_text(&changed), "127.0.0.1:8503", "192.0.2.1:80");
    assert_non_null(strstr(buf_text(&changed), "server 192.0.2.2:1;"));
    assert_true(upstream_find(buf_text(&changed), "a.org", &found));
    buf_clear(&line);
    assert_int_equal(upstream_line(&line, &site, &site), ERR_OK);
    assert_int_equal(text_replace(&back, buf_text(&changed), &found.line, buf_text(&line)), ERR_OK);
    assert_upstream(buf_text(&back), "192.0.2.1:80", "192.0.2.1:80");
    buf_free(&line);
    buf_free(&changed);
    buf_free(&back);
}

static void test_only_addresses_of_one_machine_are_taken(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "localhost", "0.0.0.0", "224.0.0.1", "255.255.255.255", "::", "ff02::1",
        "192.0.2.1 ", "192.0.2", "192.0.2.1;x", "2001:db8::1%eth0", "1.2.3.4\nserver"};
    struct address address;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(address_make(&address, bad[i], 80));
    assert_false(address_make(&address, "192.0.2.1", 0) || address_make(&address, "192.0.2.1", 65536));
    assert_true(address_make(&address, "2001:DB8:0::1", 65535));
    assert_string_equal(address.host, "2001:db8::1");
    assert_false(address_parse(&address, "2001:db8::1:80", 14));
    assert_false(address_parse(&address, "[192.0.2.1]:80", 14));
}

static void test_only_host_names_are_domains(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", ".", "a..b", "-a.org", "a-.org", "a b", "a_b.org", "a;b", "a.org.", "*.a.org", "ä.org", "a\n.org"};
    char domain[DOMAIN_SIZE], label[70];
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(domain_copy(domain, bad[i]));
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(domain_copy(domain, label) || domain_copy(domain, NULL));
    assert_true(domain_copy(domain, "WWW.Example-1.ORG"));
    assert_string_equal(domain, "www.example-1.org");
}

static void test_the_kernels_table_of_connections_is_read(void **state)
{
    (void)state;
    struct address far;
    bool is_open;
    assert_true(connections_line("   1: 0A2DC6C6:D2F0 0B2DC6C6:1F90 01 00000000:00000000 00:00000000", &far, &is_open));
    assert_string_equal(far.host, "198.198.45.11");
    assert_int_equal(far.port, 8080);
    assert_true(is_open);
    assert_true(connections_line("  12: 0A2DC6C6:D2F0 0B2DC6C6:1F90 06 00000000:00000000", &far, &is_open));
    assert_false(is_open);
    assert_true(connections_line(
        "   0: 0000000000000000FFFF00000100007F:D2F0 0000000000000000FFFF00000100007F:0050 02 0", &far, &is_open));
    assert_string_equal(far.host, "127.0.0.1");
    assert_true(connections_line(
        "   0: B80D0120000000000000000001000000:D2F0 B80D0120000000000000000002000000:0050 01 0", &far, &is_open));
    assert_string_equal(far.host, "2001:db8::2");
    assert_false(connections_line("  sl  local_address rem_address   st tx_queue", &far, &is_open));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_address_of_the_sites_server_changes),
        cmocka_unit_test(test_a_site_without_an_address_is_not_found),
        cmocka_unit_test(test_what_decides_how_long_requests_wait_is_read_as_haproxy_reads_it),
        cmocka_unit_test(test_a_maps_entries_change_and_the_rest_stays),
        cmocka_unit_test(test_a_sites_domains_are_those_that_lead_to_it),
        cmocka_unit_test(test_the_running_map_reads_like_the_file),
        cmocka_unit_test(test_tables_are_read_by_the_names_of_their_columns),
        cmocka_unit_test(test_an_upstream_remembers_its_site_while_it_shows_the_notice_page),
        cmocka_unit_test(test_only_addresses_of_one_machine_are_taken),
        cmocka_unit_test(test_only_host_names_are_domains),
        cmocka_unit_test(test_the_kernels_table_of_connections_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
