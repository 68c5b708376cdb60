"""Pages of files of chorale: page.py has the pieces of HTML, content.py what they say."""
