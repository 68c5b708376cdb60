"""The page in a notebook: it runs in a frame of its own, and is a still picture on paper."""

from __future__ import annotations

import base64
import os
from io import BytesIO
from pathlib import Path
from typing import Any, Union

import matplotlib.pyplot as plt

from chorale.command import whole
from chorale.errors import Refused
from chorale.plot import drawing
from chorale.report.page import escape
from chorale.view import content, page
from chorale.view.program import text_of

DPI = 100
FRAME = """<div class="chorale-view">
<style>.chorale-view img{{display:none;max-width:100%}}
@media print{{.chorale-view iframe{{display:none}}.chorale-view img{{display:block}}}}</style>
<iframe srcdoc="{page}" title="{title}" style="width:100%;height:{height}px;border:0"></iframe>
<img alt="{title}" src="data:image/png;base64,{picture}">
</div>
"""
STILL = '<p>{reason}</p><img alt="{title}" src="data:image/png;base64,{picture}">\n'


class View:
    """What a notebook shows of results."""

    def __init__(self, run: Any, height: int = 940):
        self.name, self.height, self.reason = os.path.basename(run.path), int(height), ""
        shown = content.of_run(run)
        try:
            self.page = text_of([shown], page.library_of())
        except Refused as error:
            self.page, self.reason = "", str(error)
        figure, out = drawing.drawn(run, None, "light"), BytesIO()
        figure.savefig(out, dpi=DPI)
        plt.close(figure)
        self.png = out.getvalue()

    def __repr__(self) -> str:
        return f'<a page on which {self.name} moves: in a notebook, or save("FILE.html")>'

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        picture = base64.b64encode(self.png).decode()
        keys = {"title": escape(self.name), "picture": picture}
        html = STILL.format(reason=escape(self.reason), **keys)
        if self.page:
            html = FRAME.format(page=escape(self.page), height=self.height, **keys)
        return {"text/html": html, "image/png": picture, "text/plain": repr(self)}

    def save(self, path: Union[str, "os.PathLike[str]"]) -> None:
        """The page as a file."""
        if not self.page:
            raise Refused(self.reason)
        with whole(path) as temporary:
            Path(temporary).write_text(self.page, encoding="utf-8", errors="backslashreplace")
