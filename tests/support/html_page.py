"""Pages of HTML as the tests read them."""

import html.parser

VOID = {"meta", "img", "source", "br"}


class Page(html.parser.HTMLParser):
    """Refuses tags that do not match; collects tables as lists of (text, number or None), and all
    addresses."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tables, self.addresses, self.ids = [], [], [], []
        self.text, self.images, self.source = "", 0, source
        self.feed(source)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.addresses += [found[key] for key in ("href", "src", "srcset") if key in found]
        self.ids += [found["id"]] if "id" in found else []
        self.images += tag == "img"
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append(["", float(found["data-v"]) if "data-v" in found else None])
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> does not match"

    def handle_data(self, data):
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.tables[-1][-1][-1][0] += data

    def columns(self, *heads):
        """{head: numbers or texts} of the first table that begins with these columns."""
        for table in self.tables:
            names = [cell[0] for cell in table[0]]
            if names[: len(heads)] == list(heads):
                values = [[text if v is None else v for text, v in row] for row in table[1:]]
                return {name: [row[c] for row in values] for c, name in enumerate(names)}
        raise AssertionError(f"no table of {heads}")
