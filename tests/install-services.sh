#!/bin/sh
# Install the programs that the tests start for themselves: a browser, Redis, PostgreSQL, Node.js.
set -eu

missing=""
need() { # need PACKAGE PROGRAM...: one of the programs must be there
    package=$1
    shift
    for program in "$@"; do
        if command -v "$program" >/dev/null 2>&1 || [ -x "$program" ]; then return; fi
    done
    missing="$missing $package"
}

postgres=$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null | tail -n 1)
need chromium chromium chromium-browser google-chrome
need redis-server redis-server
need postgresql initdb "${postgres:-initdb}"
need nodejs node
need npm npm
[ -z "$missing" ] && exit 0

echo "The tests need these Debian packages:$missing"
if [ "$(id -u)" = 0 ]; then run=""; elif sudo -n true 2>/dev/null; then run="sudo"; else
    echo "Install them (sudo apt-get install$missing), then run the command again."
    exit 1
fi
$run apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive $run apt-get install -y --no-install-recommends $missing fonts-dejavu-core
