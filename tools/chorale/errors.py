"""What ends a program of the package with one line."""


class BadFile(Exception):
    """A file that cannot be read, or has not what was asked for: "PATH: reason"."""

    def __init__(self, path, reason: str):
        super().__init__(f"{path}: {reason}")
        self.path, self.reason = str(path), reason


class Refused(Exception):
    """What the user asked for cannot be had; the text is one line."""

    def __init__(self, reason: str, code: int = 2):
        super().__init__(reason)
        self.code = code


class InputError(Refused):
    """Bad input of a run, as chorale says it: "key = value: what is allowed"."""


class RunError(Refused):
    """A run that failed, in chorale's words, or was killed."""

    def __init__(self, reason: str):
        super().__init__(reason, 1)
