"""Runs of chorale on one rank as forks of one process that has started already (forked.c)."""
import atexit
import contextlib
import os
import socket
import subprocess
import tempfile
import threading

# What a start on this machine is spared (CMakeLists.txt).
STARTS = dict(one.split("=", 1) for one in os.environ.get("CHORALE_STARTS", "").split("|") if one)
NOT_HERE = 254  # the exit code of what only a start of chorale can do
MOST = 100_000  # bytes of a message
_server = None
_turn = threading.Lock()  # a run at a time


class _Server:
    """The process; its standard input is the socket."""

    def __init__(self, program):
        self.environment = _environment()
        self.session = tempfile.TemporaryDirectory(prefix="chorale-")
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.process = subprocess.Popen(
            [program],
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**self.environment, **STARTS, **alone(self.session.name)},
        )
        theirs.close()

    def end(self):
        self.socket.close()
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
    global _server
    if _server:
        _server.end()
    _server = None


atexit.register(_end)


def run(words, cwd, timeout, hook):
    """The completed process of `chorale WORDS`, or None: it must be started."""
    program = os.environ.get("CHORALE_FORKED")
    message = b"".join(
        os.fsencode(word) + b"\0" for word in [hook, os.path.abspath(cwd or "."), *words]
    )
    if not program or len(message) > MOST:
        return None
    with _turn:
        return _run(program, message, words, timeout)


def _run(program, message, words, timeout):
    global _server
    if _server and (_server.environment != _environment() or _server.process.poll() is not None):
        _end()  # what libraries read when they are loaded may be another
    _server = _server or _Server(program)
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        socket.send_fds(_server.socket, [message], [out.fileno(), err.fileno()])
        _server.socket.settimeout(timeout)
        try:
            answer = _server.socket.recv(4)
        except TimeoutError as error:
            _server.process.kill()
            raise subprocess.TimeoutExpired(words, timeout) from error
        assert len(answer) == 4, "the process that forks runs has ended"
        code = os.waitstatus_to_exitcode(int.from_bytes(answer, "little"))
        if code == NOT_HERE:
            return None
        texts = [_text(file) for file in (out, err)]
    return subprocess.CompletedProcess(words, code, *texts)


def _text(file):
    """As text=True of subprocess reads it."""
    file.seek(0)
    text = file.read().decode(errors="replace")
    return text.replace("\r\n", "\n").replace("\r", "\n")
