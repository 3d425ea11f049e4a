# shellcheck shell=bash
# Images without a network: a layer with Debian's static busybox and three small scripts, and for the ledger a second one
# with a program (image/), packed by hand as archives that both `podman load` and `docker load` take: LAB/images/NAME.tar.
# The same bytes everywhere give the same image ID on every host and in every lab.

IMAGES='web app cache ledger' # localhost/coop/NAME:1

image_base() { # DIR
    local dir=$1 applet script
    mkdir -p "$dir"/{bin,etc,proc,sys,dev,tmp,run,root,var/www,var/lib/app}
    cp "$(command -v busybox)" "$dir/bin/busybox"
    for applet in $("$dir/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$dir/bin/$applet"
    done
    for script in web app cache; do install -m 755 "$LAB_HOME/image/$script" "$dir/bin/coop-$script"; done
    echo 'root:x:0:0:root:/root:/bin/sh' >"$dir/etc/passwd"
    echo 'www:x:2042:2042:www:/var/www:/bin/sh' >>"$dir/etc/passwd"
    printf 'root:x:0:\nwww:x:2042:\n' >"$dir/etc/group"
    chmod 1777 "$dir/tmp"
}

image_ledger() { # DIR
    mkdir -p "$1/bin" "$1/var/lib/ledger"
    "${CC:-gcc}" -std=c17 -D_GNU_SOURCE -O2 -static -pthread -s -Wl,--build-id=none -o "$1/bin/coop-ledger" "$LAB_HOME/image/ledger.c"
}

image_layer() { # DIR TAR: prints its digest
    tar --sort=name --mtime=@1704067200 --owner=0 --group=0 --numeric-owner --format=gnu -C "$1" -cf "$2" . &&
        sha256sum <"$2" | cut -d ' ' -f 1
}

image_config() { # NAME LAYER-DIGEST…
    local name=$1 ids='' history='' layer
    shift
    for layer; do
        ids+="${ids:+,}\"sha256:$layer\""
        history+="${history:+,}{\"created\":\"2024-01-01T00:00:00Z\",\"created_by\":\"coop\"}"
    done
    cat <<JSON
{"architecture":"$(dpkg --print-architecture)","os":"linux","created":"2024-01-01T00:00:00Z","config":{"Cmd":["/bin/coop-$name"],"Env":["PATH=/bin"],"StopSignal":"SIGTERM","Labels":{"coop.image":"$name"}},"rootfs":{"type":"layers","diff_ids":[$ids]},"history":[$history]}
JSON
}

# one archive of one image: the layers are LAYERS/1.tar …, as many as digests are given
image_pack() { # NAME LAYERS OUT DIGEST…
    local name=$1 layers=$2 out=$3 config files='' n
    shift 3
    mkdir "$layers/$name"
    for ((n = 1; n <= $#; n++)); do
        ln "$layers/$n.tar" "$layers/$name/$n.tar" || return
        files+="${files:+,}\"$n.tar\""
    done
    image_config "$name" "$@" >"$layers/config"
    config=$(sha256sum <"$layers/config" | cut -d ' ' -f 1).json
    mv "$layers/config" "$layers/$name/$config"
    printf '[{"Config":"%s","RepoTags":["localhost/coop/%s:1"],"Layers":[%s]}]' "$config" "$name" "$files" >"$layers/$name/manifest.json"
    tar -C "$layers/$name" -cf "$out" .
}

image_archives() {
    local work=$LAB/image-work base ledger name
    mkdir -p "$work/layers" "$LAB/images"
    image_base "$work/base" && image_ledger "$work/ledger" &&
        base=$(image_layer "$work/base" "$work/layers/1.tar") && ledger=$(image_layer "$work/ledger" "$work/layers/2.tar") || return
    for name in $IMAGES; do
        case $name in
        ledger) image_pack "$name" "$work/layers" "$LAB/images/$name.tar" "$base" "$ledger" ;;
        *) image_pack "$name" "$work/layers" "$LAB/images/$name.tar" "$base" ;;
        esac || return
    done
    rm -rf "$work"
}
