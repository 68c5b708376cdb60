"""Several hosts on this machine: namespaces with a network, a name, processes, a /tmp and shared
memory of their own, joined by a bridge. They end with the process that made them, however that
ends: what holds them are processes, the first of which is killed then and takes all others along,
and with the last process of a namespace its interfaces are gone."""

import contextlib
import ctypes
import glob
import os
import shlex
import shutil
import signal
import subprocess

import slow_link
from run import CHORALE, TIMEOUT, Running, children, wait_until

NETWORK = "10.77.0"
SPACES = ("--net", "--uts", "--mount", "--pid")
PROGRAMS = ("ip", "nsenter", "unshare", "mount")
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
FAKETIME = "/usr/lib/*/faketime/libfaketime.so.1"


def lacking():
    """Why there can be no hosts here; empty where there can."""
    if os.geteuid() != 0:
        return "hosts of namespaces need root"
    absent = [name for name in PROGRAMS if not shutil.which(name)]
    if absent:
        return f"{', '.join(absent)} not installed"
    trial = "ip link add name b type bridge && mount -t tmpfs trial /dev/shm"
    words = ["unshare", *SPACES, "--fork", "--kill-child", "--mount-proc", "sh", "-c", trial]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=TIMEOUT)
    return f"no namespaces here: {done.stderr.strip()}" if done.returncode else ""


def lacking_clock(name):
    """Why a host cannot have such a clock of its own (Host.set_clock); empty where it can."""
    if name == "CLOCK_MONOTONIC":
        return "" if os.path.exists("/proc/self/ns/time") else "no namespaces of time here"
    return "" if glob.glob(FAKETIME) else "libfaketime not installed (tools/install-deps all)"


def _die_with_parent():
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)


def _enter(pid):
    return ["nsenter", "--target", str(pid), *SPACES, "--"]


def _there(directory, words):
    """The words in this directory, which in another mount namespace must be entered anew."""
    return ["sh", "-c", 'cd "$0" && exec "$@"', str(directory), *map(str, words)]


class Host:
    """A place where programs run: hosts.head, or one of hosts.all, which are entered from there."""

    def __init__(self, name, address, entry, head=None):
        self.name, self.address, self.entry, self.head = name, address, entry, head

    def words(self, *words, cwd=None):
        """The command line that runs these words here."""
        outer = self.head.entry if self.head else []
        return [*outer, *self.entry, *_there(cwd or os.getcwd(), words)]

    def run(self, *words, check=True, **how):
        done = subprocess.run(
            self.words(*words),
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
            **how,
        )
        assert done.returncode == 0 or not check, f"{self.name}: {shlex.join(words)}: {done}"
        return done.stdout

    def lose(self):
        """All processes of the host are killed, as when it loses its power."""
        self.run("sh", "-c", "kill -9 -1", check=False)

    def set_clock(self, name, seconds):
        """Of what starts here from now on: CLOCK_REALTIME, the time of day, or CLOCK_MONOTONIC,
        the time since the start of the machine, is so much later."""
        if name == "CLOCK_MONOTONIC":
            clocks = [f"--monotonic={seconds}", f"--boottime={seconds}"]
            self.entry += ["unshare", "--time", *clocks, "--fork", "--kill-child"]
        else:
            names = {"LD_PRELOAD": glob.glob(FAKETIME)[0], "FAKETIME": f"{seconds:+}"}
            names["FAKETIME_DONT_FAKE_MONOTONIC"] = "1"
            self.entry += ["env", *(f"{name}={value}" for name, value in names.items())]


