# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# packages.sh - programs that are too large for everybody's machine, unpacked beside the build and not
# installed. Sourced after lib.sh.

# fetch_packages NAME: what NAME.packages lists is below FETCHED, fetched once for a build folder.
fetch_packages() {
    FETCHED=$AV_BUILD/tests/integration/openstack/$1
    [ ! -e "$FETCHED/complete" ] || return 0
    mkdir -p "$FETCHED/deb"
    # shellcheck disable=SC2046 # one name a line
    (cd "$FETCHED/deb" && apt-get -qq -o APT::Sandbox::User=root download $(cat "$HERE/openstack/$1.packages")) \
        > "$FETCHED/apt.log" 2>&1 || return 1
    for deb in "$FETCHED"/deb/*.deb; do dpkg-deb -x "$deb" "$FETCHED" || return 1; done
    rm -r "$FETCHED/deb"
    touch "$FETCHED/complete"
}
