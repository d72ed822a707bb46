"""The rules for a lesson's code and saved outputs."""

import ast
import re
from collections.abc import Iterator
from unicodedata import east_asian_width

import tidy
from notebook_lint import ROOT, Cell, Faults, Lesson

KILOBYTES = {'01': 600, '05': 600}  # where pictures are the lesson
WIDGET_STATE = 'application/vnd.jupyter.widget-state+json'
WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json'
PICTURES = ('image/png', 'image/jpeg', 'image/svg+xml')


def parsed(cell: Cell) -> ast.Module:
    """Return the syntax tree of a code cell, its magics left out."""
    magic = re.compile(r'^(\s*)[%!].*$', re.M)
    return ast.parse(magic.sub(r'\1pass', cell.source))


def code_parses(lesson: Lesson) -> Faults:
    for cell in lesson.code:
        try:
            parsed(cell)
        except SyntaxError as e:
            yield f'{cell}: line {e.lineno} is no Python: {e.msg}'


def imports_come_first(lesson: Lesson) -> Faults:
    for cell in lesson.code[2:]:
        kinds = {type(node) for node in parsed(cell).body}
        if kinds & {ast.Import, ast.ImportFrom}:
            yield f'{cell}: move its imports to the second code cell'


# Code


def code_cells_are_short(lesson: Lesson) -> Faults:
    for cell in lesson.code:
        lines = [line for line in cell.source.splitlines() if line.strip()]
        most = 40 if re.search('^class ', cell.source, re.M) else 25
        if len(lines) > most:
            yield f'{cell}: {len(lines)} lines, at most {most}: split it'
        for line in lines:
            wide = sum(1 + (east_asian_width(c) in 'WF') for c in line)
            if wide > 79:
                yield f'{cell}: {wide} columns, at most 79: break "{line}"'


def code_is_python_alone(lesson: Lesson) -> Faults:
    shell = r'\s*(!|%%?(pip|conda|mamba|bash|sh|script|cmd|system|sx)\b)'
    for cell in lesson.code:
        for line in cell.source.splitlines():
            if re.match(shell, line):
                yield (
                    f'{cell}: "{line}" needs a shell, which not every system '
                    'has: write it in Python, or put it into environment.yml'
                )


def bare(node: ast.AST) -> str:
    """Return a definition's syntax, without docstrings and private names."""
    for inner in ast.walk(node):
        if isinstance(inner, (ast.FunctionDef, ast.ClassDef)):
            inner.body = inner.body[ast.get_docstring(inner) is not None :]
        if isinstance(inner, ast.ClassDef):
            inner.body = [part for part in inner.body if not private(part)]
    return ast.dump(node)


def private(part: ast.stmt) -> bool:
    """Tell whether a part of a class bears a name like `_version`."""
    target = part.targets[0] if isinstance(part, ast.Assign) else None
    name = getattr(part, 'name', getattr(target, 'id', ''))
    return name.startswith('_') and not name.startswith('__')


def definitions(module: ast.Module) -> Iterator[tuple[str, str]]:
    """Yield (name, syntax) of the functions and classes at the top."""
    for node in module.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            yield node.name, bare(node)


def shipped() -> dict[str, set[str]]:
    """Return every definition that the package has under a name."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / 'd2lmini').glob('*.py'):
        module = ast.parse(path.read_text(encoding='utf8'))
        for name, syntax in definitions(module):
            found.setdefault(name, set()).add(syntax)
    return found


def code_shown_is_code_shipped(lesson: Lesson) -> Faults:
    package = shipped()
    for cell in lesson.code:
        for name, syntax in definitions(parsed(cell)):
            if syntax not in package.get(name, {syntax}):
                yield (
                    f'{cell}: d2lmini has another {name}: copy that one, '
                    f'without its docstring, or call this {name}_simple'
                )


# Saved outputs


def every_cell_has_run(lesson: Lesson) -> Faults:
    for count, cell in enumerate(lesson.code, 1):
        ran = cell.raw.get('execution_count')
        if ran != count:
            yield (
                f'{cell}: it should have run as number {count}, not {ran}: '
                'make the outputs by "make outputs"'
            )
            return


def outputs_hold_no_error(lesson: Lesson) -> Faults:
    for cell in lesson.code:
        for out in cell.outputs:
            stderr = out.get('name') == 'stderr'
            if out.output_type == 'error' or (
                stderr and 'Traceback (most recent call last)' in out.text
            ):
                yield (
                    f'{cell}: an error is saved: mend it; one that is meant '
                    'is caught and its message printed'
                )


def no_widget_is_saved(lesson: Lesson) -> Faults:
    if 'widgets' in lesson.nb.metadata:
        yield 'the metadata holds "widgets": take it out, or "make outputs"'
    for cell in lesson.code:
        kinds = [set(out.get('data', ())) for out in cell.outputs]
        if any(WIDGET_STATE in kind for kind in kinds):
            yield f'{cell}: widget state is saved: run "make outputs"'
        # Opened without its kernel, it would show "model not found".
        if any(WIDGET_VIEW in kind for kind in kinds):
            yield f'{cell}: a widget view is saved: run "make outputs"'


def has_alt(html: str) -> bool:
    """Tell whether every picture in the HTML has words in place of it."""
    tags = re.findall(r'<img\b[^>]*>', html)
    return all(re.search(r'\balt=(["\'])(?!\1)', tag) for tag in tags)


def pictures_have_alt_text(lesson: Lesson) -> Faults:
    for cell in lesson.markdown:
        if re.search(r'!\[\s*\]\(', cell.source) or not has_alt(cell.source):
            yield f'{cell}: say what the picture shows: ![words](file)'
    for cell in lesson.code:
        for out in cell.outputs:
            data, about = out.get('data', {}), out.get('metadata', {})
            kinds = [kind for kind in PICTURES if kind in data]
            if not all(about.get(kind, {}).get('alt') for kind in kinds):
                yield (
                    f'{cell}: the saved picture has no alt text: show it by '
                    "d2lmini.show.plot(..., alt='what it shows')"
                )
            html = str(data.get('text/html', ''))
            if 'data:' in html or not has_alt(html):
                yield (
                    f'{cell}: a picture is saved inside HTML, where some '
                    'viewers drop it: run "make outputs"'
                )


def answers_are_folded(lesson: Lesson) -> Faults:
    answers = {cell.id for cell in tidy.answers(lesson.nb)}
    for cell in lesson.code:
        folded = cell.raw.metadata.get('jupyter', {}).get('outputs_hidden')
        if (cell.raw.id in answers) != bool(folded):
            yield (
                f'{cell}: the saved output that answers a guess is folded, '
                'and no other: run "make outputs"'
            )


def the_file_is_small(lesson: Lesson) -> Faults:
    size = lesson.path.stat().st_size // 1000
    most = KILOBYTES.get(lesson.path.name[:2], 300)
    if size > most:
        yield f'{size} KB, at most {most}: make its pictures fewer or smaller'


RULES = (
    code_parses,
    imports_come_first,
    code_cells_are_short,
    code_is_python_alone,
    code_shown_is_code_shipped,
    every_cell_has_run,
    outputs_hold_no_error,
    no_widget_is_saved,
    pictures_have_alt_text,
    answers_are_folded,
    the_file_is_small,
)
