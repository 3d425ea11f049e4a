# shellcheck shell=bash
# Images without a network: Debian's static busybox and three small scripts (image/), packed by hand as an archive that
# both `podman load` and `docker load` take. The same bytes everywhere give the same image ID on every host and in every lab.

IMAGES='web app cache' # localhost/coop/NAME:1

image_root() { # DIR
    local dir=$1 applet
    mkdir -p "$dir"/{bin,etc,proc,sys,dev,tmp,run,root,var/www,var/lib/app}
    cp "$(command -v busybox)" "$dir/bin/busybox"
    for applet in $("$dir/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"
    done
    for script in $IMAGES; do install -m 755 "$LAB_HOME/image/$script" "$dir/bin/coop-$script"; done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/etc/passwd"
    echo 'www:x:2042:2042:www:/var/www:/bin/sh' >>"$dir/etc/passwd"
    printf 'root:x:0:\nwww:x:2042:\n' >"$dir/etc/group"
    chmod 1777 "$dir/tmp"
}

image_config() { # NAME LAYER-SHA
    cat <<JSON
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"2024-01-01T00:00:00Z","config":{"Cmd":["/bin/coop-$1"],"Env":["PATH=/bin"],"StopSignal":"SIGTERM","Labels":{"coop.image":"$1"}},"rootfs":{"type":"layers","diff_ids":["sha256:$2"]},"history":[{"created":"2024-01-01T00:00:00Z","created_by":"coop"}]}
JSON
}

image_archive() { # OUT
    local work=$LAB/image sha config entries=''
    mkdir -p "$work/archive"
    image_root "$work/root"
    tar --sort=name --mtime=@1704067200 --owner=0 --group=0 --numeric-owner --format=gnu -C "$work/root" \
        -cf "$work/archive/layer.tar" . || return
    sha=$(sha256sum <"$work/archive/layer.tar" | cut -d ' ' -f 1)
    for name in $IMAGES; do
        image_config "$name" "$sha" >"$work/config"
        config=$(sha256sum <"$work/config" | cut -d ' ' -f 1).json
        mv "$work/config" "$work/archive/$config"
        entries+="${entries:+,}{\"Config\":\"$config\",\"RepoTags\":[\"localhost/coop/$name:1\"],\"Layers\":[\"layer.tar\"]}"
    done
    printf '[%s]' "$entries" >"$work/archive/manifest.json"
    tar -C "$work/archive" -cf "$1" . && rm -rf "$work"
}
