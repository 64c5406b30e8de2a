#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Turns a chart's manifests into what `podman kube play` knows, and does what the kubelet does
before a pod starts.  Runs in the node, where podman is.

Usage: kubelet.py NODE FOLDER [refresh] <MANIFESTS

Writes FOLDER/POD.yaml for each pod, with the ConfigMaps that it needs, and prints

  play POD FILE NETWORK             NETWORK is "host", or "pods" with the names of headless Services
  probe POD CONTAINER KIND URL      what the kubelet would ask; ADDRESS stands for the pod's
  changed TEXT                      what is not as it was rendered

With "refresh", the pods that are there get what the Secrets hold now, and nothing is played.

What the containers are, which rights and variables they have, and where they see their volumes is
as it was rendered.  Podman ignores probes where there is no systemd, preStop, and limits without cgroups.
"""

import base64
import os
import pathlib
import subprocess
import sys
import tempfile

import yaml

PODS = pathlib.Path("/var/lib/kubelet/pods")
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
# What stands for itself in a cluster only: rights, policies, and the making of the keys.
LEFT_OUT = {"ServiceAccount", "Role", "RoleBinding", "PodDisruptionBudget", "NetworkPolicy", "Job"}


def changed(text):
    print(f"changed {text}")


def size_of(quantity):
    """A quantity of Kubernetes in bytes; None without one."""
    if quantity is None:
        return None
    for unit, factor in UNITS.items():
        if str(quantity).endswith(unit):
            return int(str(quantity)[:-2]) * factor
    return int(quantity)


def own(path, group):
    """A writable volume of a pod with fsGroup is that group's, and so is what is made in it."""
    os.chmod(path, 0o777)
    if group is not None:
        os.chown(path, -1, group)
        os.chmod(path, 0o2777)


def empty_directory(source, path, group):
    path.mkdir(parents=True)
    if source.get("medium") == "Memory":
        size = size_of(source.get("sizeLimit"))
        options = [] if size is None else ["-o", f"size={size}"]
        subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", path], check=True)
    own(path, group)


def contents(objects, kind, source):
    """{path: bytes} of what a volume takes from a Secret or a ConfigMap."""
    name = source.get("secretName", source.get("name"))
    held = objects.get((kind, name))
    if held is None and not source.get("optional"):
        sys.exit(f"there is no {kind} {name}")
    decode = base64.b64decode if kind == "Secret" else str.encode
    data = {key: decode(value) for key, value in (held or {}).get("data", {}).items()}
    if "items" not in source:
        return data
    missing = {item["key"] for item in source["items"]} - set(data)
    if missing and not source.get("optional"):
        sys.exit(f"the {kind} {name} has no {sorted(missing)}")
    return {item["path"]: data[item["key"]] for item in source["items"] if item["key"] in data}


def projected(objects, source):
    found = {}
    for part in source["sources"]:
        for key, kind in (("secret", "Secret"), ("configMap", "ConfigMap")):
            if key in part:
                found.update(contents(objects, kind, part[key]))
    return found


def write_files(files, mode, path, group):
    """As the kubelet writes and exchanges them: all at once, by a link to the directory of a state."""
    path.mkdir(parents=True, exist_ok=True)
    state = pathlib.Path(tempfile.mkdtemp(prefix="..state-", dir=path))
    for folder in (path, state):
        os.chmod(folder, 0o755)
        if group is not None:
            os.chown(folder, -1, group)
            os.chmod(folder, 0o2755)
    for name, text in files.items():
        file = state / name
        file.write_bytes(text)
        os.chmod(file, mode)
        if group is not None:
            os.chown(file, -1, group)
            os.chmod(file, mode | 0o440)
    (path / "..new").symlink_to(state.name)
    (path / "..new").replace(path / "..data")
    links = {link.name for link in path.iterdir() if not link.name.startswith("..")}
    for name in set(files) - links:
        (path / name).symlink_to(f"..data/{name}")
    for name in links - set(files):
        (path / name).unlink()


