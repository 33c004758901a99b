"""HTML pages that are one file: style, pictures and sounds are inside."""

import base64
import html

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 sans-serif; margin: 2rem auto; padding: 0 1rem; }
img { max-width: 100%; height: auto; background: white; }
"""


def page(title: str, body: str, style: str = '') -> str:
  """A whole page, for wide and for narrow windows.

  Args:
    title: plain text, also the first heading.
    body: HTML.
    style: CSS, beside that of all pages.
  """
  title = html.escape(title)
  return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>{_STYLE}{style.lstrip()}</style></head><body>
<h1>{title}</h1>
{body}
</body></html>
"""


def picture(png: bytes, description: str) -> str:
  """An image element; the description is for who does not see it."""
  return (
    f'<img src="{_uri("image/png", png)}" alt="{html.escape(description)}">'
  )


def player(flac: bytes, description: str) -> str:
  """An audio element."""
  return (
    '<audio controls preload="metadata" '
    f'aria-label="{html.escape(description)}" '
    f'src="{_uri("audio/flac", flac)}"></audio>'
  )


def _uri(kind, content):
  return f'data:{kind};base64,{base64.b64encode(content).decode()}'
