"""ninja docs: HTML of the public headers and the pages, by Doxygen; a warning is an error."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(not shutil.which("doxygen"), reason="doxygen is not installed"),
]
SOURCE, BUILD = Path(os.environ["CHORALE_SOURCE"]), Path(os.environ["CHORALE_BUILD"])


@pytest.fixture(name="doxyfile")
def made_doxyfile():
    if not (BUILD / "Doxyfile").is_file():
        pytest.skip("this build was configured without doxygen")
    return (BUILD / "Doxyfile").read_text(encoding="utf-8")


def doxygen(text):
    return subprocess.run(["doxygen", "-"], input=text, capture_output=True, text=True, check=False)


def test_every_header_and_page(doxyfile, folder):
    done = doxygen(f"{doxyfile}\nOUTPUT_DIRECTORY = {folder}\n")
    assert done.returncode == 0 and not done.stderr, done.stderr
    made = {page.name: page for page in (folder / "html").iterdir()}
    # Doxygen 1.9.8 has _2 for the slash of a page's path, older ones have _.
    made |= {name.replace("_2", "_"): page for name, page in made.items()}
    headers = [f"{header.stem}_8h.html" for header in (SOURCE / "include/chorale").glob("*.h")]
    sources = [page.relative_to(SOURCE).with_suffix("") for page in SOURCE.glob("[a-z]*/**/*.md")]
    sources = [page for page in sources if not page.parts[0].startswith("build")]
    pages = ["index.html", *(f"md_{'_'.join(page.parts)}.html" for page in sources)]
    assert len(headers) > 20 and made.keys() >= {*headers, *pages}, {*headers, *pages} - made.keys()
    for page in pages:
        text = made[page].read_text(encoding="utf-8")
        assert [
            link
            for link in re.findall(r'href="([^":#]+)["#]', text)
            if not (folder / "html" / link).exists()
        ] == [], page


@pytest.mark.parametrize(
    "defect",
    [
        "/* See \\ref nothing. */\nint f(void);\n",
        "/* Bold <b> without an end. */\nint f(void);\n",
        "/* No end of a list: @endcode. */\nint f(void);\n",
    ],
)
def test_a_warning_is_an_error(doxyfile, folder, defect):
    (folder / "bad.h").write_text(defect.replace("/*", "/**"), encoding="utf-8")
    done = doxygen(
        f"{doxyfile}\nINPUT = {folder}/bad.h\nOUTPUT_DIRECTORY = {folder}\n"
        "FILTER_PATTERNS =\nUSE_MDFILE_AS_MAINPAGE =\n"
    )
    assert done.returncode == 1 and f"{folder}/bad.h:" in done.stderr, done.stderr


def test_plain_text_is_escaped(doxyfile, folder):
    """Comments of headers are plain text: what Doxygen would take for a command stands as it is."""
    (folder / "plain.h").write_text(
        "/* A file. */\n/* Of <x,y>, heads/<h>/Q, a#b and file@key:\n *\n *     sum <x,y>\n */\n"
        "int f(void);\nint g; /* tail <b> */\n",
        encoding="utf-8",
    )
    done = doxygen(
        f"{doxyfile}\nINPUT = {folder}/plain.h\nOUTPUT_DIRECTORY = {folder}\n"
        "USE_MDFILE_AS_MAINPAGE =\n"
    )
    assert done.returncode == 0, done.stderr
    text = (folder / "html/plain_8h.html").read_text(encoding="utf-8")
    for words in (
        "Of &lt;x,y&gt;, heads/&lt;h&gt;/Q, a#b and file@key",
        "sum &lt;x,y&gt;",
        "tail &lt;b&gt;",
    ):
        assert words in text, words
