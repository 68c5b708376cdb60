"""How results are made again: commands that run when they are pasted into a shell."""

from __future__ import annotations

import os
import shlex

from chorale.command import TOOLS
from chorale.errors import RunError
from chorale.io import Run
from chorale.runs import words


def near(path: str | os.PathLike[str]) -> str:
    """A name of a file for a shell in this folder."""
    whole = os.path.abspath(path)
    return shlex.quote(min(os.path.relpath(whole), whole, key=len))


def there(path: str | os.PathLike[str]) -> str:
    """The same of a program, which a shell would look for elsewhere if its name had no folder."""
    name = near(path)
    return name if "/" in name else f"./{name}"


def tool(name: str) -> str:
    """A program of tools/, or that of pip."""
    return there(TOOLS / name) if (TOOLS / name).is_file() else f"chorale-{name}"


def program(run: Run) -> str:
    """The one that is here, or that of the run."""
    try:
        return there(words.program())
    except RunError:
        made = shlex.split(run.provenance.get("command_line", "chorale"))[0]
        return shlex.quote(made)


def launch(run: Run) -> str:
    """What starts as many processes as have made it."""
    if run.ranks == 1:
        return ""
    variables = TOOLS / "mpi-env"
    source = f"source {there(variables)} && " if variables.is_file() else ""
    return f"{source}mpirun -n {run.ranks} "


def parts_of(merged: str) -> list[str]:
    """Names of files with blanks between them; those of files that are there may have blanks."""
    found, name = [], ""
    for word in merged.split(" "):
        name = f"{name} {word}".lstrip()
        if os.path.exists(name):
            found.append(name)
            name = ""
    return found if not name else merged.split(" ")


def commands(run: Run) -> list[str]:
    """They write beside the file, under a new name; empty of what has no deck."""
    if not run.deck:
        return []
    stem = os.path.splitext(run.path)[0] + "-again"
    output = f"-output_file {near(stem + '.h5')}"
    if "merged" in run.provenance:
        files = shlex.quote(",".join(parts_of(run.provenance["merged"])))
        return [f"{program(run)} merge -merge_files {files} {output}"]
    if run.parameters.get("output_table"):
        output += f" -output_table {near(stem + '.csv')}"
    deck = near(stem + ".yaml")
    return [
        f"{tool('info')} --deck {near(run.path)} > {deck}",
        f"{launch(run)}{program(run)} {run.study} {deck} {output}",
    ]


def command(run: Run) -> str:
    """As it was made, in its own folder; empty where that is not known."""
    made = run.provenance.get("command_line", "")
    return f"mpirun -n {run.ranks} {made}" if made and run.ranks > 1 else made


def going_on(run: Run) -> str:
    """That of a run that is not complete, from its last checkpoint."""
    made = command(run)
    if run.complete is not False or not made or "merged" in run.provenance:
        return ""
    return made if "-checkpoint_resume" in made else f"{made} -checkpoint_resume"
