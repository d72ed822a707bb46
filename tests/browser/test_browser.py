"""What a reader sees in JupyterLab: the switch, pictures, a training."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, Notebook, quiet_page
from nbformat.v4 import new_code_cell as code
from nbformat.v4 import new_markdown_cell as prose
from nbformat.v4 import new_output
from playwright.sync_api import BrowserContext, Page, expect

from d2lmini.show import lang
from d2lmini.show import notebook as show_notebook

TITLE, SWITCH, ZH, EN, PICTURE, FORMS = range(6)  # the cells of a lesson
FORMS_TEXT = """\
The mean $\\mu$ is

$$\\hat{x} = \\frac{x - \\mu}{\\sigma}$$

- one
- **two**

| gamma | beta |
|-------|------|
| 1     | 0    |

```python
Y = gamma * X_hat + beta
```

<details><summary>Answer</summary>

It is $\\beta$.

</details>"""
ALT = 'A line from 1 to 2 & "up".'
PICTURE_CODE = f"""\
from d2lmini.show.figure import new_figure, show_figure
fig, (ax,) = new_figure()
ax.plot([1, 2])
show_figure(fig, {ALT!r}, '一条上升的线。', 'A rising line.')
"""
TRAINING = """\
import torch
from torch import nn
from d2lmini import train_ch6
from d2lmini.show import live
live.SHARE = 1  # enough frames, however slow the machine
X, y = torch.rand(256, 784), torch.arange(256) % 10
net = nn.Sequential(nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
history = train_ch6(net, [(X, y)] * {}, [(X, y)], 3, 0.1, 'cpu')
"""
SWITCH_JS = (Path(lang.__file__).parent / 'switch.js').read_text('utf8')
PRESS_ENGLISH = """
const model = {language: 'both', get: name => model[name],
  set: (name, value) => { model[name] = value; },
  save_changes: () => model.obey(),
  on: (_, obey) => { model.obey = obey; }};
render({model, el: document.querySelector('#switch')});
document.querySelectorAll('#switch button')[1].click();
"""
# What the first cell's output shows, noted whenever that changes. The cell is
# looked up each time: JupyterLab may build it anew while it opens a notebook.
WATCH = """() => {
  const noted = window.noted = [];
  const look = () => {
    const area = document.querySelector('.jp-CodeCell .jp-OutputArea');
    const now = {
      pictures: area?.querySelectorAll('img').length ?? 0,
      moving: area?.querySelector('.d2l-picture svg')?.innerHTML ?? '',
      height: area?.getBoundingClientRect().height ?? 0,
    };
    if (JSON.stringify(now) !== JSON.stringify(noted.at(-1))) noted.push(now);
    requestAnimationFrame(look);
  };
  look();
}"""
# At least two frames of the moving picture.
MOVES = '() => new Set(noted.map(now => now.moving)).size > 3'


@pytest.fixture(scope='module')
def lesson(lab: Lab, context: BrowserContext) -> Iterator[Notebook]:
    """Give an open notebook in both languages whose cells have run."""
    name = lab.write('lesson.ipynb', *lesson_cells())
    with quiet_page(context) as page:
        yield lab.open(page, name).run()


def lesson_cells(*saved: Any) -> list[Any]:
    """Return the cells of a lesson; `saved` are the switch's outputs."""
    return [
        prose(
            '# <span lang="zh">训练与推理</span> '
            '<span lang="en">Training and inference</span>'
        ),
        code('from d2lmini.show import switch\nswitch()', outputs=[*saved]),
        prose('<div lang="zh">\n\n训练时用小批量的均值。\n\n</div>'),
        prose('<div lang="en">\n\nTraining uses the batch.\n\n</div>'),
        code(
            PICTURE_CODE,
            metadata={'jupyter': {'outputs_hidden': True}},  # until it is run
            outputs=[new_output('stream', text='accuracy\n0.878\n')],
        ),
        prose(f'<div lang="en">\n\n{FORMS_TEXT}\n\n</div>'),
    ]


def test_before_any_cell_is_run_both_languages_show(
    lab: Lab, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[dict[str, Any]] = []
    monkeypatch.setattr(lang, 'in_notebook', lambda: True)
    monkeypatch.setattr(show_notebook, '_replace', lambda _: None)
    monkeypatch.setattr(
        show_notebook, 'publish', lambda bundle, **_: shown.append(bundle)
    )
    lang.switch()
    _, twin = shown  # the widget needs a kernel
    saved = new_output('display_data', data=twin)
    notebook = lab.open(page, lab.write('new.ipynb', *lesson_cells(saved)))
    expect(notebook.cell(SWITCH).get_by_role('paragraph')).to_be_visible()
    expect(notebook.cell(ZH).locator('[lang=zh]')).to_be_visible()
    expect(notebook.cell(EN).locator('[lang=en]')).to_be_visible()
    title = notebook.cell(TITLE).get_by_role('heading')
    expect(title).to_contain_text('训练与推理 Training and inference')
    expect(notebook.cell(PICTURE).get_by_text('0.878')).to_be_hidden()


def test_the_switch_shows_three_buttons(lesson: Notebook) -> None:
    buttons = lesson.cell(SWITCH).locator('.jp-OutputArea button')
    expect(buttons).to_have_text(['中文', 'English', '中英对照'])


@pytest.mark.parametrize(
    ('button', 'hidden'),
    [('English', [ZH]), ('中文', [EN, FORMS]), ('中英对照', [])],
)
def test_the_switch_hides_the_prose_of_the_other_language(
    button: str, hidden: list[int], lesson: Notebook
) -> None:
    lesson.press(button)
    for i in range(6):
        expect(lesson.cell(i)).to_be_visible(visible=i not in hidden)
    title = lesson.cell(TITLE).get_by_role('heading')
    for i, own in ((ZH, 'zh'), (EN, 'en')):
        words = title.locator(f'[lang={own}]')
        expect(words).to_be_visible(visible=i not in hidden)


def test_a_page_of_another_front_end_is_switched_as_a_whole(
    page: Page,
) -> None:
    words = '<div><div lang="zh">均值</div></div>'
    page.set_content(
        '<h1><span lang="zh">训练</span> <span lang="en">Training</span></h1>'
        f'<div class="text_cell rendered">{words}</div>'
        f'<div class="text_cell">{words} at work</div><div id="switch"></div>'
    )
    page.add_script_tag(type='module', content=SWITCH_JS + PRESS_ENGLISH)
    cells = page.locator('.text_cell')
    expect(cells.first).to_be_hidden()
    expect(cells.last).to_be_visible()
    expect(page.get_by_text('训练')).to_be_hidden()
    expect(page.get_by_text('Training')).to_be_visible()


def test_captions_follow_the_switch_without_a_new_run(
    lesson: Notebook,
) -> None:
    picture = lesson.cell(PICTURE)
    for button, zh, en in (
        ('English', False, True),
        ('中文', True, False),
        ('中英对照', True, True),
    ):
        lesson.press(button)
        expect(picture.locator('[lang=zh]')).to_be_visible(visible=zh)
        expect(picture.locator('[lang=en]')).to_be_visible(visible=en)
        expect(picture.get_by_text('[2]:')).to_be_visible()


def test_a_picture_has_its_alt_text(lesson: Notebook) -> None:
    picture = lesson.cell(PICTURE).locator('img')
    expect(picture).to_be_visible()
    expect(picture).to_have_attribute('alt', ALT)


def test_a_cell_at_work_is_hidden_only_when_done(lesson: Notebook) -> None:
    lesson.press('中英对照')
    zh = lesson.cell(ZH)
    zh.locator('[lang=zh]').dblclick()
    lesson.press('English')
    expect(lesson.cell(EN)).to_be_visible()
    expect(zh.locator('.cm-content')).to_be_visible()
    zh.locator('.cm-content').press('Control+Enter')
    expect(zh).to_be_hidden()


def test_formulas_lists_tables_code_and_details_render(
    lesson: Notebook,
) -> None:
    lesson.press('English')
    words = lesson.cell(FORMS).locator('[lang=en]')
    formulas = words.locator('mjx-container')
    expect(formulas).to_have_count(3)
    expect(formulas.nth(1)).to_be_visible()
    expect(words.locator('ul > li > strong')).to_have_text('two')
    expect(words.locator('table td')).to_have_text(['1', '0'])
    expect(words.locator('pre code span', has_text='=')).to_be_visible()
    expect(formulas.nth(2)).to_be_hidden()
    words.locator('summary').click()
    expect(formulas.nth(2)).to_be_visible()


def test_a_later_notebook_starts_as_chosen_and_keeps_to_itself(
    lab: Lab, lesson: Notebook
) -> None:
    lesson.press('English')
    expect(lesson.cell(ZH)).to_be_hidden()
    later = lesson.beside(lab.write('later.ipynb', *lesson_cells())).run()
    expect(later.cell(ZH)).to_be_hidden()
    expect(later.cell(EN)).to_be_visible()
    later.press('中文')
    expect(later.cell(EN)).to_be_hidden()
    expect(later.cell(ZH)).to_be_visible()
    expect(lesson.cell(ZH)).to_be_hidden()
    expect(lesson.cell(EN)).to_be_visible()


def test_a_training_moves_in_place_and_leaves_a_still_picture(
    lab: Lab, page: Page
) -> None:
    name = lab.write('training.ipynb', code(TRAINING.format(300)))
    notebook = lab.open(page, name)
    cell = notebook.cell(0)
    page.evaluate(WATCH)
    notebook.run(wait=False)
    expect(cell.locator('.d2l-picture svg')).to_be_visible()
    page.wait_for_function(MOVES)
    notebook.wait()
    still = cell.get_by_alt_text(re.compile('^Loss and accuracy .* 3 of 3'))
    expect(still).to_be_visible()
    expect(cell.locator('img')).to_have_count(1)
    expect(cell.locator('.jupyter-widgets')).to_have_count(0)
    # The device, the picture, the closing lines.
    expect(cell.locator('.jp-OutputArea-child')).to_have_count(3)
    closing = cell.locator('.jp-RenderedText').last
    expect(closing).to_have_text(re.compile(r'^loss .*examples/sec', re.S))
    noted = page.evaluate('noted')
    first = next(i for i, now in enumerate(noted) if now['pictures'])
    assert {now['pictures'] for now in noted[first:]} == {1}
    heights = [now['height'] for now in noted[first:]]
    assert heights == sorted(heights)  # it grows by the closing lines alone


def test_the_stop_button_ends_a_training_in_peace(
    lab: Lab, page: Page
) -> None:
    name = lab.write(
        'stopped.ipynb',
        code(TRAINING.format(1_000_000)),
        code('print(history.interrupted, net(X).shape)'),
    )
    notebook = lab.open(page, name)
    cell = notebook.cell(0)
    page.evaluate(WATCH)
    notebook.run(wait=False)
    page.wait_for_function(MOVES)
    notebook.stop()
    notebook.wait()
    expect(cell).to_contain_text(
        re.compile('被你停下|You stopped the training')
    )
    expect(cell.get_by_alt_text(re.compile('interrupted'))).to_be_visible()
    expect(cell.locator('.jupyter-widgets')).to_have_count(0)
    expect(notebook.panel.locator('[data-mime-type*=error]')).to_have_count(0)
    expect(notebook.cell(1)).to_contain_text('True torch.Size([256, 10])')
