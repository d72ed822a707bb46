"""What a reader sees in JupyterLab of the explorers and the race."""

import re
from collections.abc import Iterator

import pytest
from lab import Lab, Notebook, quiet_page
from nbformat.v4 import new_code_cell as code
from playwright.sync_api import BrowserContext, Locator, Page, expect

SETUP = """\
import torch
from torch import nn
import d2lmini as d2l
from d2lmini.explore import averages as explore
from d2lmini.explore import nets as explore_nets
from d2lmini.show import lang
from d2lmini.explore.nets import Noise
from d2lmini.explore.race import Race
from d2lmini.explore.replay import record
lang.switch()
"""
TAPE = """\
d2l.set_seed(0)
draw = torch.Generator().manual_seed(2)
X, y = torch.rand(64, 1, 28, 28, generator=draw), torch.arange(64) % 10
net = d2l.lenet(d2l.torch_norm)
tape, _ = record(net, [(X, y)] * 4, [(X, y)], 2, 0.1, range(1, 9))
trained = tape.copy(8, 0.1)
"""
EXPLORERS = {
    'running_mean': 'explore.running_mean().show()',
    'any_momentum': 'explore.any_momentum(tape, X, y, every=2).show()',
    'eps': 'explore_nets.eps(tape, 8, X, y).show()',
    'noise': 'explore_nets.noise(Noise(trained, X)).show()',
}
RACE = """\
panel = Race((X, y, X, y), passes=200_000)
panel.show()
"""
SLIDERS = [
    ('running_mean', 'momentum'),
    ('running_mean', 'batch_size'),
    ('any_momentum', 'momentum'),
    ('any_momentum', 'step'),
    ('eps', 'eps'),
    ('noise', 'batch_size'),
]
FIRST = 2  # the cell of the first explorer


@pytest.fixture(scope='module')
def lesson(lab: Lab, context: BrowserContext) -> Iterator[Notebook]:
    """Give an open notebook with all explorers, whose cells have run."""
    cells = [SETUP, TAPE, *EXPLORERS.values(), RACE]
    name = lab.write('explorers.ipynb', *map(code, cells))
    with quiet_page(context) as page:
        yield lab.open(page, name).run()


def explorer(lesson: Notebook, name: str) -> Locator:
    return lesson.cell(FIRST + list(EXPLORERS).index(name))


def handle(cell: Locator, slider: str) -> Locator:
    """Return the part of a slider that has the keyboard, by its name."""
    return cell.get_by_role('slider', name=slider, exact=True)


def caption(cell: Locator) -> Locator:
    return cell.locator('.d2l-words[lang=en]').last


def seen(cell: Locator) -> tuple[str, str]:
    """Return the picture's address and the caption."""
    picture = cell.locator('img.jupyter-widgets').get_attribute('src')
    return picture or '', caption(cell).inner_text()


def changes(cell: Locator, before: tuple[str, str]) -> None:
    """Wait until picture and caption are others than before."""
    picture = cell.locator('img.jupyter-widgets')
    expect(picture).not_to_have_attribute('src', before[0])
    expect(caption(cell)).not_to_have_text(before[1])


@pytest.mark.parametrize(('name', 'slider'), SLIDERS)
def test_the_keyboard_changes_picture_and_caption(
    lesson: Notebook, name: str, slider: str
) -> None:
    cell = explorer(lesson, name)
    before = seen(cell)
    handle(cell, slider).press('Home')
    changes(cell, before)
    low = seen(cell)
    handle(cell, slider).press('End')
    changes(cell, low)
    assert seen(cell) != low
    cell.get_by_role('button', name='↺').click()
    expect(caption(cell)).to_have_text(before[1])


def test_dragging_changes_picture_and_caption(lesson: Notebook) -> None:
    cell = explorer(lesson, 'running_mean')
    before = seen(cell)
    grip = handle(cell, 'momentum')
    grip.hover()
    box = grip.bounding_box()
    assert box
    lesson.page.mouse.down()
    lesson.page.mouse.move(box['x'] - 60, box['y'] + 5, steps=4)
    lesson.page.mouse.up()
    changes(cell, before)
    cell.get_by_role('button', name='↺').click()
    expect(caption(cell)).to_have_text(before[1])