def make_volumes(objects, home, pod_name, pod, again=False):
    """Exchanges volumes for directories made as the kubelet makes them: owners, modes, sizes, links.

    Podman knows no fsGroup and no projected volume, keeps one volume for a name whichever pod and
    items it is for, and gives each container a memory of its own where one is to be shared."""
    group = pod.get("securityContext", {}).get("fsGroup")
    made = []
    for volume in pod.get("volumes", []):
        path = home / pod_name / "volumes" / volume["name"]
        kind = next((k for k in ("emptyDir", "secret", "projected") if k in volume), None)
        if kind is None:
            continue
        source = volume.pop(kind)
        if kind == "emptyDir":
            if again:
                continue
            empty_directory(source, path, group)
        else:
            files = projected(objects, source) if kind == "projected" else contents(
                objects, "Secret", source)
            write_files(files, source.get("defaultMode", 0o644), path, group)
        volume["hostPath"] = {"path": str(path), "type": "Directory"}
        made.append(f"{kind} {volume['name']}")
    if made:
        changed(f"{pod_name}: directories as the kubelet makes them for: {', '.join(made)}")


def drop_host_ports(pod_name, pod):
    """On the host's network a port is the host's anyway, and podman refuses to be told."""
    for part in pod["containers"] if pod.get("hostNetwork") else []:
        for port in part.get("ports", []):
            if port.pop("hostPort", None) is not None:
                changed(f"{pod_name}: no hostPort, as the pod is on the node's network")


def fill_fields(pod_name, pod, node):
    for part in pod.get("initContainers", []) + pod["containers"]:
        for variable in part.get("env", []):
            field = variable.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath")
            if field == "spec.nodeName":
                del variable["valueFrom"]
                variable["value"] = node
                changed(f"{pod_name}: {variable['name']} is \"{node}\": podman has no {field}")


def print_probes(pod_name, pod):
    for part in pod["containers"]:
        ports = {port["name"]: port["containerPort"] for port in part.get("ports", [])}
        for kind in ("livenessProbe", "readinessProbe"):
            asked = part.get(kind, {}).get("httpGet")
            if asked:
                port = ports.get(asked["port"], asked["port"])
                print(f"probe {pod_name} {part['name']} {kind} "
                      f"http://{asked.get('host', 'ADDRESS')}:{port}{asked['path']}")


def headless_names(objects, labels):
    return [name for (kind, name), found in objects.items() if kind == "Service"
            and found["spec"].get("clusterIP") == "None"
            and found["spec"]["selector"].items() <= labels.items()]


def pods_of(objects):
    """(name of the pod, the object to play, its template) of everything that makes pods."""
    for (kind, name), found in objects.items():
        if kind == "DaemonSet":
            yield f"{name}-pod", found, found["spec"]["template"]
        elif kind == "Pod":
            yield name, found, found
        elif kind == "StatefulSet":
            for number in range(found["spec"]["replicas"]):
                pod_name = f"{name}-{number}"
                template = yaml.safe_load(yaml.safe_dump(found["spec"]["template"]))
                pod = {"apiVersion": "v1", "kind": "Pod", **template}
                pod["metadata"]["name"] = pod_name
                changed(f"{pod_name}: a Pod of the StatefulSet {name}, which podman does not know")
                yield pod_name, pod, pod
        elif kind in LEFT_OUT:
            changed(f"{kind} {name}: left out")
        elif kind not in ("ConfigMap", "Secret", "Service"):
            sys.exit(f"what is a {kind}?")


def main():
    node, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    objects = {(o["kind"], o["metadata"]["name"]): o
               for o in yaml.safe_load_all(sys.stdin) if o}
    folder.mkdir(parents=True, exist_ok=True)
    for pod_name, played, template in pods_of(objects):
        pod = template["spec"]
        if sys.argv[3:] == ["refresh"]:
            make_volumes(objects, PODS / folder.name, pod_name, pod, again=True)
            continue
        fill_fields(pod_name, pod, node)
        drop_host_ports(pod_name, pod)
        # A pod of the same name that comes after it has volumes of its own.
        make_volumes(objects, PODS / folder.name, pod_name, pod)
        print_probes(pod_name, pod)
        maps = [objects["ConfigMap", v["configMap"]["name"]]
                for v in pod.get("volumes", []) if "configMap" in v]
        file = folder / f"{pod_name}.yaml"
        file.write_text(yaml.safe_dump_all([*maps, played]))
        network = "host"
        if not pod.get("hostNetwork"):
            aliases = headless_names(objects, template["metadata"]["labels"])
            network = "pods" + "".join(f",alias={alias}" for alias in aliases).replace(",", ":", 1)
            for alias in aliases:
                changed(f"{pod_name}: its headless Service is the alias {alias} in podman's DNS")
        print(f"play {pod_name} {file} {network}")


main()
