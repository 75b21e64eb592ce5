"""A run as one page of HTML: what its set is like, what was left out and why, and problems to look at.

`gathering` reads the run, `choosing` picks the problems, `page` writes the HTML, `writing` puts it beside the run, and
`comparison` shows two runs side by side.
"""
