"""Figures that move on the pages of tools/report, above the still pictures."""

from __future__ import annotations

from typing import Optional, Sequence

from chorale.errors import BadFile
from chorale.report.page import details
from chorale.view import content
from chorale.view.page import Figures, library_of


class Interactive(Figures):
    """Those of a report."""

    def __init__(self, library: Optional[str] = None):
        super().__init__(library_of(library))

    def of_files(self, paths: Sequence[str], still: str) -> str:
        """HTML in the place of a still picture, which is kept; of files that have no figures the
        picture alone."""
        try:
            shown = content.of_file(paths[0]) if len(paths) == 1 else content.of_family(paths)
        except BadFile:
            return still
        if not shown.figures:
            return still
        return shown.finding + self.place(shown.figures) + details("The still picture", still)
