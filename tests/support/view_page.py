"""Pages of tools/view as the tests read them: their data, and their text without it."""

import base64
import json
import re

import numpy as np
from html_page import Page

DATA = re.compile(r'<script type="application/json" id="chorale-data">(.*?)</script>', re.DOTALL)


class View:
    """The figures of a page, with arrays as arrays."""

    def __init__(self, path):
        self.source = path.read_text(encoding="utf-8")
        self.page = Page(self.source)
        found = DATA.findall(self.source)
        assert len(found) == 1
        self.data = json.loads(found[0])
        self.figures = [figure for group in self.data["groups"] for figure in group]

    def figure(self, title):
        """The one of this title."""
        (found,) = [one for one in self.figures if one["title"] == title]
        return found


def unpacked(piece):
    """An array as a browser reads it."""
    raw = base64.b64decode(piece["bytes"])
    return np.frombuffer(raw, dtype="<" + piece["type"]).reshape(piece["shape"])


def line_of(chart, name):
    """(x, y) of the curve of this name."""
    (found,) = [one for one in chart["lines"] if one["name"] == name]
    return unpacked(found["x"]), unpacked(found["y"])
