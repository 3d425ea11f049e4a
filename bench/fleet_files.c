/* What loading the fleet files costs at their limits: 10,000 hosts, and 200,000 sites in 200 files. The budget is 3 s.
 */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/paths.h"
#include "fleet/fleet.h"

#define HOSTS 10000
#define FILES 200
#define SITES_PER_FILE 1000
#define RUNS 3

static FILE *create(const char *directory, const char *name)
{
    char *path = paths_join(directory, name);
    FILE *file = fopen(path, "w");
    if (!file) {
        perror(path);
        exit(1);
    }
    free(path);
    return file;
}

static void write_hosts(const char *directory)
{
    FILE *file = create(directory, "hosts.yaml");
    fputs("hosts:\n", file);
    for (int i = 0; i < HOSTS; i++)
        fprintf(file, "  h%05d: { address: 10.%d.%d.1, roles: [compute], labels: { rack: a%d }%s }\n", i, i / 250,
            i % 250, i % 40, i ? ", jump: h00000" : "");
    fclose(file);
}

static void write_sites(const char *directory, int number)
{
    char name[64];
    str_format(name, sizeof name, "sites/%03d.yaml", number);
    FILE *file = create(directory, name);
    fputs("sites:\n", file);
    for (int i = 0; i < SITES_PER_FILE; i++) {
        int site = number * SITES_PER_FILE + i;
        fprintf(file,
            "  site%06d.example.org:\n"
            "    domains: [site%06d.example.org, www.site%06d.example.org]\n"
            "    member: Example Coalition %d\n"
            "    containers:\n"
            "      web: { image: \"localhost/infra/3f2c/web\", publish: %d, memory: 256M, cpus: 0.5,\n"
            "             user: \"2042:2042\", read_only: true, mounts: { data: /var/www } }\n"
            "    volumes: { data: { driver: dir, size: 5G } }\n"
            "    health: { path: /, status: 200, contains: \"Welcome\" }\n",
            site, site, site, site % 4000, 1024 + site % 60000);
    }
    fclose(file);
}

static void write_all(const char *directory)
{
    FILE *file = create(directory, "fleet.yaml");
    fputs("fleet: bench\n", file);
    fclose(file);
    write_hosts(directory);
    char *sites = paths_join(directory, "sites");
    mkdir(sites, 0700);
    free(sites);
    for (int i = 0; i < FILES; i++)
        write_sites(directory, i);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
    (void)status;
    (void)type;
    (void)where;
    return remove(path);
}

static int measure(const char *directory)
{
    struct complaints complaints = {0};
    struct err_info info = {0};
    struct fleet *fleet;
    int64_t started = clock_mono_us();
    enum err result = fleet_load(directory, &fleet, &complaints, &info);
    double seconds = (double)(clock_mono_us() - started) / (double)USEC_PER_SEC;
    if (result != ERR_OK) {
        fprintf(stderr, "fleet_files: %s\n", info.message);
        complaints_free(&complaints);
        return 1;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    printf("fleet_files: %zu hosts and %zu sites in %zu files: %.2f s, %ld MB (budget: 3 s)\n", fleet->hosts.count,
        fleet->sites.count, fleet->files.count, seconds, usage.ru_maxrss / 1024);
    fleet_free(fleet);
    return 0;
}

int main(void)
{
    char directory[] = "/tmp/dogwatch-bench-XXXXXX";
    if (!mkdtemp(directory)) {
        perror(directory);
        return 1;
    }
    write_all(directory);
    int status = 0;
    for (int i = 0; i < RUNS && status == 0; i++)
        status = measure(directory);
    nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return status;
}
