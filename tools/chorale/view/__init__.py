"""Pages on which tokens move: data.py has the pieces of a page's data, motion.py tokens over time,
curves.py and maps.py what a study measured, families.py several runs, content.py what is shown of
a file, page.py the page, follow.py that of a running job. What a browser does with them is in
tools/chorale/web."""
