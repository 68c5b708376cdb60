"""A real Slurm on this machine for tests: munged, slurmctld and slurmd as child processes,
everything under one directory. Its nodes are this machine, or hosts of hosts.py."""

import getpass
import os
import random
import re
import shutil
import socket
import subprocess
import time

from run import TIMEOUT

PROGRAMS = (
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "srun",
    "scontrol",
    "squeue",
    "scancel",
    "sinfo",
)
CONFIGURATION = """ClusterName=test
SlurmctldHost={host}({address})
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={port}
SlurmdPort={other}
SlurmctldPidFile={top}/slurmctld.pid
SlurmdPidFile={top}/slurmd-%n.pid
SlurmctldLogFile={top}/slurmctld.log
SlurmdLogFile={top}/slurmd-%n.log
AuthType=auth/munge
AuthInfo=socket={top}/munge.sock
CredType=cred/munge
StateSaveLocation={top}/state
SlurmdSpoolDir={top}/spool-%n
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc={top}/jobcomp.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=pmix
MailProg=/bin/true
ReturnToService=2
KillWait=5
MinJobAge=86400
MessageTimeout=100
BatchStartTimeout=600
UnkillableStepTimeout=600
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,bf_interval=2,batch_sched_delay=0
{nodes}
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """The programs of Slurm that are not installed."""
    path = os.environ["PATH"] + ":/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=path)]


def free_ports(count):
    """Ports below those that the system gives to whoever asks for any."""
    found = []
    while len(found) < count:
        port = random.randrange(15000, 32000)
        with socket.socket() as probe:
            if port not in found and not probe.connect_ex(("127.0.0.1", port)) == 0:
                found.append(port)
    return found


class Slurm:
    """with Slurm(directory) as slurm: ...; its environment holds what sbatch and jobs need. With
    hosts each is a node; what controls them and all commands are on their head, and end with it."""

    def __init__(self, top, hosts=None):
        self.top = str(top)
        self.hosts = hosts
        self.children, self.nodes = [], {}
        self.environment = {
            **os.environ,
            "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin",
            "SLURM_CONF": f"{self.top}/slurm.conf",
        }

    def __enter__(self):
        os.chmod(self.top, 0o755)
        for name in ("munge", "state"):
            os.makedirs(f"{self.top}/{name}", exist_ok=True)
        key = f"{self.top}/munge/key"
        with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
            file.write(os.urandom(128))
        host, address, nodes = self.places()
        port, other = free_ports(2)
        with open(f"{self.top}/slurm.conf", "w", encoding="utf-8") as file:
            file.write(
                CONFIGURATION.format(
                    host=host,
                    address=address,
                    nodes="\n".join(
                        f"NodeName={name} NodeAddr={at} CPUs=4 State=UNKNOWN" for name, at in nodes
                    ),
                    user=getpass.getuser(),
                    top=self.top,
                    port=port,
                    other=other,
                )
            )
        if self.version() >= 24:  # wants cgroups also where nothing uses them; 22 cannot be told
            with open(f"{self.top}/cgroup.conf", "w", encoding="ascii") as file:
                file.write("CgroupPlugin=disabled\n")
        try:
            self.spawn(
                "munged",
                "-F",
                f"--key-file={key}",
                f"--socket={self.top}/munge.sock",
                f"--pid-file={self.top}/munged.pid",
                f"--log-file={self.top}/munged.log",
                f"--seed-file={self.top}/munge.seed",
            )
            self.wait_until(lambda: os.path.exists(f"{self.top}/munge.sock"), "munged")
            self.spawn("slurmctld", "-D", "-i", "-f", f"{self.top}/slurm.conf")
            self.wait_until(lambda: "UP" in self.run("scontrol", "ping", check=False), "slurmctld")
            for node in range(len(nodes)):
                self.start_node(node)
            self.wait_for_nodes()
        except BaseException:
            self.__exit__()
            raise
        return self

    def version(self):
        """The year of its release: 22 for 22.05.8."""
        how = dict(env=self.environment, capture_output=True, text=True, check=True)
        done = subprocess.run(["slurmd", "-V"], **how)
        return int(re.match(r"slurm\S* (\d+)\.", done.stdout)[1])

    def places(self):
        """Name and address of what controls the nodes, and [(name, address)] of them."""
        if self.hosts:
            head = self.hosts.head
            return head.name, head.address, [(host.name, host.address) for host in self.hosts.all]
        host = socket.gethostname().split(".")[0]
        return host, "127.0.0.1", [(host, "127.0.0.1")]

    def lose(self, node):
        """All that runs on it, slurmd too."""
        self.hosts.all[node].lose()
        self.nodes[node].wait()
        self.children.remove(self.nodes[node])

    def start_node(self, node):
        name, _ = self.places()[2][node]
        where = self.hosts.all[node] if self.hosts else None
        self.spawn("slurmd", "-D", "-f", f"{self.top}/slurm.conf", "-N", name, where=where)
        self.nodes[node] = self.children[-1]

    def wait_for_nodes(self):
        """Until all of them are idle."""
        self.wait_until(
            lambda: self.run("sinfo", "-h", "-o", "%T", check=False).strip() == "idle", "slurmd"
        )

    def words(self, command, where=None, cwd=None):
        """The command line of a command, on a host or the head of the hosts if there are any."""
        where = where or (self.hosts and self.hosts.head)
        return where.words(*command, cwd=cwd) if where else command

    def __exit__(self, *_):
        if len(self.children) >= 3:
            self.run("scancel", "--user", getpass.getuser(), check=False)
            self.wait_until(lambda: not self.run("squeue", "-h", check=False).strip(), "an end")
        if self.hosts:
            return
        names = ("slurmctld", "slurmd", "munged")
        for child in sorted(self.children, key=lambda c: names.index(c.args[0])):
            child.terminate()
            try:
                child.wait(timeout=TIMEOUT)
            finally:
                child.kill()
                child.wait()

    def spawn(self, *command, where=None):
        with open(f"{self.top}/{command[0]}.out", "a", encoding="utf-8") as out:
            self.children.append(
                subprocess.Popen(
                    self.words(command, where),
                    env=self.environment,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                )
            )

    def wait_until(self, ready, what):
        end = time.monotonic() + TIMEOUT
        while not ready():
            if time.monotonic() > end or any(child.poll() is not None for child in self.children):
                raise AssertionError(f"{what} is not ready:\n{self.logs()}")
            time.sleep(0.05)

    def logs(self):
        found = ""
        for name in os.listdir(self.top):
            if name.endswith((".out", ".log")):
                with open(f"{self.top}/{name}", encoding="utf-8", errors="replace") as file:
                    found += file.read()[-1500:]
        return found

    def run(self, *command, check=True, cwd=None, **environment):
        done = subprocess.run(
            self.words(command, cwd=cwd),
            env={**self.environment, **environment},
            cwd=cwd,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0 or not check, f"{' '.join(command)}: {said}"
        return said

    def submit(self, *words, cwd=None, **environment):
        """sbatch, for a job with this environment; returns the job's id."""
        said = self.run("sbatch", "--parsable", *map(str, words), cwd=cwd, **environment)
        return said.strip().split(";")[0]

    def records(self, identity):
        """{key: value} of scontrol show job, for a job or every record of an array."""
        lines = self.run("scontrol", "-o", "show", "job", identity, check=False).splitlines()
        return [
            dict(word.split("=", 1) for word in line.split() if "=" in word)
            for line in lines
            if "JobState=" in line
        ]

    def job(self, identity):
        return self.records(identity)[0]

    def states(self, identity):
        return [record["JobState"] for record in self.records(identity)]

    def hurry(self, identity, seen):
        """Slurm lets a requeued job wait for two minutes. Here it goes on after the few seconds
        that the old credential needs to be forgotten, and again should those have been too few."""
        now = time.monotonic()
        waiting = self.run("squeue", "-h", "-j", identity, "-o", "%i %r", check=False)
        for line in waiting.splitlines():
            job, _, reason = line.partition(" ")
            if reason == "BeginTime" and now - seen.setdefault(job, now) > 3:
                self.run("scontrol", "update", f"JobId={job}", "StartTime=now", check=False)
                del seen[job]
            elif "held" in reason.lower():
                self.run("scontrol", "release", job, check=False)

    def wait_for(self, identity):
        """Waits until every record of a job has come to its end, and returns their states."""
        ends = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY")
        end, seen = time.monotonic() + TIMEOUT, {}
        while True:
            found = self.states(identity)
            if found and all(state in ends for state in found):
                return found
            assert time.monotonic() < end, f"job {identity}: {self.records(identity)}"
            self.hurry(identity, seen)
            time.sleep(0.2)
