"""What a reader sees in JupyterLab of the explorers and the race."""

import re
from collections.abc import Iterator

import pytest
from lab import Lab, Notebook, quiet_page
from nbformat.v4 import new_code_cell as code
from playwright.sync_api import BrowserContext, Locator, expect

SETUP = """\
import torch
from torch import nn
import d2lmini as d2l
from d2lmini import explore
from d2lmini.explore import Noise, Race, record
from d2lmini.show import switch
switch()
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
    'eps': 'explore.eps(tape, 8, X, y).show()',
    'noise': 'explore.noise(Noise(trained, X)).show()',
    'family': "explore.family('images').show()",
}
RACE = """\
panel = Race((X, y, X, y), passes=40_000)
panel.show()
"""
BROKEN = """\
from d2lmini.explore import Slide, Slider
from d2lmini.show import Canvas, new_figure
fig, _ = new_figure()
def frame(step):
    return str(1 / step), str(1 / step)
Slide(Canvas(fig, []), frame, 'Nothing', step=Slider(1, 0, 9)).show()
"""
STARTED = RACE.replace('panel', 'other') + 'other.start()'
ENDED = 'other.stop(); print(other.running, other.widget.trouble)'
CELLS = [SETUP, TAPE, *EXPLORERS.values(), RACE, BROKEN, STARTED, ENDED]
SLIDERS = [
    ('running_mean', 'momentum'),
    ('running_mean', 'batch_size'),
    ('any_momentum', 'momentum'),
    ('any_momentum', 'step'),
    ('eps', 'eps'),
    ('noise', 'batch_size'),
    ('family', 'groups'),
]
# What moves in a picture, as the browser has it.
STROKES = """cell => [...cell.querySelectorAll(
  '.d2l-picture path, .d2l-picture rect, .d2l-picture text')].map(
    e => [e.getAttribute('d'), e.getAttribute('fill'),
      e.getAttribute('display'), e.textContent]).join()"""


@pytest.fixture(scope='module')
def lesson(lab: Lab, context: BrowserContext) -> Iterator[Notebook]:
    """Give an open notebook with all explorers, whose cells have run."""
    name = lab.write('explorers.ipynb', *map(code, CELLS))
    with quiet_page(context) as page:
        yield lab.open(page, name).run()


def explorer(lesson: Notebook, name: str) -> Locator:
    return lesson.cell(CELLS.index(EXPLORERS[name]))


def handle(cell: Locator, slider: str) -> Locator:
    """Return the part of a slider that has the keyboard, by its name."""
    return cell.get_by_role('slider', name=slider, exact=True)


def field(cell: Locator, slider: str) -> Locator:
    return cell.get_by_role('textbox', name=slider, exact=True)


def caption(cell: Locator) -> Locator:
    return cell.locator('.d2l-caption .d2l-words[lang=en]')


def strokes(cell: Locator) -> str:
    return str(cell.evaluate(STROKES))


def seen(cell: Locator) -> tuple[str, str]:
    """Return what moves in the picture, and the caption."""
    return strokes(cell), caption(cell).inner_text()


def changes(cell: Locator, before: tuple[str, str]) -> None:
    """Wait until picture and caption are others than before."""
    expect(caption(cell)).not_to_have_text(before[1])
    assert strokes(cell) != before[0]


def reset(cell: Locator) -> None:
    cell.get_by_role('button', name='reset').click()


@pytest.mark.parametrize(('name', 'slider'), SLIDERS)
def test_the_keyboard_changes_picture_and_caption(
    lesson: Notebook, name: str, slider: str
) -> None:
    cell = explorer(lesson, name)
    before, start = seen(cell), field(cell, slider).input_value()
    for key in ('Home', 'End'):
        now = seen(cell)
        handle(cell, slider).press(key)
        changes(cell, now)
        # A screen reader hears the number that the field shows.
        value = field(cell, slider).input_value()
        expect(handle(cell, slider)).to_have_attribute('aria-valuetext', value)
    reset(cell)
    expect(caption(cell)).to_have_text(before[1])
    expect(field(cell, slider)).to_have_value(start)
    assert strokes(cell) == before[0]


def test_dragging_changes_picture_and_caption(lesson: Notebook) -> None:
    cell = explorer(lesson, 'running_mean')
    before = seen(cell)
    grip = handle(cell, 'momentum')
    grip.scroll_into_view_if_needed()
    box = grip.bounding_box()
    assert box
    middle = box['y'] + box['height'] / 2
    lesson.page.mouse.move(box['x'] + 0.7 * box['width'], middle)
    lesson.page.mouse.down()
    lesson.page.mouse.move(box['x'] + 0.3 * box['width'], middle, steps=4)
    lesson.page.mouse.up()
    changes(cell, before)
    reset(cell)
    expect(caption(cell)).to_have_text(before[1])


def test_each_line_has_a_clip_of_its_own(lesson: Notebook) -> None:
    ids = lesson.page.evaluate(
        "[...document.querySelectorAll('clipPath[id^=d2l]')].map(e => e.id)"
    )
    assert len(ids) > 10 and len({*ids}) == len(ids)


# Each number that the lessons ask for, and the edges of what is read.
TYPED = [
    ('running_mean', 'momentum', '0.9', 'momentum=0.9 '),
    ('running_mean', 'momentum', '0.01', 'momentum=0.01 '),
    ('running_mean', 'momentum', '0.3', 'momentum=0.3 '),
    ('running_mean', 'batch_size', '64', 'one batch mean, by formula, 0.125'),
    ('any_momentum', 'momentum', '0.9', 'momentum=0.9:'),
    ('any_momentum', 'momentum', '1e-4', 'momentum=0.0001:'),
    ('any_momentum', 'step', '4', 'Step 4,'),
    ('eps', 'eps', '0.002', 'eps=0.002:'),
    ('eps', 'eps', '3e-7', 'eps=3e-07:'),
    ('noise', 'batch_size', '3', 'Batch size 3:'),
]


@pytest.mark.parametrize(('name', 'slider', 'typed', 'said'), TYPED)
def test_a_typed_number_is_used_exactly(
    lesson: Notebook, name: str, slider: str, typed: str, said: str
) -> None:
    cell = explorer(lesson, name)
    field(cell, slider).fill(typed)
    field(cell, slider).press('Tab')
    expect(caption(cell)).to_contain_text(said)
    value = field(cell, slider).input_value()
    assert float(value) == float(typed) and len(value) <= 8
    expect(handle(cell, slider)).to_have_attribute('aria-valuetext', value)
    reset(cell)


@pytest.mark.parametrize(
    ('slider', 'typed', 'why'),
    [
        ('batch_size', '999', 'batch_size must be a whole number between 1 '
         'and 256, got 999; 16 stays.'),
        ('batch_size', '16.5', 'between 1 and 256, got 16.5; 16 stays.'),
        ('batch_size', '', 'got ∅; 16 stays.'),
        ('momentum', '0', 'momentum must be a number between 0.001 and 1, '
         'got 0; 0.1 stays.'),
        ('momentum', '0,5', 'got 0,5; 0.1 stays.'),
        ('momentum', '<b>', 'got <b>; 0.1 stays.'),
    ],
)  # fmt: skip
def test_another_number_is_refused_with_the_rule(
    lesson: Notebook, slider: str, typed: str, why: str
) -> None:
    cell = explorer(lesson, 'running_mean')
    before = seen(cell)
    kept = field(cell, slider).input_value()
    field(cell, slider).fill(typed)
    field(cell, slider).press('Enter')
    expect(cell.locator('[role=alert] [lang=en]')).to_contain_text(why)
    expect(field(cell, slider)).to_have_value(kept)
    assert seen(cell) == before
    reset(cell)
    expect(cell.locator('[role=alert] [lang=en]')).to_have_count(0)


def test_after_forty_fast_moves_the_last_value_shows(
    lesson: Notebook,
) -> None:
    cell = explorer(lesson, 'running_mean')
    grip = handle(cell, 'batch_size')
    grip.press('Home')
    for _ in range(40):
        grip.press('ArrowRight')
    expect(caption(cell)).to_contain_text(f'{41**-0.5:.3f}')
    fast = strokes(cell)
    grip.press('ArrowRight')
    expect(caption(cell)).to_contain_text(f'{42**-0.5:.3f}')
    grip.press('ArrowLeft')
    expect(caption(cell)).to_contain_text(f'{41**-0.5:.3f}')
    assert strokes(cell) == fast
    reset(cell)


def test_keys_at_a_slider_are_no_commands_of_the_notebook(
    lesson: Notebook,
) -> None:
    cell = explorer(lesson, 'noise')
    cells = lesson.panel.locator('.jp-Notebook .jp-Cell')
    number = cells.count()
    grip = handle(cell, 'batch_size')
    for key in ('a', 'b', 'd', 'd', 'ArrowLeft', 'ArrowUp'):
        grip.press(key)
    expect(grip).to_be_focused()
    expect(cells).to_have_count(number)
    expect(field(cell, 'batch_size')).to_have_value('16')
    reset(cell)


@pytest.mark.parametrize('name', EXPLORERS)
def test_picture_and_captions_are_named_and_follow_the_switch(
    lesson: Notebook, name: str
) -> None:
    cell = explorer(lesson, name)
    zh = cell.locator('.d2l-caption .d2l-words[lang=zh]')
    for button, chinese, english in (
        ('中文', True, False),
        ('English', False, True),
        ('中英对照', True, True),
    ):
        lesson.press(button)
        expect(zh).to_be_visible(visible=chinese)
        expect(caption(cell)).to_be_visible(visible=english)
        expect(cell.locator('.d2l-picture svg')).to_be_visible()
    # The still twin is hidden; the picture has its words.
    expect(cell.locator('.jp-RenderedHTML img')).to_be_hidden()
    picture = cell.get_by_role('img').first
    expect(picture).to_have_attribute('aria-label', re.compile('.{20}'))
    said = cell.locator('.d2l-caption[aria-live=polite]')
    expect(said).to_have_count(1)


def test_the_race_starts_draws_stops_and_starts_again(
    lesson: Notebook,
) -> None:
    cell = lesson.cell(CELLS.index(RACE))
    expect(field(cell, 'lr')).to_have_value('0.5')
    start = cell.get_by_role('button', name='start')
    before = strokes(cell)
    start.click()
    drawn = re.compile('images seen by each')
    expect(caption(cell)).to_have_text(drawn)
    changes(cell, (before, 'Press start.'))
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
    lesson: Notebook,
) -> None:
    cell = lesson.cell(CELLS.index(BROKEN))
    handle(cell, 'step').press('Home')
    expect(cell.locator('pre[role=alert]')).to_contain_text(
        'ZeroDivisionError'
    )


def test_no_page_is_needed_for_the_race_to_end(lesson: Notebook) -> None:
    # While the cells ran, the kernel had no time for what the page sends.
    cell = lesson.cell(CELLS.index(ENDED))
    expect(cell).to_contain_text('False')


@pytest.fixture(scope='module')
def folding(lab: Lab, context: BrowserContext) -> Iterator[Notebook]:
    """Give an open notebook with one slide and a count of all widgets."""
    count = (
        'from ipywidgets.widgets.widget import _instances\n'
        'print("widgets", len(_instances))'
    )
    cells = SETUP, 'explore.folding().show()', count
    name = lab.write('folding.ipynb', *map(code, cells))
    with quiet_page(context) as page:
        yield lab.open(page, name).run()


def test_running_a_cell_again_leaves_one_widget(folding: Notebook) -> None:
    words = folding.cell(2).locator('.jp-RenderedText')
    first = words.inner_text()
    assert first.startswith('widgets ')
    folding.run_again()
    expect(words).to_have_text(first)
    handle(folding.cell(1), 'eps').press('End')
    expect(caption(folding.cell(1))).to_contain_text('eps=1:')


def test_reopened_without_a_kernel_it_shows_what_was_saved(
    lab: Lab, folding: Notebook, context: BrowserContext
) -> None:
    folding.save_and_shut_down()
    # JupyterLab itself logs that the model is gone.
    page = context.new_page()
    cell = lab.open(page, folding.name).cell(1)
    expect(cell.locator('.jp-RenderedHTML img')).to_be_visible()
    expect(cell.locator('.d2l-words[lang=en]')).to_be_visible()
    bare = cell.locator('.jupyter-widgets').first
    style = """e => [getComputedStyle(e).fontSize,
      getComputedStyle(e, '::after').content]"""
    expect(bare).to_contain_text('model not found')
    size, content = bare.evaluate(style)
    assert size == '0px' and 'Run this cell' in content
    page.close()
