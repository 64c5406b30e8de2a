#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The Job that makes keys, with the real generator and the real kubectl: it makes the Secret once,
leaves one that is there as it is, says why it cannot, and prints no key.  There is no cluster here: the
little of its interface that kubectl asks for stands in for it.  Usage: keys_test.py BIN_DIR
"""

import base64
import http.server
import json
import os
import pathlib
import re
import stat
import subprocess
import sys
import tempfile
import threading

import chart
import golden
from chart import fail

SECRETS = "/api/v1/namespaces/ids/secrets"
DISCOVERY = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": [
        {"name": "secrets", "kind": "Secret", "singularName": "secret", "namespaced": True,
         "verbs": ["create", "get"]}]},
}


def expect(holds, reason):
    if not holds:
        fail(reason)


class Api(http.server.BaseHTTPRequestHandler):
    """Secrets of a namespace: those of `store`, which may be made unless `forbidden`."""

    store: dict = {}
    forbidden = False

    def answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def refuse(self, status, reason, name):
        self.answer(status, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": status,
                             "reason": reason, "message": f"secrets {name}: {reason}"})

    def do_GET(self):
        path = self.path.partition("?")[0]
        name = path.removeprefix(SECRETS + "/")
        if path in DISCOVERY:
            self.answer(200, DISCOVERY[path])
        elif name in self.store:
            self.answer(200, self.store[name])
        else:
            self.refuse(404, "NotFound", name)

    def do_POST(self):
        secret = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = secret["metadata"]["name"]
        if self.path.partition("?")[0] != SECRETS:
            self.refuse(404, "NotFound", self.path)
        elif self.forbidden:
            self.refuse(403, "Forbidden", name)
        elif name in self.store:
            self.refuse(409, "AlreadyExists", name)
        else:
            self.store[name] = secret
            self.answer(201, secret)

    def log_message(self, *_):
        pass


def job_of(text):
    return next(o for (kind, _), o in chart.objects(text).items() if kind == "Job")


def run(job, name, folder, bin_dir, address):
    """Runs one of the Job's containers; what it calls /run/keys is below `folder`."""
    pod = job["spec"]["template"]["spec"]
    (part,) = [c for c in pod["initContainers"] + pod["containers"] if c["name"] == name]
    config = folder / "kubeconfig"
    config.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": address}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {}}]}))
    done = subprocess.run([w.replace("/run/keys", f"{folder}/keys") for w in part["command"]],
                          env={"PATH": f"{bin_dir}:{chart.TOOLS}/bin:/usr/bin:/bin",
                               "HOME": str(folder), "KUBECONFIG": str(config)},
                          check=False, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def check_rights(text):
    """What the Job may do, and no more: make Secrets, and read the one of this name."""
    (role,) = [o for (kind, _), o in chart.objects(text).items() if kind == "Role"]
    rights = [(r["resources"], sorted(r["verbs"]), r.get("resourceNames")) for r in role["rules"]]
    name = job_of(text)["metadata"]["name"]
    expect(rights == [(["secrets"], ["create"], None), (["secrets"], ["get"], [name])],
           f"the Job may {rights}")


def main():
    chart.need("kubectl")
    bin_dir = pathlib.Path(sys.argv[1]).resolve()
    text = golden.load("default")
    check_rights(text)
    job = job_of(text)
    name = job["metadata"]["name"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"

    def store(folder):
        return run(job, "store", folder, bin_dir, address)

    def keys(folder):
        """As a pod begins: an empty volume, in which the first container makes keys."""
        (folder / "keys").mkdir(parents=True)
        status, said = run(job, "generate", folder, bin_dir, address)
        expect(status == 0, f"no keys: {said}")
        made = {f.name: f.read_bytes() for f in (folder / "keys").iterdir()}
        expect(set(made) == {"receiver.key", "receiver.pub", "sender.key", "sender.pub"}, f"{set(made)}")
        for file in (folder / "keys").glob("*.key"):
            expect(stat.S_IMODE(os.stat(file).st_mode) == 0o600, f"{file} is open to others")
            expect(file.read_text().strip() not in said, "a key is printed")
        return made

    with tempfile.TemporaryDirectory() as temporary:
        first, second = pathlib.Path(temporary, "first"), pathlib.Path(temporary, "second")
        made = keys(first)
        Api.forbidden = True
        status, said = store(first)
        expect(status != 0 and "Forbidden" in said and not Api.store, f"without the right: {said}")
        Api.forbidden = False
        status, said = store(first)
        expect(status == 0, f"the secret is not made: {said}")
        expect(set(Api.store) == {name}, f"made {set(Api.store)}")
        there = json.dumps(Api.store[name])
        data = {key: base64.b64decode(value) for key, value in Api.store[name]["data"].items()}
        expect(data == made, "the secret holds others than the keys that were made")
        labels = Api.store[name]["metadata"]["labels"]
        expect(labels["app.kubernetes.io/instance"] == "pipe", f"labels {labels}")
        expect("helm.sh" not in there and "managed-by" not in there, "Helm might remove the secret")

        expect(keys(second) != made, "the keys are always the same")
        status, again = store(second)
        expect(status == 0 and "remains as it is" in again, f"the second time: {again}")
        expect(json.dumps(Api.store[name]) == there, "the second time has changed the keys")
        secrets = [v.decode().strip() for k, v in made.items() if k.endswith(".key")]
        expect(not any(s in said + again for s in secrets), "a secret key is printed")
        server.shutdown()
        server.server_close()
        status, said = store(second)
        expect(status != 0 and re.search("refused|reset", said), f"without a cluster: {said}")
    print("the Job makes the keys once, and never others in their place")


main()
