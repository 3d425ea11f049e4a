# shellcheck shell=sh
# Sourced by boot.sh on a host's first boot: everything in its root that is its own. $R is the root, $H the host's directory.
# What the lab hid from the machine's /etc and /usr (see host_hide) is missing here and made afresh.

mkdir -p "$R/mnt" "$R/media" "$R/srv" "$R/opt/lab" "$R/home" "$R/boot"
mkdir -p "$R/var/log" "$R/var/cache" "$R/var/spool" "$R/var/mail" "$R/var/opt" "$R/var/local" "$R/var/backups"
mkdir -p "$R/var/lib/containers" "$R/var/lib/docker" "$R/var/lib/haproxy" "$R/var/lib/sudo"
mkdir -p -m 1777 "$R/tmp" "$R/var/tmp"
ln -s /run "$R/var/run"
ln -s /run/lock "$R/var/lock"
for d in bin sbin lib lib32 lib64 libx32; do
    [ ! -L "/$d" ] || cp -P "/$d" "$R/$d"
done
mkdir -p "$R/usr/local/bin" "$R/usr/local/sbin" "$R/usr/local/lib" "$R/usr/local/share"

E=$R/etc
echo "$HOST" >"$E/hostname"
printf '127.0.0.1 localhost\n%s %s\n' "$ADDRESS" "$HOST" >"$E/hosts"
: >"$E/resolv.conf"
tr -d - </proc/sys/kernel/random/uuid >"$E/machine-id"
# the system's accounts without the people of this machine, and nobody's password
awk -F: -v OFS=: '$3 < 1000 || $3 == 65534 { if ($1 == "root") $7 = "/bin/bash"; print }' /etc/passwd >"$E/passwd.new"
awk -F: -v OFS=: '{ $2 = "*"; print }' /etc/shadow >"$E/shadow.new"
mv "$E/passwd.new" "$E/passwd"
chmod 600 "$E/shadow.new"
mv "$E/shadow.new" "$E/shadow"
mkdir -p -m 750 "$E/sudoers.d"

mkdir -p -m 700 "$R/root" "$R/root/.ssh"
install -m 600 "$KEY_PUB" "$R/root/.ssh/authorized_keys"
mkdir -p "$E/ssh"
ssh-keygen -q -t ed25519 -N '' -C "root@$HOST" -f "$E/ssh/ssh_host_ed25519_key"
cat >"$E/ssh/sshd_config" <<'CONF'
HostKey /etc/ssh/ssh_host_ed25519_key
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM yes
UseDNS no
PrintMotd no
StrictModes yes
ExposeAuthInfo yes
Subsystem sftp /usr/lib/openssh/sftp-server
CONF

# container engines: no systemd here, so plain cgroups, and health checks are run by /opt/lab/health
mkdir -p "$E/containers" "$E/cni/net.d" "$E/docker"
echo '{"default":[{"type":"insecureAcceptAnything"}]}' >"$E/containers/policy.json"
: >"$E/containers/registries.conf"
printf '[storage]\ndriver = "overlay"\nrunroot = "/run/containers/storage"\ngraphroot = "/var/lib/containers/storage"\n' \
    >"$E/containers/storage.conf"
cat >"$E/containers/containers.conf" <<'CONF'
[containers]
log_driver = "k8s-file"
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
env = ["DISABLE_HC_SYSTEMD=true"]
[network]
network_backend = "cni"
CONF
cp /etc/cni/net.d/87-podman-bridge.conflist "$E/cni/net.d/"
cat >"$E/docker/daemon.json" <<'CONF'
{ "data-root": "/var/lib/docker", "storage-driver": "overlay2", "exec-opts": ["native.cgroupdriver=cgroupfs"],
  "log-driver": "json-file", "log-opts": { "max-size": "10m", "max-file": "3" } }
CONF
# the proxy: docs/proxy.md
notice='<!doctype html><title>Back soon</title><h1>This site is not here right now</h1>'
if [ "$ENGINE" = proxy ] && [ "$PROXY" = haproxy ]; then
    mkdir -p "$E/haproxy"
    cp -R "$LAB_HOST/haproxy.cfg" "$H/sites.map" "$H/sites.d" "$E/haproxy/"
    echo "$notice" >"$E/haproxy/notice.html"
elif [ "$ENGINE" = proxy ]; then
    mkdir -p "$E/nginx/dogwatch" "$R/var/log/nginx" "$R/var/lib/nginx"
    cp "$LAB_HOST/nginx.conf" "$H/nginx-sites.conf" "$E/nginx/"
    cp "$H/nginx"/*.conf "$E/nginx/dogwatch/"
    echo "$notice" >"$E/nginx/notice.html"
fi

# storage the hosts share; where the site lives that needs it, setup mounts it, then and at each boot
if [ -n "${SHARED:-}" ]; then
    mkdir -p "$R/srv/wharf.example"
    echo '/mnt/shared/wharf.example /srv/wharf.example none bind,noauto 0 0' >"$E/fstab"
else
    : >"$E/fstab"
fi

install -m 755 "$LAB_HOST/rc" "$LAB_HOST/setup" "$LAB_HOST/health" "$LAB_HOST/fill" "$R/opt/lab/"
echo "ADDRESS=$ADDRESS PREFIX=$PREFIX ENGINE=$ENGINE" >"$R/opt/lab/conf"
{
    echo '::sysinit:/opt/lab/rc'
    echo '::respawn:/bin/busybox syslogd -n -O /var/log/syslog'
    echo '::respawn:/usr/sbin/sshd -D'
    case $ENGINE in
    podman)
        # as podman-restart.service does
        echo '::once:/usr/bin/podman start --all --filter restart-policy=always >>/var/log/podman-restart.log 2>&1'
        echo '::respawn:/opt/lab/health'
        ;;
    docker) echo '::respawn:/usr/sbin/dockerd >>/var/log/docker.log 2>&1' ;;
    proxy)
        case $PROXY in
        haproxy) echo '::respawn:/usr/sbin/haproxy -W -S /run/haproxy/master.sock -p /run/haproxy.pid -f /etc/haproxy/haproxy.cfg -f /etc/haproxy/sites.d >>/var/log/haproxy.log 2>&1' ;;
        nginx) echo '::respawn:/usr/sbin/nginx -g "daemon off;" >>/var/log/nginx.log 2>&1' ;;
        esac
        ;;
    esac
} >"$E/inittab"
