"""The page: data, D3 and the sources of tools/chorale/web in one file that needs no other one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional, Sequence

from matplotlib.colors import to_hex

from chorale.errors import Refused
from chorale.plot.common import DATA_COLOURS, THEMES
from chorale.view.data import Piece

WEB = Path(__file__).resolve().parents[1] / "web"
SCRIPTS = ("core", "table", "chart", "heat", "ball", "density", "player", "motion", "page")
D3 = ("/usr/share/nodejs/d3/dist/d3.min.js", "/usr/share/javascript/d3/d3.min.js")
PLAIN = ("paper", "ink", "soft", "faint", "grid", "panel", "alarm")
STOPS = 12  # of the colours of ordered things
PLACE = '<div class="view" data-group="{}" data-figure="{}"></div>\n'
BLOCK = """<style>
{style}</style>
<script type="application/json" id="chorale-data">{data}</script>
<script>
{library}
</script>
<script>
{scripts}</script>
"""


def library_of(path: Optional[str] = None) -> str:
    """D3 as text: of Debian's package, or of another file."""
    for name in [path] if path else D3:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            if path:
                reason = getattr(error, "strerror", None) or "not a text"
                raise Refused(f"--js {path}: {reason}") from error
            continue
        if "geoOrthographic" not in text or "</script" in text:
            raise Refused(f"--js {name}: is not D3 (d3.min.js)" if path else f"{name}: is not D3")
        return text
    raise Refused(
        "D3 is not installed: install node-d3, or name its d3.min.js with --js FILE; "
        "without it tools/report and tools/plot draw still pictures"
    )


def palette() -> Piece:
    """Colours of both themes, those of the pictures."""
    found = {}
    for theme, look in THEMES.items():
        colours = {name: look[name] for name in (*PLAIN, *DATA_COLOURS)}
        stops = [to_hex(look["ordered"](i / (STOPS - 1))) for i in range(STOPS)]
        ball = [to_hex(look["ball"](end)) for end in (0.0, 1.0)]
        found[theme] = {**colours, "ordered": stops, "ball": ball, "phases": look["phases"]}
    return found


def as_json(value: Any) -> str:
    """JSON inside a script of a page: no text in it can end the script."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


class Figures:
    """The figures of a page, group by group in the order in which they are placed."""

    def __init__(self, library: str, every: Optional[float] = None):
        self.library, self.every, self.groups = library, every, []

    def place(self, figures: Sequence[Piece]) -> str:
        """Where the figures of a group stand, as HTML."""
        group = len(self.groups)
        self.groups.append(list(figures))
        places = "".join(PLACE.format(group, i) for i in range(len(figures)))
        return f'<div class="views">\n{places}</div>\n'

    def block(self) -> str:
        """What fills the places, as HTML for the end of the page; nothing without any."""
        if not self.groups:
            return ""
        data = {"groups": self.groups, "palette": palette(), "order": list(DATA_COLOURS)}
        scripts = "".join((WEB / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
        style = (WEB / "page.css").read_text("utf-8")
        keys = {"style": style, "scripts": scripts, "library": self.library}
        return BLOCK.format(data=as_json({**data, "every": self.every}), **keys)
