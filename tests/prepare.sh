#!/bin/sh
# The programs the tests use as peers: players, other people's cameras, a browser, a database. Installed where apt may; named otherwise.
# Arguments are further packages.
set -eu

packages="ffmpeg chromium vlc-bin vlc-plugin-base vlc-plugin-access-extra gstreamer1.0-tools gstreamer1.0-plugins-base
gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav gstreamer1.0-rtsp
python3-gi python3-gst-1.0 gir1.2-gst-rtsp-server-1.0 docker-compose postgresql
ceph-mon ceph-osd radosgw ceph-common $*"

missing=""
for package in $packages; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if ! command -v apt-get >/dev/null; then
    echo "The tests need these Debian packages, or their equivalents:$missing" >&2
    exit 1
fi
run=""
if [ "$(id -u)" -ne 0 ]; then
    if sudo -n true 2>/dev/null; then
        run="sudo -n"
    else
        echo "The tests need packages that are not installed. As root: apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$run apt-get update -q
# shellcheck disable=SC2086 # the list is meant to be split
$run apt-get install -q -y --no-install-recommends $missing
