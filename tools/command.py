"""What the tools share at the command line: one-line errors with chorale's exit codes (0 success, 1 failure at run time, 2 bad input), and
files that are written whole or not at all."""
import argparse
import contextlib
import os
import sys
import tempfile

from chorale_io import BadFile

# matplotlib keeps its fonts here: a home may be read-only. Set before it is imported.
os.environ.setdefault("MPLCONFIGDIR", os.path.join(os.environ.get("TMPDIR", "/tmp"), f"chorale-matplotlib-{os.getuid()}"))


class Refused(Exception):
    """What the user asked for cannot be had; the text is one line."""

    def __init__(self, reason, code=2):
        super().__init__(reason)
        self.code = code


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def __init__(self, prog, about):
        super().__init__(prog=prog, description=about, formatter_class=argparse.RawDescriptionHelpFormatter)

    def error(self, message):
        self.exit(2, f"{self.prog}: {message}\n")


def first_line(error):
    return next(iter(str(error).splitlines()), "") or type(error).__name__


@contextlib.contextmanager
def of_file(path):
    """What goes wrong with names, shapes and numbers while one file is worked on is the file's fault: BadFile."""
    try:
        yield
    except (KeyError, IndexError, ValueError, TypeError, AttributeError, ArithmeticError, StopIteration) as error:
        raise BadFile(path, f"not as chorale writes it ({type(error).__name__}: {first_line(error)})") from error


@contextlib.contextmanager
def whole(path):
    """A name in the folder of `path` to be written to; in the end it takes the place of `path`, after an error nothing is left of it."""
    folder, name = os.path.split(os.path.abspath(path))
    if not os.path.isdir(folder):
        raise Refused(f"{path}: there is no folder {os.path.dirname(path)}")
    if os.path.isdir(path):
        raise Refused(f"{path}: is a folder")
    handle, temporary = tempfile.mkstemp(prefix=f".{name[:40]}-", suffix=".part" + os.path.splitext(name)[1], dir=folder)
    os.close(handle)
    try:
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def run(prog, main):
    """The exit code of main(); its errors end as one line."""
    try:
        code = main()
        sys.stdout.flush()
        return code or 0
    except (BadFile, Refused) as error:
        reason, code = str(error), getattr(error, "code", 2)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        reason, code = "out of memory", 1
    except KeyboardInterrupt:
        reason, code = "interrupted", 1
    except OSError as error:
        reason, code = f"{error.filename or 'a file'}: {error.strerror or first_line(error)}", 1
    print(f"{prog}: {reason}", file=sys.stderr)
    return code
