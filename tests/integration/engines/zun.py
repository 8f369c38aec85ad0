#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What OpenStack Zun's docker driver asks of Docker, in its order and with its arguments, through
the same client library: zun.py SOCKET IMAGE RUNTIME CGROUP-PARENT. Prints "ok ..." and "not ok ..."."""
import io
import sys
import tarfile
import uuid

import docker

failed = 0


def check(what, good, detail=""):
    global failed
    print(f"{'ok' if good else 'not ok'} zun, docker: {what}", flush=True)
    if not good:
        print(f"    {detail}", flush=True)
        failed += 1


def same(what, want, got):
    check(what, want == got, f"wanted {want!r}, got {got!r}")


def a_tar(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def create(client, image, runtime, parent):
    """A container of Zun is called zun-UUID and has memory in MiB and shares of CPU."""
    host = client.create_host_config(
        privileged=False, runtime=runtime, binds={}, network_mode="none", mem_limit="96M",
        cpu_shares=int(1024 * 0.5), cgroup_parent=parent,
        restart_policy={"Name": "no", "MaximumRetryCount": 0})
    command = ["sh", "-c", "trap 'exit 3' TERM; echo out; echo err >&2; while :; do sleep 0.1; done"]
    made = client.create_container(
        image, name=f"zun-{uuid.uuid4()}", command=command, environment={"A": "b"}, working_dir="/tmp",
        labels={"zun": "x"}, tty=False, stdin_open=False, hostname="zunhost", entrypoint=None,
        volumes=[], host_config=host)
    return made["Id"]


def execute(client, container, command):
    made = client.exec_create(container, command, stdin=False, tty=False)
    output = client.exec_start(made["Id"], False, False, False)
    return output.decode(), client.exec_inspect(made["Id"])["ExitCode"]


def living(client, c):
    """A running container, through everything that the driver can ask."""
    same("execute", ("b /tmp zunhost\n", 4),
         execute(client, c, ["sh", "-c", "echo $A $PWD $(hostname); exit 4"]))
    logs = client.logs(c, True, True, False, False, "all", None)
    check("show_logs has both streams", b"out" in logs and b"err" in logs, logs)
    client.pause(c)
    check("pause", client.inspect_container(c)["State"]["Paused"])
    client.unpause(c)
    check("unpause", client.inspect_container(c)["State"]["Running"])
    check("top", any("trap" in " ".join(p) for p in client.top(c)["Processes"]), client.top(c))
    client.update_container(c, mem_limit="112M", memswap_limit=-1, cpu_shares=256)
    same("update", 112 << 20, client.inspect_container(c)["HostConfig"]["Memory"])
    client.put_archive(c, "/tmp", a_tar("f", b"from outside"))
    same("put_archive", ("from outside", 0), execute(client, c, ["cat", "/tmp/f"]))
    stream, stat = client.get_archive(c, "/tmp/f")
    same("get_archive", ("f", True), (stat["name"], b"from outside" in b"".join(stream)))
    stats = client.stats(c, decode=False, stream=False)
    check("stats have what the driver reads", stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
          and stats["memory_stats"].get("usage", 0) > 0 and stats["memory_stats"].get("limit", 0) > 0,
          stats["memory_stats"])
    committed = client.commit(c, "zun-committed", "1")["Id"]
    check("commit", bool(committed))
    client.remove_image(committed)


def main():
    socket, image, runtime, parent = sys.argv[1:5]
    client = docker.APIClient(base_url=f"unix://{socket}", version="1.26", timeout=120)
    info = client.info()
    check("the scheduler's filter finds the runtime", runtime in info["Runtimes"], info["Runtimes"])
    c = create(client, image, runtime, parent)
    same("the runtime is told back", runtime, client.inspect_container(c)["HostConfig"]["Runtime"])
    client.start(c)
    check("start", client.inspect_container(c)["State"]["Running"])
    check("list", c in [x["Id"] for x in client.containers()])
    living(client, c)
    client.stop(c, timeout=20)
    same("stop lets it end by itself", 3, client.inspect_container(c)["State"]["ExitCode"])
    client.restart(c, timeout=1)
    check("reboot", client.inspect_container(c)["State"]["Running"])
    client.kill(c, "SIGKILL")
    client.wait(c, timeout=30)
    same("kill", 137, client.inspect_container(c)["State"]["ExitCode"])
    client.remove_container(c, force=True)
    try:
        client.inspect_container(c)
        check("what was deleted is not found", False, "it is there")
    except docker.errors.APIError as e:
        check("what was deleted is not found", "404" in str(e), e)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
