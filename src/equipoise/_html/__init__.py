"""Self-contained pages: their head, their style, and how templates are filled in. Needs Jinja2."""
