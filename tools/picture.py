"""Save the README's picture: a saved output of a lesson, byte for byte."""

import base64
import json
from pathlib import Path

HERE = Path(__file__).parents[1] / 'notebooks'
NOTEBOOK, CELL = '03_from_scratch.ipynb', 'plain-compare'
PICTURE = HERE / 'pictures' / 'lenet.png'


def saved_picture() -> bytes:
    """Return the PNG that the lesson's cell has saved.

    Raises
    ------
    LookupError : the cell has no picture; make the outputs first
    """
    text = (HERE / NOTEBOOK).read_text(encoding='utf8')
    for cell in json.loads(text)['cells']:
        if cell['id'] == CELL:
            for output in cell['outputs']:
                if 'image/png' in output.get('data', {}):
                    return base64.b64decode(output['data']['image/png'])
    raise LookupError(f'{NOTEBOOK}: cell {CELL} has no picture saved')


if __name__ == '__main__':
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_bytes(saved_picture())
