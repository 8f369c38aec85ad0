#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What nova-compute finds on a host: nova_probe.py URI prints as JSON what the functions of Nova's
libvirt driver return that its start-up check, its resource tracking and its periodic tasks call.
The database is away: it knows no instance of this host."""
import json
import sys
import types
from unittest import mock

import eventlet
eventlet.monkey_patch(os=False)

# Hyper-V's storage, which os-brick imports, is not part of what is looked at.
for absent in ("os_win", "os_win.utilsfactory"):
    sys.modules.setdefault(absent, types.ModuleType(absent))

import nova.conf
from nova import objects
from nova.compute import manager
from nova.virt import fake
from nova.virt.libvirt import driver

CONF = nova.conf.CONF


def configure(uri):
    CONF([], project="nova", default_config_files=[])
    CONF.set_override("connection_uri", uri, "libvirt")
    CONF.set_override("virt_type", "qemu", "libvirt")
    CONF.set_override("instances_path", "/")       # it asks how large the disk is
    nova.conf.neutron.register_dynamic_opts(CONF)  # as init_host does
    nova.conf.devices.register_dynamic_opts(CONF)
    objects.register_all()


def start_up(libvirt):
    """What ComputeManager.init_host takes for instances of this host: UUIDs, looked up in the
    database; newer releases refuse to start on a new host when there is one."""
    this = types.SimpleNamespace(driver=libvirt, host="node")
    with mock.patch.object(objects.InstanceList, "get_by_filters", return_value=[]) as asked:
        manager.ComputeManager._get_instances_on_driver(this, mock.Mock())
    return asked.call_args[0][1]["uuid"] if asked.called else []


def periodic(libvirt):
    """The warning of _sync_power_states, if there is one."""
    this = types.SimpleNamespace(driver=libvirt, host="node")
    with mock.patch.object(objects.InstanceList, "get_by_host", return_value=[]), \
            mock.patch.object(manager, "LOG") as log:
        manager.ComputeManager._sync_power_states(this, mock.Mock())
    return log.warning.called


def resources(libvirt):
    with mock.patch.object(objects.InstanceList, "get_by_filters", return_value=[]), \
            mock.patch.object(objects.BlockDeviceMappingList, "bdms_by_instance_uuid",
                              return_value={}):
        found = libvirt.get_available_resource("node")
    return {key: found[key] for key in ("vcpus_used", "disk_available_least")}


def main():
    configure(sys.argv[1])
    libvirt = driver.LibvirtDriver(fake.FakeVirtAPI())
    print(json.dumps({
        "instances": libvirt.list_instances(),
        "guests": len(libvirt._host.list_guests()),
        "domains": len(libvirt._host.list_instance_domains(only_running=False)),
        "start_up": start_up(libvirt),
        "periodic_warns": periodic(libvirt),
        **resources(libvirt),
    }))


if __name__ == "__main__":
    main()
