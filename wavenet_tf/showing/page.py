"""The frame of an HTML page: one file, which needs no other style or script."""

import html

_STYLE = """
body { font: 16px/1.5 sans-serif; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; }
"""


def page(title: str, body: str, style: str = '') -> str:
  """A whole page.

  Args:
    title: plain text, also the first heading.
    body: HTML.
    style: CSS, beside that of all pages.
  """
  title = html.escape(title)
  return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>{_STYLE}{style.lstrip()}</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""
