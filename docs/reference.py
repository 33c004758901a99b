"""The API reference: Markdown made of the docstrings, a page a room.

Sources are read, not imported. Docstrings are plain text with code in backticks
and in fences, and with equations that are indented; so they are shown.
"""

from collections.abc import Iterator
import pathlib
import re

import griffe

from wavenet_tf.configuration.files import write_text

ROOT = pathlib.Path(__file__).parents[1]
_TOPS = 'wavenet_tf', 'data'
_WIDEST = 80


def write(folder: pathlib.Path) -> None:
  """Writes `index.md`, and a page for every folder of modules."""
  folder.mkdir(exist_ok=True)
  pages = {}
  for top in _TOPS:
    package = griffe.load(
      top, search_paths=[ROOT], docstring_parser=griffe.Parser.google
    )
    for name, modules in _rooms(package):
      pages[name] = modules
  for name, modules in pages.items():
    text = f'# {name}\n\n' + '\n'.join(map(_module, modules))
    write_text(folder / f'{name}.md', text)
  write_text(folder / 'index.md', _index(pages))


def _rooms(package) -> Iterator[tuple[str, list]]:
  """(dotted name of a folder, its modules) from the top down."""
  modules = sorted(filter(_is_public, package.modules.values()), key=_name)
  files = [m for m in modules if not m.is_init_module]
  if files:
    yield package.path, files
  for module in modules:
    if module.is_init_module:
      yield from _rooms(module)


def _name(module):
  return module.name


def _index(pages):
  lines = [
    '# API reference\n',
    'Made of the docstrings. What `import wavenet_tf` offers is told with '
    'examples in [the library](../library.md).\n',
    '```{toctree}\n:hidden:\n\n' + '\n'.join(pages) + '\n```\n',
  ]
  for name, modules in pages.items():
    lines.append(f'## [{name}]({name}.md)\n\n| module | |\n|---|---|')
    for module in modules:
      link = f'[`{module.name}`]({name}.md#{_anchor(module.name)})'
      lines.append(f'| {link} | {_plain(_first_sentence(module))} |')
    lines.append('')
  return '\n'.join(lines)


def _anchor(name):
  return name.lower()


def _first_sentence(described):
  text = described.docstring.value if described.docstring else ''
  return text.partition('\n\n')[0].replace('\n', ' ').replace('|', r'\|')


def _module(module):
  source = module.filepath.relative_to(ROOT).as_posix()
  parts = [f'## {module.name}\n', f'`{source}`\n', _docstring(module)]
  for member in module.members.values():
    if _is_public(member) and (member.is_function or member.is_class):
      parts += [f'### `{member.name}`\n', _described(member)]
      if member.is_class:
        parts += [
          f'#### `{member.name}.{method.name}`\n\n{_described(method)}'
          for method in member.members.values()
          if _is_public(method) and method.is_function and method.docstring
        ]
  return '\n'.join(parts)


def _is_public(member):
  return not member.is_alias and not member.name.startswith('_')


def _described(member):
  return f'```python\n{_signature(member)}\n```\n\n{_docstring(member)}'


def _signature(member):
  """As the source has it: `def name(...) -> type`, or the class's fields."""
  if not member.is_class:
    returns = f' -> {member.returns}' if member.returns else ''
    return _laid_out(f'def {member.name}', _parameters(member), returns)
  if '__init__' in member.members:
    parameters = _parameters(member.members['__init__'])
    return _laid_out(f'class {member.name}', parameters[1:], '')
  bases = ', '.join(str(base) for base in member.bases)
  fields = [
    f'\n  {name}: {field.annotation}'
    + (f' = {field.value}' if field.value else '')
    for name, field in member.members.items()
    if field.is_attribute and field.annotation and _is_public(field)
  ]
  return f'class {member.name}({bases}):' + ''.join(fields or ['\n  ...'])


def _parameters(function):
  """As the source has them, with annotations and defaults."""
  found = []
  for p in function.parameters:
    kind = p.kind.value if p.kind else ''
    if kind == 'keyword-only' and not any(q.startswith('*') for q in found):
      found.append('*')
    stars = {'variadic positional': '*', 'variadic keyword': '**'}.get(kind, '')
    text = stars + p.name + (f': {p.annotation}' if p.annotation else '')
    if p.default is not None and not stars:
      text += f' = {p.default}' if p.annotation else f'={p.default}'
    found.append(text)
  return found


def _laid_out(head, parameters, tail):
  """On a line, or with a line for each parameter."""
  line = f'{head}({", ".join(parameters)}){tail}'
  if len(line) <= _WIDEST:
    return line
  return f'{head}(\n' + ''.join(f'  {p},\n' for p in parameters) + f'){tail}'


def _docstring(member):
  if not member.docstring:
    return ''
  return '\n'.join(
    _section(s) for s in member.docstring.parse('google', warnings=False)
  )


def _section(section):
  kind = section.kind.value
  if kind == 'text':
    return _markdown(section.value)
  if kind == 'examples':
    return '\n'.join(
      _markdown(text) if what.value == 'text' else f'```pycon\n{text}\n```\n'
      for what, text in section.value
    )
  if kind == 'admonition':
    value = section.value
    if section.title.lower() != value.kind:  # It began on the line itself.
      text = _markdown(f'{section.title}\n{value.contents}')
    elif '```' in value.contents:
      text = _markdown(value.contents)
    else:
      text = f'```text\n{value.contents}\n```\n'
    return f'**{value.kind.title()}**\n\n{text}'
  title = section.title or {'parameters': 'Args'}.get(kind, kind.title())
  rows = []
  for item in section.value:
    name = getattr(item, 'name', '') or getattr(item, 'annotation', '') or ''
    named = f'`{name}`: ' if name else ''
    rows.append(f'- {named}{_markdown(item.description).strip()}\n')
  return f'**{title}**\n\n' + ''.join(rows)


def _markdown(text):
  """A docstring's prose, its equations as they are laid out, its code."""
  found = []
  for i, part in enumerate(
    re.split(r'^(```.*?^```)$', text, flags=re.M | re.S)
  ):
    if i % 2:
      found.append(part)
      continue
    for paragraph in re.split(r'\n\s*\n', part.strip('\n')):
      lines = paragraph.splitlines()
      if lines and (
        all(line.startswith('  ') for line in lines)
        or (len(lines) > 1 and all(' = ' in line for line in lines))
      ):
        found.append(f'```text\n{paragraph}\n```')
      elif lines and lines[0].startswith('>>> '):
        found.append(f'```pycon\n{paragraph}\n```')
      else:
        found.append(_plain(paragraph))
  return '\n\n'.join(found) + '\n'


def _plain(text):
  """Prose whose stars, bars and brackets mean themselves."""
  return ''.join(
    part if i % 2 else re.sub(r'([*_<>\[\]{}$~^#])', r'\\\1', part)
    for i, part in enumerate(re.split(r'(`[^`]*`)', text))
  )
