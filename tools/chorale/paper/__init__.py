"""The page of the paper: claim.py says what a claim is, claims/ has one in each file, runs.py has
them run, and content.py and markdown.py write what was found."""
