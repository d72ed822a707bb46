"""Saved outputs of a cell as HTML: text, pictures, captions, films."""

import base64
import json
import struct
import zlib
from collections.abc import Iterator
from html import escape
from typing import Any

from nbconvert.filters import strip_ansi
from site_prose import SiteError, both
from tidy import FILM, packed

KNOWN = {'image/png', 'text/html', 'text/plain', FILM}
CAPTION = '<div class="d2l-words"'
RECORDED = both(
    '这里播放录好的{n}帧，滑块停在录过的地方。想用任意的数：<a '
    'href="index.html#start">在Python里打开</a>。',
    'This page plays {n} recorded frames; the sliders stop where one was '
    'made. For any number, <a href="index.html#start">open the lesson in '
    'Python</a>.',
)


class Pictures:
    """The pictures of a lesson, as files to be laid beside its page.

    Parameters
    ----------
    lesson : str, its name
    """

    def __init__(self, lesson: str) -> None:
        self.lesson = lesson
        self.files: dict[str, bytes] = {}

    def add(self, cell: str, data: str, about: dict[str, Any]) -> str:
        """Keep a PNG, given in base64; return the HTML that shows it.

        Raises
        ------
        SiteError : it has no alt text
        """
        if not about.get('alt'):
            raise SiteError('a picture is saved without alt text')
        png = base64.b64decode(data)
        wide, high = struct.unpack('>II', png[16:24])
        width = about.get('width', wide)
        name = f'pictures/{self.lesson}-{cell}-{len(self.files)}.png'
        self.files[name] = png
        return (
            f'<div class="card scroll"><img alt="{escape(about["alt"])}" '
            f'lang="en" src="{name}" width="{width}" '
            f'height="{round(width * high / wide)}" loading="lazy"></div>'
        )


def outputs(cell: Any, pictures: Pictures) -> str:
    """Return what a cell has printed and shown, as HTML.

    Parameters
    ----------
    cell : NotebookNode, tidied
    pictures : Pictures, to which those of the cell are added

    Raises
    ------
    SiteError : an unknown kind, an error, a picture without alt text
    """
    return ''.join(_shown(cell, pictures))


def _shown(cell: Any, pictures: Pictures) -> Iterator[str]:
    rest = [_kinds(output) for output in cell.outputs]
    while rest:
        data, about = rest.pop(0)
        if 'image/png' in data:
            said = rest[0][0].get('text/html', '') if rest else ''
            caption = said if said.startswith(CAPTION) else ''
            if caption:
                del rest[0]
            picture = pictures.add(
                cell.id, data['image/png'], about.get('image/png', {})
            )
            yield _figure(picture, caption, data.get(FILM))
        elif 'text/html' in data:
            yield f'<div class="html scroll">{data["text/html"]}</div>\n'
        elif data['text/plain'].strip():
            text = escape(strip_ansi(data['text/plain']), quote=False)
            yield f'<pre class="text scroll">{text.rstrip()}</pre>\n'


def _kinds(output: Any) -> tuple[dict[str, str], dict[str, Any]]:
    """Return an output by kinds, and what its metadata say of them."""
    if output.output_type == 'stream':
        return {'text/plain': output.text}, {}
    if output.output_type == 'error':
        raise SiteError(f'its saved output is an error, {output.ename}')
    unknown = output.data.keys() - KNOWN
    if unknown:
        raise SiteError(f'an output of the unknown kind {min(unknown)}')
    return output.data, output.metadata


def _figure(picture: str, caption: str, film: str | None) -> str:
    caption = caption and f'<figcaption>{caption}</figcaption>'
    if not film:
        return f'<figure>{picture}{caption}</figure>\n'
    try:
        whole = zlib.decompress(base64.b64decode(packed(film)))
        n = len(json.loads(whole)['frames'])
    except (ValueError, KeyError, zlib.error) as e:
        raise SiteError(f'its film is damaged: {e!r}') from e
    return (
        f'<figure class="film"><div class="still">{picture}{caption}</div>'
        f'<script type="text/plain">{packed(film)}</script>'
        f'<p class="recorded">{RECORDED.format(n=n)}</p></figure>\n'
    )
