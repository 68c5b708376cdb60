"""Pictures of claims. They are kept beside their results: a page is written anew more often than
these are."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from chorale.paper.findings import Finding
from chorale.paper.runs import opened
from chorale.plot import files
from chorale.plot.common import Picture
from chorale.report import content

PACKAGE = Path(__file__).resolve().parents[1]


def picture_of(finding: Finding) -> Picture:
    """The claim's own, or that of tools/plot of its first run."""
    if finding.claim.picture is None:
        return files.picture_of(str(finding.jobs[0].results))
    with opened(finding.jobs) as results:
        return finding.claim.picture(results)


@lru_cache(maxsize=None)
def sources(name: str) -> str:
    """Of all that draws a claim: a change of them makes its picture anew."""
    found = hashlib.sha256()
    for pattern in (
        "plot/*.py",
        "paper/forest.py",
        "paper/claims/_*.py",
        f"paper/claims/{name}.py",
    ):
        for path in sorted(PACKAGE.glob(pattern)):
            found.update(path.read_bytes())
    return found.hexdigest()


def drawn(finding: Finding) -> str:
    """The picture with its headline, as HTML, in both themes."""
    of_all = json.dumps(
        [finding.notes, content.DPI, content.THEMES, sources(finding.claim.name)], sort_keys=True
    )
    head = f"<!-- {hashlib.sha256(of_all.encode()).hexdigest()} -->\n"
    kept = finding.jobs[0].root / finding.size / finding.claim.name / "picture.html"
    if kept.is_file():
        text = kept.read_text(encoding="utf-8")
        if text.startswith(head):
            return text.removeprefix(head)
    shown, _ = content.draw(lambda: picture_of(finding), finding.claim.name)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_text(head + shown, encoding="utf-8")
    return shown