class Hosts:
    """with Hosts(folder, 2) as hosts: ...; h1 and h2 are hosts.all, and hosts.head has the bridge
    and starts programs. folder: for their files, outside /tmp of every host. Folders of /tmp that
    all of them see: where tests run, what was built, and the sources."""

    def __init__(self, folder, count):
        self.folder = str(folder)
        self.names = [f"h{i + 1}" for i in range(count)]
        self.holder, self.head, self.all, self.relays = None, None, [], []

    def __enter__(self):
        try:
            self._make_head()
            self.all = [self._make(i, name) for i, name in enumerate(self.names)]
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if not self.holder:
            return
        first = children(self.holder.pid)
        for pid in [*first, self.holder.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in [self.holder, *self.relays]:
            process.wait()
        wait_until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in first), "an end")

    def _make_head(self):
        """Its first process holds the namespaces of all. Its network gives up a host that does not
        answer after seconds, not a quarter of an hour: mpirun ends no sooner."""
        table = f"{self.folder}/hosts"
        with open(table, "w", encoding="ascii") as file:
            file.write(f"127.0.0.1 localhost\n{NETWORK}.254 head\n")
            file.writelines(f"{NETWORK}.{i + 1} {name}\n" for i, name in enumerate(self.names))
        hold = f"""set -e
            hostname head
            mount --bind {shlex.quote(table)} /etc/hosts
            mount --bind /dev/null /etc/resolv.conf
            echo 3 >/proc/sys/net/ipv4/tcp_retries2
            ip link set lo up
            ip link add br0 type bridge
            ip addr add {NETWORK}.254/24 dev br0
            ip link set br0 up
            echo ready
            exec sleep infinity"""
        words = ["unshare", *SPACES, "--fork", "--kill-child", "--mount-proc", "sh", "-c", hold]
        self.holder = subprocess.Popen(
            words, stdout=subprocess.PIPE, text=True, preexec_fn=_die_with_parent
        )
        assert self.holder.stdout.readline() == "ready\n", "the head has ended"
        (first,) = children(self.holder.pid)
        self.head = Host("head", f"{NETWORK}.254", _enter(first))

    def _make(self, i, name):
        """A host within the head: the head's end is its own."""
        tmp = f"{self.folder}/{name}"
        os.makedirs(tmp, exist_ok=True)
        used = (os.getcwd(), os.environ["CHORALE_BUILD"], os.environ["CHORALE_SOURCE"])
        shared = {"/".join(path.split("/")[:3]) for path in used if path.startswith("/tmp/")}
        for path in shared:
            os.makedirs(tmp + path.removeprefix("/tmp"), exist_ok=True)
        binds = "\n".join(
            f"mount --rbind {shlex.quote(path)} {shlex.quote(tmp + path.removeprefix('/tmp'))}"
            for path in sorted(shared)
        )
        hold = f"""set -e
            hostname {name}
            {binds}
            mount --rbind {shlex.quote(tmp)} /tmp
            mount -t tmpfs shm /dev/shm
            echo ready
            exec sleep infinity"""
        start = f"""exec 3>&1
            unshare {' '.join(SPACES)} --fork --mount-proc sh -c {shlex.quote(hold)} </dev/null \
              >{shlex.quote(tmp)}.out 2>&1 3>&- &
            until grep -q ready {shlex.quote(tmp)}.out || ! kill -0 $!; do sleep 0.01; done
            cat /proc/$!/task/$!/children"""
        pid = self.head.run("bash", "-c", start).strip()
        with open(f"{tmp}.out", encoding="utf-8") as file:
            said = file.read()
        assert pid and said == "ready\n", said
        host = Host(name, f"{NETWORK}.{i + 1}", _enter(pid), self.head)
        host.pid = pid  # as the head knows it
        self.head.run(*f"ip link add {name} type veth peer name eth0 netns {pid}".split())
        self._plug(host)
        return host

    def _plug(self, host):
        """Its cable into the bridge."""
        self.head.run(*f"ip link set {host.name} master br0 up".split())
        up = f"ip link set lo up && ip addr add {host.address}/24 dev eth0 && ip link set eth0 up"
        host.run("sh", "-c", up)

    def slow_down(self, host, delay, rate):
        """Another cable: all that goes through it is so many seconds late, and no more than so
        many bytes pass in a second."""
        self.head.run("ip", "link", "delete", host.name)
        words = ["/usr/bin/python3", slow_link.__file__, host.name, host.pid, delay, rate]
        relay = subprocess.Popen(self.head.words(*words), stdout=subprocess.PIPE, text=True)
        self.relays.append(relay)
        assert relay.stdout.readline() == "ready\n", "the cable has ended"
        self._plug(host)

    def _write_agent(self):
        """What mpirun starts its daemons with, in the place of ssh: AGENT HOST WORDS, a command of
        a shell, which Open MPI 5 lets set variables first."""
        agent = f"{self.folder}/agent"
        cases = "\n".join(
            f"  {host.name}) enter=({shlex.join(host.entry)}) ;;" for host in self.all
        )
        with open(agent, "w", encoding="ascii") as file:
            file.write(
                "#!/bin/bash\n"
                f"case $1 in\n{cases}\n  *) exit 255 ;;\nesac\nshift\n"
                """exec "${enter[@]}" sh -c 'cd "$0" && eval "$1"' "$PWD" "$*"\n"""
            )
        os.chmod(agent, 0o755)
        return agent

    def cut(self, host):
        """The host's cable is out."""
        self.head.run("ip", "link", "set", host.name, "down")

    def mpirun(self, *words, hosts=None, ranks=1, environment=None):
        """The command line that runs the words on so many ranks of each of the first hosts."""
        places = [f"{host.name}:{ranks}" for host in self.all[:hosts]]
        # Open MPI 5 names a folder by host and process and wants it new: other heads have had both.
        launcher = ["env", f"PRTE_MCA_prte_tmpdir_base={self.folder}"]
        launcher += ["mpirun", "-n", str(ranks * len(places)), "--host", ",".join(places)]
        # As more ranks than cores are allowed, Open MPI 5 puts them all on the first otherwise.
        launcher += ["--map-by", f"ppr:{ranks}:node"]
        settings = {
            "plm_rsh_agent": self._write_agent(),
            "btl": "tcp,self",
            "btl_tcp_if_include": f"{NETWORK}.0/24",
            "oob_tcp_if_include": f"{NETWORK}.0/24",
        }
        for key, value in settings.items():
            launcher += ["--mca", key, value]
        for name in ("CHORALE_HOOK", "OPENBLAS_CORETYPE"):
            launcher += ["-x", name] if name in (environment or os.environ) else []
        return self.head.words(*launcher, *words)

    @contextlib.contextmanager
    def running(self, *words, hosts=None, hook=""):
        """A run in the background, which does not outlive the block."""
        program = os.environ["CHORALE_HOOKED"]
        environment = {**os.environ, "CHORALE_HOOK": hook}
        line = self.mpirun(program, *words, hosts=hosts, environment=environment)
        run = Running(line, environment, os.getcwd())
        try:
            yield run
        finally:
            for host in self.all:  # what is left there has the ends of the pipes
                host.lose()
            if run.process.poll() is None:
                run.kill()
            run.process.communicate()

    def chorale(self, *words, check=True, program=CHORALE, hosts=None, ranks=1, **environment):
        """Runs it to its end; returns the completed process."""
        environment = {**os.environ, **environment}
        done = subprocess.run(
            self.mpirun(program, *words, hosts=hosts, ranks=ranks, environment=environment),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0 or not check, done
        return done
