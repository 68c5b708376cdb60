"""Runs of chorale as forks of ranks that have started already (forked.c)."""
import atexit
import contextlib
import os
import select
import socket
import subprocess
import tempfile
import threading
import time

# What a start on this machine is spared (CMakeLists.txt).
STARTS = dict(one.split("=", 1) for one in os.environ.get("CHORALE_STARTS", "").split("|") if one)
NOT_HERE = 254  # the exit code of what only a start of chorale can do
MOST = 100_000  # bytes of a message
RUN, READY, GO, STOP = b"r", b"a", b"g", b"s"
GONE = "the ranks that fork runs have ended"
_worlds = {}  # by their number of ranks
_turn = threading.Lock()  # a run at a time


class _World:
    """Ranks that wait for runs, each at its socket."""

    def __init__(self, program, ranks):
        self.environment = _environment()
        self.session = tempfile.TemporaryDirectory(prefix="chorale-")
        launcher, own = [], alone(self.session.name)
        if ranks > 1:  # not by the number of a process, which a fork does not have
            launcher = ["mpirun", "-n", str(ranks)]
            own = dict(OMPI_MCA_btl_vader_single_copy_mechanism="none")
        path = f"{self.session.name}/world"
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(path)
            listener.listen(ranks)
            self.process = subprocess.Popen(
                [*launcher, program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={**self.environment, **STARTS, **own, "CHORALE_WORLD": path},
            )
            self.sockets = self._accept(listener, ranks)

    def _accept(self, listener, ranks):
        """The sockets in the order of the ranks."""
        found = {}
        listener.settimeout(1)
        while len(found) < ranks:
            assert self.process.poll() is None, GONE
            with contextlib.suppress(TimeoutError):
                one = listener.accept()[0]
                found[int.from_bytes(one.recv(4), "little")] = one
        return [found[rank] for rank in range(ranks)]

    def _tell(self, message, files=()):
        """All ranks, which are ready then."""
        for one in self.sockets:
            socket.send_fds(one, [RUN + message], files)
        for one in self.sockets:
            assert one.recv(1) == READY, GONE

    def run(self, message, files, timeout):
        """The exit code of a run, None when it has none in time. A rank that ends before
        PetscFinalize ends all others, as mpirun has it."""
        self._tell(message, files)
        for one in self.sockets:
            one.send(GO)
        codes, lost, end = {}, [], time.monotonic() + timeout
        while left := [one for one in self.sockets if one not in codes]:
            ready = select.select(left, [], [], max(0, end - time.monotonic()))[0]
            if not ready:
                return None
            before = len(lost)
            for one in ready:
                codes[one], reached = self._answer(one)
                lost += [] if reached else [codes[one] or 1]
            if lost and not before:
                for one in set(left) - set(ready):
                    one.send(STOP)
        return next((code for code in (*lost, *map(codes.get, self.sockets)) if code), 0)

    def _answer(self, one):
        """The exit code of a rank, and whether it came to PetscFinalize."""
        answer = one.recv(8)
        assert len(answer) == 8, GONE
        code = os.waitstatus_to_exitcode(int.from_bytes(answer[:4], "little"))
        if len(self.sockets) > 1 and code < 0:
            code = 128 - code  # of mpirun, after a signal
        return code, any(answer[4:])

    def end(self):
        with contextlib.suppress(OSError, AssertionError):
            self._tell(b"")
        self.close()

    def close(self):
        """Also in the middle of a run."""
        for one in self.sockets:
            one.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        self.process.kill()
        self.process.wait()
        self.session.cleanup()


def alone(session):
    """Variables for a run without mpirun, which else starts a daemon and waits for it. Such runs
    must not share their folder."""
    return dict(OMPI_MCA_ess_singleton_isolated="1", OMPI_MCA_orte_tmpdir_base=session)


def _environment():
    """The test's own, without what pytest writes into it for every test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def _end():
    while _worlds:
        _worlds.popitem()[1].end()


atexit.register(_end)


def _world(ranks):
    world = _worlds.get(ranks)
    # What libraries read when they are loaded may be another.
    if world and (world.environment != _environment() or world.process.poll() is not None):
        _worlds.pop(ranks).end()
    if ranks not in _worlds:
        _worlds[ranks] = _World(os.environ["CHORALE_FORKED"], ranks)
    return _worlds[ranks]


def run(words, ranks, cwd, timeout, hook):
    """The completed process of `chorale WORDS`, or None: it must be started."""
    message = b"".join(
        os.fsencode(word) + b"\0" for word in [hook, os.path.abspath(cwd or "."), *words]
    )
    if "CHORALE_FORKED" not in os.environ or len(message) > MOST:
        return None
    if ranks > 1 and "OMPI_MCA_btl" not in STARTS:  # ranks of Open MPI 4 alone can be forked
        return None
    with _turn, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = _world(ranks).run(message, [out.fileno(), err.fileno()], timeout)
        if code is None:
            _worlds.pop(ranks).close()
            raise subprocess.TimeoutExpired(words, timeout)
        if code == NOT_HERE:
            return None
        texts = [_text(file) for file in (out, err)]
    return subprocess.CompletedProcess(words, code, *texts)


def _text(file):
    """As text=True of subprocess reads it."""
    file.seek(0)
    text = file.read().decode(errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
