"""The pages: links lead somewhere, equations that the sources cite are in src/THEORY.md, lines and
pages have their lengths. Their commands:
test_readme.py; their HTML: test_docs.py."""
import os
import re
from pathlib import Path

import pytest

SOURCE = Path(os.environ["CHORALE_SOURCE"])
FOLDERS = ("src", "include", "tests", "tools", "jobs", "input")
PAGES = [
    SOURCE / "README.md",
    SOURCE / "CHANGELOG.md",
    *sorted(page for folder in FOLDERS for page in (SOURCE / folder).rglob("*.md")),
]
WIDTH = 120
FENCE = re.compile(r"^```.*?^```$|^ {4}[^\n]*", re.M | re.S)


def name(page):
    return str(page.relative_to(SOURCE))


def prose(page):
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page):
    """As GitHub makes them of the headings."""
    heads = re.findall(r"^#+ (.*)", FENCE.sub("", page.read_text(encoding="utf-8")), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def test_a_page_in_every_folder():
    assert {name(page) for page in PAGES} >= {
        f"{folder}README.md"
        for folder in ("", "src/", "input/", "input/paper/", "tools/", "jobs/", "tests/")
    }
    assert len((SOURCE / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page):
    for target in re.findall(r"\]\(([^)]*)\)", prose(page)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.is_file(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_lines(page):
    text = page.read_text(encoding="utf-8")
    assert [
        line for line in text.splitlines() if len(line) > WIDTH and not line.startswith("|")
    ] == []
    assert text.endswith("\n") and not re.search(r"[ \t]$", text, re.M)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_files_that_are_named_exist(page):
    """`input/x.yaml`, `src/folder/x.c`, `tools/x`: names with a folder are paths from the root or
    from the page. Capitals
    stand for any name, and files that are new are those of recipes."""
    for path in re.findall(
        r"`((?:\.\./)*(?:src|include|tests|tools|jobs|input)/[\w./\-]+\w)`(?!, new)",
        page.read_text(encoding="utf-8"),
    ):
        assert re.search(r"/[A-Z]+$", path) or any(
            (top / path).exists() for top in (SOURCE, page.parent)
        ), path


def test_walks_name_functions_of_their_files():
    text = (SOURCE / "src/README.md").read_text(encoding="utf-8")
    walks = text.split("\n## Three walks\n")[1].split("\n## ")[0]
    steps = re.findall(r"^\d\. (.*(?:\n   .*)*)", walks, re.M)
    assert len(steps) >= 20
    for step in steps:
        files = re.findall(r"`((?:src|include)/[\w/]+\.[ch])`", step)
        sources = "".join((SOURCE / file).read_text(encoding="utf-8") for file in files)
        for function in re.findall(r"`([A-Z]\w+)`", step):
            assert re.search(rf"\b{function}\b", sources), (function, files)


def cited():
    """(file, number) for every THEORY.md (3.2), THEORY.md (6.1), (6.4), NUMERICS.md section 9,
    NUMERICS.md 9.5, NEIGHBOURS.md (16.1) in the tree."""
    for folder in FOLDERS:
        for file in sorted((SOURCE / folder).rglob("*")):
            if (
                file.suffix not in (".c", ".h", ".py", ".yaml", ".md", ".txt", "")
                or not file.is_file()
            ):
                continue
            text = re.sub(
                r"\n[ \t]*[*#]?[ \t]*", " ", file.read_text(encoding="utf-8", errors="replace")
            )
            for words in re.findall(
                r"(?:THEORY|NUMERICS|NEIGHBOURS)\.md\)? "
                r"((?:\(\d+\.\d+\)|[\d.]*\d|sections?|, | and | )+)",
                text,
            ):
                for number in re.findall(r"\(\d+\.\d+\)|\d+(?:\.\d+)?", words):
                    yield name(file), number


def test_equations_that_are_cited_exist():
    pages = ("src/THEORY.md", "src/NUMERICS.md", "src/NEIGHBOURS.md")
    theory = "".join((SOURCE / page).read_text(encoding="utf-8") for page in pages)
    equations = re.findall(r"^ {4,}(\(\d+\.\d+\)) ", theory, re.M)
    sections = set(re.findall(r"^##+ (\d+(?:\.\d+)?)\.? ", theory, re.M))
    assert len(equations) == len(set(equations)) > 40 and equations == sorted(
        equations, key=lambda text: [int(n) for n in text[1:-1].split(".")]
    )
    found = list(cited())
    assert len(found) > 60
    assert [one for one in found if one[1] not in sections and one[1] not in equations] == []
