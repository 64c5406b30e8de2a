# SPDX-License-Identifier: MIT
"""Suricata, here or in a container."""
import os
import shlex
import subprocess
import threading
import time

from eve_records import read


class Suricata:
    """How to start Suricata, and how long it may take."""

    def __init__(self, rules, timeout, container=None):
        self.rules, self.timeout, self.container = rules, timeout, container

    def start(self, capture, directory):
        """Begins to read a capture or a FIFO; the records go to directory/eve.json."""
        os.makedirs(directory, exist_ok=True)
        # Suricata obeys SIGTERM only between packets, and in a container nobody else would end it.
        command = [
            "timeout", "--kill-after=1", str(self.timeout), "suricata", "--init-errors-fatal",
            "-c", os.path.join(self.rules, "suricata.yaml"),
            "-S", os.path.join(self.rules, "same.rules"),
            "--set", "classification-file=/dev/null", "--set", "reference-config-file=/dev/null",
            "--set", "threshold-file=/dev/null", "-r", capture, "-l", directory,
            "-k", "none", "--runmode", "single", "--set", "stream.inline=yes"]
        log = os.path.join(directory, "log")
        if self.container:
            return self.container.start(command, log, os.path.join(directory, "status"))
        with open(log, "w", encoding="utf-8") as file:
            return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def read(self, capture, directory):
        """The records of a capture file, and the exit status."""
        status = self.start(capture, directory).wait(self.timeout + 30)
        return read(os.path.join(directory, "eve.json")), status


class Container:
    """A container whose shell starts one program after the other: asking the engine for each of
    them would take longer than they do."""

    def __init__(self, image, work):
        self.name = f"ids-same-{os.getpid()}-{os.path.basename(work)}"
        self.lock = threading.Lock()
        self.shell = None
        subprocess.run(["docker", "run", "--detach", "--rm", "--name", self.name,
                        "--network", "none", "--user", f"{os.getuid()}:{os.getgid()}",
                        "--volume", f"{work}:{work}", "--entrypoint", "sleep", image, "infinity"],
                       check=True, stdout=subprocess.DEVNULL, timeout=120)
        self.shell = subprocess.Popen(["docker", "exec", "--interactive", self.name, "sh"],
                                      stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)

    def start(self, command, log, status):
        """Starts a program; its exit status will be in a file."""
        status, partly, log = (shlex.quote(path) for path in (status, status + ".part", log))
        with self.lock:
            self.shell.stdin.write(f"( {shlex.join(command)} </dev/null >{log} 2>&1; "
                                   f"echo $? >{partly}; mv {partly} {status} ) &\n")
            self.shell.stdin.flush()
        return Job(shlex.split(status)[0])

    def remove(self):
        """Ends the container and all in it."""
        subprocess.run(["docker", "rm", "--force", self.name], check=False,
                       stdout=subprocess.DEVNULL, timeout=120)
        if self.shell:
            self.shell.wait(60)


class Job:
    """A program in a container, with the part of Popen's interface that is used here."""

    def __init__(self, status_file):
        self.status_file = status_file

    def poll(self):
        """The exit status, or None while it runs."""
        if not os.path.exists(self.status_file):
            return None
        with open(self.status_file, encoding="utf-8") as file:
            return int(file.read())

    def wait(self, timeout=0):
        """Waits for the exit status."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.status_file, timeout)
            time.sleep(0.005)
        return self.poll()

    def terminate(self):
        """Nothing: it ends with its FIFO, with its time, or with the container."""

    kill = terminate
