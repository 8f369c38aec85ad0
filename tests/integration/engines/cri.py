#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A small client of the CRI (Kubernetes' container runtime interface): cri.py SOCKET METHOD [JSON]

Sends the request that JSON describes, prints the answer as JSON. It knows the fields that the tests use,
by name and number; others of an answer are left out. Debian 12 has no crictl. CRI_PACKAGE: that of the
interface, for what older clients say."""
import json
import os
import sys

import grpc

S, B, I, M = "string", "bytes", "int", "map"     # kinds of fields; a list of one: repeated

NAMESPACES = {"network": (1, I), "pid": (2, I), "ipc": (3, I), "target_id": (4, S)}
SECURITY = {"namespace_options": (1, NAMESPACES), "privileged": (6, I)}
CONTAINER_SECURITY = {"privileged": (2, I), "namespace_options": (3, NAMESPACES)}
RESOURCES = {"cpu_period": (1, I), "cpu_quota": (2, I), "cpu_shares": (3, I),
             "memory_limit_in_bytes": (4, I)}
POD_METADATA = {"name": (1, S), "uid": (2, S), "namespace": (3, S), "attempt": (4, I)}
METADATA = {"name": (1, S), "attempt": (2, I)}
POD = {"metadata": (1, POD_METADATA), "hostname": (2, S), "log_directory": (3, S), "labels": (6, M),
       "annotations": (7, M),
       "linux": (8, {"cgroup_parent": (1, S), "security_context": (2, SECURITY),
                     "resources": (5, RESOURCES)})}
MOUNT = {"container_path": (1, S), "host_path": (2, S), "readonly": (3, I)}
CONTAINER = {"metadata": (1, METADATA), "image": (2, {"image": (1, S)}), "command": (3, [S]),
             "args": (4, [S]), "working_dir": (5, S),
             "envs": (6, [{"key": (1, S), "value": (2, S)}]), "mounts": (7, [MOUNT]),
             "labels": (9, M), "annotations": (10, M), "log_path": (11, S),
             "stdin": (12, I), "tty": (14, I),
             "linux": (15, {"resources": (1, RESOURCES),
                            "security_context": (2, CONTAINER_SECURITY)})}
POD_ID = {"pod_sandbox_id": (1, S)}
ID = {"container_id": (1, S)}
NUMBER = {"value": (1, I)}
STATS = {"stats": (1, {
    "attributes": (1, {"id": (1, S)}),
    "cpu": (2, {"usage_core_nano_seconds": (2, NUMBER)}),
    "memory": (3, {"working_set_bytes": (2, NUMBER)})})}
STATUS = {"status": (1, {"id": (1, S), "metadata": (2, METADATA), "state": (3, I),
                         "exit_code": (7, I), "reason": (10, S), "message": (11, S)})}
POD_STATUS = {"status": (1, {"id": (1, S), "metadata": (2, POD_METADATA), "state": (3, I),
                             "network": (5, {"ip": (1, S)}), "runtime_handler": (9, S)})}

METHODS = {     # of the runtime service: request, answer
    "Version": ({"version": (1, S)}, {"runtime_name": (2, S), "runtime_version": (3, S)}),
    "RunPodSandbox": ({"config": (1, POD), "runtime_handler": (2, S)}, POD_ID),
    "StopPodSandbox": (POD_ID, {}),
    "RemovePodSandbox": (POD_ID, {}),
    "PodSandboxStatus": (POD_ID, POD_STATUS),
    "CreateContainer": ({**POD_ID, "config": (2, CONTAINER), "sandbox_config": (3, POD)}, ID),
    "StartContainer": (ID, {}),
    "StopContainer": ({**ID, "timeout": (2, I)}, {}),
    "RemoveContainer": (ID, {}),
    "ContainerStatus": (ID, STATUS),
    "ListContainers": ({"filter": (1, {"id": (1, S)})},
                       {"containers": (1, [{"id": (1, S), "pod_sandbox_id": (2, S), "state": (6, I)}])}),
    "ContainerStats": (ID, STATS),
    "UpdateContainerResources": ({**ID, "linux": (2, RESOURCES)}, {}),
    "ExecSync": ({**ID, "cmd": (2, [S]), "timeout": (3, I)},
                 {"stdout": (1, B), "stderr": (2, B), "exit_code": (3, I)}),
}


def varint(n):
    out = bytearray()
    n &= (1 << 64) - 1
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    return bytes(out) + bytes([n])


def field(number, kind, value):
    if kind == I:
        return varint(number << 3) + varint(int(value))
    if kind == S:
        body = value.encode()
    elif kind == M:
        return b"".join(field(number, {"k": (1, S), "v": (2, S)}, {"k": k, "v": v})
                        for k, v in value.items())
    elif isinstance(kind, list):
        return b"".join(field(number, kind[0], v) for v in value)
    else:
        body = encode(kind, value)
    return varint(number << 3 | 2) + varint(len(body)) + body


def encode(schema, values):
    unknown = set(values) - set(schema)
    if unknown:
        sys.exit(f"cri.py does not know the fields {', '.join(sorted(unknown))}")
    return b"".join(field(*schema[name], value) for name, value in values.items())


def parts(data):
    """(number, value) of each field: an int or bytes."""
    at = 0

    def number():
        nonlocal at
        n = shift = 0
        while True:
            byte = data[at]
            at += 1
            n |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return n

    while at < len(data):
        key = number()
        if key & 7 == 0:
            yield key >> 3, number()
            continue
        size = {1: 8, 5: 4}.get(key & 7) or number()
        yield key >> 3, data[at:at + size]
        at += size


def decode(schema, data):
    by_number = {n: (name, kind) for name, (n, kind) in schema.items()}
    out = {}
    for number, value in parts(data):
        if number not in by_number:
            continue
        name, kind = by_number[number]
        if isinstance(kind, list):
            out.setdefault(name, []).append(decode(kind[0], value))
            continue
        if isinstance(kind, dict):
            value = decode(kind, value)
        elif kind in (S, B):
            value = value.decode(errors="replace")
        elif kind == I and value >> 63:
            value -= 1 << 64
        out[name] = value
    return out


def main():
    socket, method = sys.argv[1:3]
    request, answer = METHODS[method]
    body = encode(request, json.loads(sys.argv[3] if len(sys.argv) > 3 else "{}"))
    with grpc.insecure_channel(f"unix://{socket}") as channel:
        package = os.environ.get("CRI_PACKAGE", "runtime.v1")
        call = channel.unary_unary(f"/{package}.RuntimeService/{method}")
        try:
            print(json.dumps(decode(answer, call(body, timeout=80))))
        except grpc.RpcError as e:
            sys.exit(f"{method}: {e.code().name}: {e.details()}")


if __name__ == "__main__":
    main()