def test_a_number_typed_is_obeyed_or_told(lesson: Notebook) -> None:
    cell = explorer(lesson, 'running_mean')
    field = cell.get_by_role('spinbutton', name='batch_size')
    field.fill('64')
    field.press('Tab')
    expect(caption(cell)).to_contain_text('0.125')  # 1 / 8
    field.fill('999')
    field.press('Tab')
    expect(cell.get_by_role('alert').last).to_contain_text(
        'between 1 and 256, got 999; 256 is taken'
    )
    expect(field).to_have_value('256')
    expect(caption(cell)).to_contain_text('0.062.')  # 1 / 16
    cell.get_by_role('button', name='↺').click()
    expect(caption(cell)).to_contain_text('0.250')


def test_after_forty_fast_moves_the_last_value_shows(
    lesson: Notebook,
) -> None:
    cell = explorer(lesson, 'running_mean')
    grip = handle(cell, 'batch_size')
    grip.press('Home')
    for _ in range(40):
        grip.press('ArrowRight')
    expect(caption(cell)).to_contain_text(f'{41**-0.5:.3f}')
    fast = lesson.page.evaluate(PIXELS, picture(cell))
    grip.press('ArrowRight')
    expect(caption(cell)).to_contain_text(f'{42**-0.5:.3f}')
    grip.press('ArrowLeft')
    expect(caption(cell)).to_contain_text(f'{41**-0.5:.3f}')
    assert lesson.page.evaluate(PIXELS, picture(cell)) == fast
    cell.get_by_role('button', name='↺').click()


# The bytes that the widget shows, as numbers.
PIXELS = """async picture => {
  const answer = await fetch(picture.src);
  return [...new Uint8Array(await answer.arrayBuffer())];
}"""


def picture(cell: Locator) -> object:
    return cell.locator('img.jupyter-widgets').element_handle()


@pytest.mark.parametrize('name', EXPLORERS)
def test_the_switch_changes_the_caption(lesson: Notebook, name: str) -> None:
    cell = explorer(lesson, name)
    zh = cell.locator('.d2l-words[lang=zh]').last
    for button, chinese, english in (
        ('中文', True, False),
        ('English', False, True),
        ('中英对照', True, True),
    ):
        lesson.press(button)
        expect(zh).to_be_visible(visible=chinese)
        expect(caption(cell)).to_be_visible(visible=english)


def test_the_race_starts_draws_stops_and_starts_again(
    lesson: Notebook,
) -> None:
    cell = lesson.cell(FIRST + len(EXPLORERS))
    start = cell.get_by_role('button', name='start')
    before = cell.locator('img.jupyter-widgets').get_attribute('src')
    start.click()
    drawn = re.compile('images seen by each')
    expect(caption(cell)).to_have_text(drawn)
    changes(cell, (before or '', 'Press start.'))
    # The kernel is free while it runs: another explorer answers.
    other = explorer(lesson, 'eps')
    now = seen(other)
    handle(other, 'eps').press('End')
    changes(other, now)
    changes(cell, seen(cell))
    cell.get_by_role('button', name='stop').click()
    handle(other, 'eps').press('Home')  # handled after the stop
    expect(caption(other)).to_contain_text('eps=1e-10')
    stopped = seen(cell)
    start.click()
    changes(cell, stopped)
    cell.get_by_role('button', name='stop').click()


def test_an_error_in_a_frame_is_shown_under_the_slider(
    lab: Lab, context: BrowserContext
) -> None:
    name = lab.write(
        'broken.ipynb',
        code(
            'from ipywidgets import IntSlider\n'
            'from d2lmini.show.canvas import Canvas\n'
            'from d2lmini.show.figure import new_figure\n'
            'from d2lmini.explore.slide import Slide\n'
            'fig, _ = new_figure()\n'
            'def frame(step):\n'
            '    return str(1 / step), str(1 / step)\n'
            "Slide(Canvas(fig, []), frame, 'Nothing',\n"
            '      step=IntSlider(1, 0, 9)).show()\n'
        ),
    )
    with quiet_page(context) as page:
        notebook = lab.open(page, name).run()
        handle(notebook.cell(0), 'step').press('Home')
        expect(notebook.cell(0).get_by_role('alert')).to_contain_text(
            'ZeroDivisionError'
        )


def test_no_page_is_needed_for_the_race_to_end(
    lab: Lab, context: BrowserContext, page: Page
) -> None:
    name = lab.write(
        'closed.ipynb',
        code(SETUP),
        code(TAPE),
        code(RACE + 'panel.start()'),
        code('panel.stop(); print(panel.running, panel.trouble.value)'),
    )
    notebook = lab.open(page, name).run()
    expect(notebook.cell(3)).to_contain_text('False')
