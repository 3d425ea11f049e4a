/* One GET with libcurl: no redirects, no proxy from the environment, http and https only, a body that stops at its
 * ceiling. A handle of its own for every call, so that nothing is carried from one gate to the next. Any thread. */
#include "remote/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/sanitize.h"

static void set_up_once(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sink {
    struct buf *body;
    size_t left; /* to the ceiling */
};

/* Fewer bytes taken than given ends the transfer: the ceiling is reached, the rest is not waited for. */
static size_t take_body(char *data, size_t size, size_t count, void *owner)
{
    struct sink *sink = owner;
    size_t length = size * count;
    size_t wanted = length < sink->left ? length : sink->left;
    if (sink->body && wanted > 0 && buf_append(sink->body, data, wanted) != ERR_OK)
        return 0;
    sink->left -= wanted;
    return wanted;
}

static enum err code_of(CURLcode code)
{
    static const struct {
        CURLcode curl;
        enum err err;
    } table[] = {
        {CURLE_OPERATION_TIMEDOUT, ERR_TIMEOUT},
        {CURLE_COULDNT_CONNECT, ERR_REFUSED},
        {CURLE_COULDNT_RESOLVE_HOST, ERR_UNREACHABLE},
        {CURLE_URL_MALFORMAT, ERR_INVALID},
        {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
        {CURLE_GOT_NOTHING, ERR_CLOSED},
        {CURLE_RECV_ERROR, ERR_CLOSED},
        {CURLE_SEND_ERROR, ERR_CLOSED},
        {CURLE_PARTIAL_FILE, ERR_CLOSED},
        {CURLE_WEIRD_SERVER_REPLY, ERR_GARBAGE},
        {CURLE_UNSUPPORTED_PROTOCOL, ERR_INVALID},
        {CURLE_SSL_CONNECT_ERROR, ERR_FAILED},
        {CURLE_PEER_FAILED_VERIFICATION, ERR_FAILED},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (table[i].curl == code)
            return table[i].err;
    return ERR_IO;
}

static enum err report(const struct http_request *request, CURLcode code, const char *detail, struct err_info *info)
{
    char url[256], text[CURL_ERROR_SIZE];
    sanitize(url, sizeof url, request->url, strlen(request->url));
    const char *said = *detail ? detail : curl_easy_strerror(code);
    sanitize(text, sizeof text, said, strlen(said));
    return err_set(info, code_of(code), "%s%s%s: %s", url, request->connect_to ? " at " : "",
        request->connect_to ? request->connect_to : "", text);
}

static void set_options(CURL *curl, const struct http_request *request, struct sink *sink, char *detail)
{
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)((request->timeout_us + USEC_PER_MSEC - 1) / USEC_PER_MSEC));
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "dogwatch/" DOGWATCH_VERSION);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, sink);
}

enum err http_get(const struct http_request *request, int *status, struct buf *body, struct err_info *info)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up_once);
    *status = 0;
    const char *host = request->host_header;
    if (host && !sanitize_is_clean(host, strlen(host)))
        return err_set(info, ERR_INVALID, "%s: the Host header holds control characters", request->url);
    CURL *curl = curl_easy_init();
    if (!curl)
        return err_set(info, ERR_IO, "%s: libcurl does not start", request->url);
    char detail[CURL_ERROR_SIZE] = "";
    struct sink sink = {.body = body, .left = request->ceiling};
    set_options(curl, request, &sink, detail);
    struct curl_slist *headers = NULL, *places = NULL;
    if (request->host_header) {
        char *line = xasprintf("Host: %s", request->host_header);
        headers = curl_slist_append(NULL, line);
        free(line);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    if (request->connect_to) {
        char *line = xasprintf("::%s", request->connect_to); /* any host, any port: CURLOPT_CONNECT_TO(3) */
        places = curl_slist_append(NULL, line);
        free(line);
        curl_easy_setopt(curl, CURLOPT_CONNECT_TO, places);
    }
    CURLcode code = curl_easy_perform(curl);
    long answered = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answered);
    bool cut_by_us = code == CURLE_WRITE_ERROR && sink.left == 0;
    enum err err = ERR_OK;
    if ((code == CURLE_OK || cut_by_us) && answered > 0)
        *status = (int)answered;
    else
        err = report(request, code == CURLE_OK ? CURLE_WEIRD_SERVER_REPLY : code, detail, info);
    curl_slist_free_all(headers);
    curl_slist_free_all(places);
    curl_easy_cleanup(curl);
    return err;
}
