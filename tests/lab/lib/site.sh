# shellcheck shell=bash
# What the lab's member sites are: one table for what runs on the hosts, what the fleet files say and what the proxy routes.

# site, its compute host's number, pages of content, member
SITES='
example.org          1  300  Example_Coalition
kleingarten.example  1    1  Kleingartenverein_Sonnenschein
chorus.example       2    1  Chorus_of_the_Docks
tuinder.example      3  300  De_Tuinder
ledger.example       1    0  Purser_of_the_Docks
'
# site, container, port, memory, cpus, volume, its path, the volume's driver, health check (seconds between; - for none)
CONTAINERS='
example.org          web    8080  128M  0.5  data   /var/www         dir  5
example.org          app    8081  64M   0.25 state  /var/lib/app     dir  -
kleingarten.example  web    8082  64M   0.25 data   /var/www         dir  -
chorus.example       web    8083  64M   0.25 data   /var/www         dir  5
tuinder.example      web    8084  128M  0.5  data   /var/www         dir  5
ledger.example       ledger 8085  64M   1    data   /var/lib/ledger  dir  -
'
STRAY_HOST=2 # where a container runs that belongs to no site

# `up --btrfs`: where podman's volumes live on mosh01 and mosh02 is a btrfs of its own, and this site's volume a subvolume
SITES_BTRFS='
harbour.example      1    0  Harbour_Office
'
CONTAINERS_BTRFS='
harbour.example      ledger 8086  64M   1    data   /var/lib/ledger  btrfs -
'
# `up --mount`: every compute host can mount this site's directory from storage they share (host/furnish.sh), one does
SITES_MOUNT='
wharf.example        1    0  Wharf_and_Crane
'
CONTAINERS_MOUNT='
wharf.example        ledger 8087  64M   1    data   /var/lib/ledger  mount -
'
site_options() {
    [ "$BTRFS" = no ] || { SITES+=$SITES_BTRFS && CONTAINERS+=$CONTAINERS_BTRFS; }
    [ "$MOUNT" = no ] || { SITES+=$SITES_MOUNT && CONTAINERS+=$CONTAINERS_MOUNT; }
}

rows() { grep . <<<"$1"; }

# a lab with fewer hosts has all sites on those it has
site_host() { # NUMBER
    printf 'mosh%02d\n' $(($1 < HOSTS ? $1 : HOSTS))
}
host_engine() { # HOST
    case $1 in
    gate) echo proxy ;;
    mosh03 | mosh04) echo docker ;;
    *) echo podman ;;
    esac
}
site_port() { rows "$CONTAINERS" | awk -v s="$1" '$1 == s { print $3; exit }'; }

# what host/setup.sh makes on HOST: the rows of its sites' containers, and the stray one
site_plan() { # HOST
    local site number
    rows "$SITES" | while read -r site number _; do
        [ "$(site_host "$number")" != "$1" ] || rows "$CONTAINERS" | awk -v s="$site" '$1 == s'
    done
    [ "$(site_host $STRAY_HOST)" != "$1" ] || echo '- cache - 32M 0.1 - - - -'
}

# the images HOST needs: what is moved there brings its own
site_images() { # HOST
    site_plan "$1" | awk '{ print $2 }' | sort -u
}

# real enough content: an index and pages of 4 to 12 KB that link to one another
site_content() { # SITE PAGES MEMBER DIR
    mkdir -p "$4"
    awk -v site="$1" -v pages="$2" -v member="${3//_/ }" -v dir="$4" '
        function page(file, title, paragraphs,    i, j, line) {
            printf "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>%s</title></head>\n<body><h1>%s</h1>\n", title, title >file
            for (i = 0; i < paragraphs; i++) {
                line = ""
                for (j = 0; j < 60; j++) line = line words[int(rand() * count) + 1] " "
                printf "<p>%s<a href=\"/page-%03d.html\">more</a></p>\n", line, int(rand() * pages) + 1 >file
            }
            print "</body></html>" >file
            close(file)
        }
        BEGIN {
            srand(length(site))
            count = split("garden member house water meeting summer protocol harbour bicycle choir treasurer newsletter seed archive photograph workshop neighbour saturday", words, " ")
            page(dir "/index.html", "Welcome to " member, 4)
            for (n = 1; n < pages; n++) page(sprintf("%s/page-%03d.html", dir, n), member ", page " n, 10 + int(rand() * 20))
        }'
}

site_contents() {
    local site number pages member
    rows "$SITES" | while read -r site number pages member; do
        [ "$pages" = 0 ] || site_content "$site" "$pages" "$member" "$LAB/content/$site" || exit
    done
}

site_yaml() { # SITE MEMBER
    local site=$1 container port memory cpus volume path driver volumes=''
    printf 'sites:\n  %s:\n    domains: [%s, www.%s]\n    member: %s\n    containers:\n' "$site" "$site" "$site" "${2//_/ }"
    while read -r _ container port memory cpus volume path driver _; do
        printf '      %s: { image: "localhost/coop/%s:1", publish: %s, memory: %s, cpus: %s, user: "2042:2042",\n' \
            "$container" "$container" "$port" "$memory" "$cpus"
        printf '             read_only: true, mounts: { %s: %s } }\n' "$volume" "$path"
        volumes+="      $volume: { driver: $driver, size: 1G }"$'\n'
    done < <(rows "$CONTAINERS" | awk -v s="$site" '$1 == s')
    printf '    volumes:\n%s    health: { path: /, status: 200, contains: "Welcome" }\n' "$volumes"
}

fleet_write() {
    local site member
    mkdir -p "$FLEET/sites"
    printf 'fleet: lab-%s\nenvironment: test\ninterval: %s\n' "$LAB_NAME" "$INTERVAL" >"$FLEET/fleet.yaml"
    printf 'hosts: {}\n' >"$FLEET/hosts.yaml"
    rows "$SITES" | while read -r site _ _ member; do site_yaml "$site" "$member" >"$FLEET/sites/$site.yaml"; done
}

# the proxy, as docs/proxy.md has it: a map from Host header to backend, and a file for each site
proxy_files() { # DIR: sites.map and sites.d for HAProxy, nginx/SITE.conf and nginx-sites.conf for nginx
    local site number address
    mkdir -p "$1/sites.d" "$1/nginx" || return
    rows "$SITES" | while read -r site number _; do
        address=$(net_address "$(site_host "$number")"):$(site_port "$site")
        printf '%s %s\nwww.%s %s\n' "$site" "$site" "$site" "$site" >>"$1/sites.map"
        printf 'backend %s\n    server site %s\n' "$site" "$address" >"$1/sites.d/$site.cfg"
        printf 'upstream %s {\n    server %s;\n}\n' "$site" "$address" >"$1/nginx/$site.conf"
        printf 'server {\n    listen 80;\n    server_name %s www.%s;\n    location / { proxy_pass http://%s; }\n}\n' \
            "$site" "$site" "$site" >>"$1/nginx-sites.conf"
    done
}
