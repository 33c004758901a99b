"""The site: what Sphinx makes of README.md, docs/ and the docstrings.

make docs      # writes site/, fails at the first link that leads nowhere

The pages are those that a code host shows; what they lack there is added here:
the table of contents, the reference, the notebooks. Nothing is fetched when a
page is opened, neither a font nor a script, and a test of that is at the end.
"""

import pathlib
import re
import shutil

from sphinx.errors import SphinxError

from docs import reference
from docs.tutorial import chapters
import wavenet_tf

ROOT = pathlib.Path(__file__).parents[1]
# The pages by what a reader wants, in order. One that is missing is an error.
CONTENTS = {
  'Start': {
    'Hear it': 'README',
    'The voice in the box': 'voices/kathleen/README',
  },
  'Learn': {
    'Tutorial': 'docs/tutorial/README',
    **{c.title: f'docs/tutorial/{c.name}' for c in chapters.all_chapters()},
    'Every equation': 'docs/equations',
  },
  'Do': {
    'Your own voice': 'docs/voices',
    'Recipes of a voice': 'docs/voice_recipes',
    'Conditioning': 'docs/conditioning',
    'Recipes of the first paper': 'docs/recipes_2016',
    'Outputs, flows, losses': 'docs/losses',
    'Evaluation': 'docs/evaluation',
    'As a library': 'docs/library',
    'Training and speaking elsewhere': 'docs/elsewhere',
    'Coming from elsewhere': 'docs/coming_from',
  },
  'Serve': {
    'Serving': 'serving/README',
    'What a model answers': 'docs/serving',
    'Reliability': 'docs/reliability',
    'Scale': 'docs/scale',
  },
  'Results': {
    'Results': 'docs/results',
    'Speed': 'docs/benchmarks',
    'Reading the benchmark': 'benchmarks/NOTES',
    'Limits': 'docs/limits',
  },
  'The house': {
    'Design': 'docs/design',
    'Packages': 'docs/packages',
    'Changes': 'CHANGELOG',
    'API reference': 'docs/api/index',
  },
}

project = 'WaveNet and Parallel WaveNet'
version = release = wavenet_tf.__version__
language = 'en'
extensions = ['myst_parser']
root_doc = 'README'
include_patterns = [
  '*.md', 'docs/**.md', 'voices/*/*.md', 'serving/*.md', 'benchmarks/*.md',
]  # fmt: skip
exclude_patterns = ['.*', 'runs', 'site']
highlight_language = 'text'
html_theme = 'furo'
html_title = project
html_copy_source = False
html_show_sourcelink = False
html_static_path = ['site.css']
html_css_files = ['site.css']
pygments_style = 'friendly'
pygments_dark_style = 'monokai'
# Headings are linked to as on a code host.
myst_heading_anchors = 4
# A page may start anywhere, and code blocks hold what a shell is told.
suppress_warnings = ['myst.header', 'misc.highlighting_failure']


def add_contents(app, name, source):
  """What a code host does without: contents, and a chapter's notebook."""
  if name == root_doc:
    source[0] += ''.join(
      '\n```{toctree}\n:hidden:\n'
      + f':caption: {caption}\n\n'
      + ''.join(
        f'{title} <{"self" if page == root_doc else "/" + page}>\n'
        for title, page in pages.items()
      )
      + '```\n'
      for caption, pages in CONTENTS.items()
    )
  folder, _, page = name.rpartition('/')
  if folder == 'docs/tutorial' and page != 'README':
    source[0] += f'\n\n[This chapter as a notebook](notebooks/{page}.ipynb)\n'


def write_reference(app, config):
  reference.write(ROOT / 'docs' / 'api')


def finish(app, error):
  """Adds sounds, pictures, start page; holds pages to what they promise."""
  if error or app.builder.name != 'html':
    return
  site = pathlib.Path(app.outdir)
  sounds = site / 'docs/tutorial/sounds'
  if app.config.with_sounds:
    shutil.copytree(chapters.SOUNDS, sounds, dirs_exist_ok=True)
  # Sphinx copies no picture of an HTML element.
  for picture in (ROOT / 'docs').glob('front_*.png'):
    shutil.copy(picture, site / 'docs')
  shutil.copy(site / 'README.html', site / 'index.html')
  for page in site.rglob('*.html'):
    for tag, target in re.findall(
      r'<(link|script|img|audio|source|iframe)\b[^>]*?\b(?:href|src)="([^"]+)"',
      page.read_text('utf-8'),
    ):
      path = target.partition('?')[0].partition('#')[0]
      if tag == 'audio' and not app.config.with_sounds:
        continue
      if '//' in target or not (page.parent / path).exists():
        raise SphinxError(
          f'{page}: <{tag}> asks for {target}, expected a file of the site.'
        )


def setup(app):
  app.add_config_value('with_sounds', True, 'html', bool)
  app.connect('config-inited', write_reference)
  app.connect('source-read', add_contents)
  app.connect('build-finished', finish)
