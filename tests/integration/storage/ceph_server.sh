# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# ceph_server.sh - a Ceph cluster of one monitor and one object store on a file, on loopback, for
# tests. Sourced after servers.sh, with the same needs. `ceph` and `rbd` then talk to it.

CEPH_POOL=disks

# ceph_conf DIR: DIR/ceph.conf for the servers and the administrator,
# and DIR/client.conf without what only the servers may know.
ceph_conf() {
    cat > "$1/ceph.conf" <<X
[global]
fsid = 8e2b3e6a-0000-4000-8000-00000000c0de
mon_host = v2:127.0.0.1:3300
mon_initial_members = a
auth_allow_insecure_global_id_reclaim = false
mon_warn_on_insecure_global_id_reclaim = false
ms_bind_msgr1 = false
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
osd_objectstore = bluestore
bluestore_block_size = 1073741824
osd_memory_target = 939524096
keyring = $1/keyring
run_dir = $1
mon_data = $1/mon
osd_data = $1/osd
admin_socket = $1/\$name.asok
log_file = $1/\$name.log
X
    grep -vE '^(keyring|run_dir|mon_data|osd_data|admin_socket|log_file)' "$1/ceph.conf" \
        > "$1/client.conf"
}

ceph_keys() {
    ceph-authtool "$1/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *'
    ceph-authtool "$1/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
    ceph-authtool "$1/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
}

# ceph_server DIR: sets CEPH_CONF. Ends as start_server's do; pid files are WORK/mon.pid, osd.pid.
ceph_server() {
    local dir=$1
    mkdir -p "$dir"/{mon,osd}
    ceph_conf "$dir"
    export CEPH_CONF=$dir/ceph.conf
    ceph_keys "$dir" > /dev/null
    monmaptool --create --addv a '[v2:127.0.0.1:3300]' --fsid 8e2b3e6a-0000-4000-8000-00000000c0de \
        "$dir/monmap" > /dev/null
    ceph-mon --mkfs -i a --monmap "$dir/monmap" --keyring "$dir/keyring"
    setpriv --pdeathsig KILL ceph-mon -f -i a > "$dir/mon.out" 2>&1 &
    echo $! > "$WORK/mon.pid"
    until_ok 60 timeout 10 ceph -s || return 1
    ceph osd new 8e2b3e6a-0000-4000-8000-000000000001 0 > /dev/null
    ceph auth import -i "$dir/keyring" 2> /dev/null
    ceph-osd --mkfs -i 0 --osd-uuid 8e2b3e6a-0000-4000-8000-000000000001 > "$dir/mkfs.out" 2>&1
    ceph_store "$dir"
    ceph osd pool create "$CEPH_POOL" 8 > /dev/null 2>&1
    rbd pool init "$CEPH_POOL"
}

ceph_store() {
    setpriv --pdeathsig KILL ceph-osd -f -i 0 > "$1/osd.out" 2>&1 &
    echo $! > "$WORK/osd.pid"
    until_ok 60 store_is_up
}

store_is_up() {
    timeout 10 ceph osd stat 2> /dev/null | grep -q '1 up'
}
