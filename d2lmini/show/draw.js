/* What moves in a picture, drawn over a still one; above it sliders, below it
   the caption. The same script serves the notebook, where a kernel answers a
   move with a frame, and the static page, where a film does.

   A model has get(name), set(name, value), save_changes(), send(message) and
   on('change:' + name, call). Its names:

   picture  {width, height, still, alt, looks}: a still picture as an address,
            its size in px, and the look of each thing that moves
   frame    {strokes, zh, en}: where these things are, and the caption
   sliders  [{name, places, least, most, whole}]: the places of a slider, and
            the range of a number that is typed
   values   {name: number}
   starts   {name: number}, where reset goes
   buttons  [{name, zh, en}]
   trouble  what went wrong in the kernel
   film     true where there is no kernel: numbers can't be typed there     */

const SVG = 'http://www.w3.org/2000/svg';
const TENTHS = 10; // places are whole tenths of a px

/* Marks around a point, for a size s in px; a round one is a dot of a thick
   round pen. */
const MARKS = {
  s: s => `m${-s / 2} ${-s / 2}h${s}v${s}h${-s}z`,
  '^': s => `m0 ${-s / 2}l${s / 2} ${s}h${-s}z`,
  v: s => `m0 ${s / 2}l${s / 2} ${-s}h${-s}z`,
  D: s => `m0 ${-0.7 * s}l${0.7 * s} ${0.7 * s}l${-0.7 * s} ${0.7 * s}` +
    `l${-0.7 * s} ${-0.7 * s}z`,
  P: s => `m${-s / 6} ${-s / 2}h${s / 3}v${s / 3}h${s / 3}v${s / 3}` +
    `h${-s / 3}v${s / 3}h${-s / 3}v${-s / 3}h${-s / 3}v${-s / 3}h${s / 3}z`,
};

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {}))
    element.setAttribute(name, value);
  element.append(...children);
  return element;
}

function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes))
    element.setAttribute(name, value);
  return element;
}

function both(zh, en, tag = 'span') {
  const pair = [make(tag, {lang: 'zh'}), make(tag, {lang: 'en'})];
  [zh, en].forEach((words, i) => { pair[i].innerHTML = words; });
  if (tag === 'div')
    pair.forEach(element => element.classList.add('d2l-words'));
  return pair;
}

/* Points of a stroke: steps from one to the next; null lifts the pen. */
export function points(stroke) {
  const found = [];
  let x = 0, y = 0, lifted = true;
  for (let i = 0; i < stroke.length; i += 2) {
    if (stroke[i] === null) {
      lifted = true;
      continue;
    }
    x += stroke[i];
    y += stroke[i + 1];
    found.push([x / TENTHS, y / TENTHS, lifted]);
    lifted = false;
  }
  return found;
}

/* A thing that moves: put(stroke) shows it there. */
const THINGS = {
  line(look, clip) {
    const group = shape('g', {'clip-path': `url(#${clip})`,
      opacity: look.alpha});
    const line = shape('path', {fill: 'none', stroke: look.color,
      'stroke-width': look.width, 'stroke-dasharray': look.dash.join(' '),
      'stroke-linejoin': 'round'});
    const round = look.mark === 'o';
    const marks = shape('path', round ?
      {fill: 'none', stroke: look.color, 'stroke-width': look.size,
        'stroke-linecap': 'round'} :
      {fill: look.color, stroke: look.color, 'stroke-width': 1});
    group.append(line, marks);
    const mark = round ? 'h0' : MARKS[look.mark]?.(look.size);
    return [group, stroke => {
      const found = points(stroke);
      if (look.width)
        line.setAttribute('d', found.map(
          ([x, y, lifted]) => `${lifted ? 'M' : 'L'}${x} ${y}`).join(''));
      if (mark)
        marks.setAttribute('d', found.map(
          ([x, y]) => `M${x} ${y}${mark}`).join(''));
    }];
  },

  /* Cells between lines at x and at y; a stroke has a colour's number for
     each, or null. */
  cells(look) {
    const group = shape('g', {opacity: look.alpha});
    const cells = [];
    for (let j = 0; j + 1 < look.y.length; j++)
      for (let i = 0; i + 1 < look.x.length; i++)
        cells.push(group.appendChild(shape('rect', {
          x: Math.min(look.x[i], look.x[i + 1]),
          y: Math.min(look.y[j], look.y[j + 1]),
          width: Math.abs(look.x[i + 1] - look.x[i]),
          height: Math.abs(look.y[j + 1] - look.y[j]),
          stroke: '#fff', 'stroke-width': look.width,
        })));
    return [group, stroke => cells.forEach((cell, i) => {
      const hue = stroke[i];
      cell.setAttribute('display', hue === null ? 'none' : 'inline');
      if (hue !== null) cell.setAttribute('fill', look.colors[hue]);
    })];
  },

  text(look) {
    const text = shape('text', {x: look.x, y: look.y, fill: look.color,
      'font-size': look.size, 'text-anchor': 'middle',
      'font-family': 'DejaVu Sans, Verdana, sans-serif'});
    return [text, stroke => { text.textContent = stroke; }];
  },
};

/* Names of clips hold for the whole page, and each widget has a copy of this
   script: a number alone would be another widget's too. */
const OWN = Math.random().toString(36).slice(2);
let count = 0;

function picture(model) {
  const frame = make('div', {class: 'd2l-picture', role: 'img'});
  let puts = [];

  const move = () => {
    const strokes = model.get('frame').strokes || [];
    puts.forEach((put, i) => i in strokes && put(strokes[i]));
  };

  const start = () => {
    const {width, height, still, alt, looks} = model.get('picture');
    if (!still) return;
    const svg = shape('svg', {viewBox: `0 0 ${width} ${height}`,
      'aria-hidden': 'true'});
    puts = looks.map(look => {
      const id = `d2l-clip-${OWN}-${count++}`;
      if (look.clip) {
        const [x, y, w, h] = look.clip;
        const clip = shape('clipPath', {id});
        clip.append(shape('rect', {x, y, width: w, height: h}));
        svg.append(clip);
      }
      const [element, put] = THINGS[look.kind](look, id);
      svg.append(element);
      return put;
    });
    const image = make('img', {src: still, alt: '', width, height});
    frame.style.width = `${width}px`;
    frame.setAttribute('aria-label', alt);
    frame.setAttribute('lang', 'en');
    frame.replaceChildren(image, svg);
    move();
  };
  start();
  model.on('change:picture', start);
  model.on('change:frame', move);
  return frame;
}

/* A number as people write it: 0.02, 16, 1e-5, 3.16e-9. */
export function short(value) {
  const [digits, power] = value.toExponential().split('e');
  return value && Math.abs(value) < 1e-3 ? `${digits}e${+power}` :
    String(value);
}

/* Why a text is no number for this slider, in both languages, or null. */
export function refused({name, least, most, whole}, text, kept) {
  const value = text.trim() === '' ? NaN : Number(text);
  if (value >= least && value <= most && (!whole || Number.isInteger(value)))
    return null;
  const got = make('span', {}, text.trim() || '∅').innerHTML;
  const ends = [short(least), short(most)];
  return [
    `${name}要是${ends[0]}到${ends[1]}之间的${whole ? '整数' : '数'}，` +
    `输入的是${got}；仍按${short(kept)}算。`,
    `${name} must be a ${whole ? 'whole ' : ''}number between ${ends[0]} ` +
    `and ${ends[1]}, got ${got}; ${short(kept)} stays.`,
  ];
}

function nearest(places, value) {
  let best = 0;
  places.forEach((place, i) => {
    if (Math.abs(place - value) < Math.abs(places[best] - value)) best = i;
  });
  return best;
}

function row(model, slider, choose, tell) {
  const {name, places} = slider;
  const range = make('input', {type: 'range', min: 0, step: 1,
    max: places.length - 1, 'aria-label': name});
  const film = model.get('film');
  const field = film ? make('output', {class: 'd2l-field'}) :
    make('input', {type: 'text', class: 'd2l-field', inputmode: 'decimal',
      'aria-label': name, autocomplete: 'off', spellcheck: 'false'});
  const show = () => {
    const value = model.get('values')[name];
    range.value = nearest(places, value);
    range.setAttribute('aria-valuetext', short(value));
    field.value = short(value);
  };
  range.addEventListener('input', () => {
    tell(null);
    choose({[name]: places[range.value]});
  });
  const take = () => {
    const kept = model.get('values')[name];
    if (field.value === short(kept)) return;
    const why = refused(slider, field.value, kept);
    tell(why);
    if (why) show();
    else choose({[name]: Number(field.value)});
  };
  if (!film) {
    field.addEventListener('change', take);
    field.addEventListener('keydown', event => {
      if (event.key === 'Enter') take();
    });
  }
  show();
  model.on('change:values', show);
  return make('div', {class: 'd2l-row'},
    make('span', {class: 'd2l-name'}, name), range, field);
}

function controls(model) {
  const told = make('div', {class: 'd2l-trouble', role: 'alert'});
  const tell = why => told.replaceChildren(...(why ? both(...why) : []));
  const choose = changed => {
    model.set('values', {...model.get('values'), ...changed});
    model.save_changes();
  };
  const rows = model.get('sliders').map(
    slider => row(model, slider, choose, tell));
  const buttons = model.get('buttons').map(({name, zh, en}) => {
    const button = make('button', {type: 'button', 'data-name': name},
      ...both(zh, en));
    button.addEventListener('click', () => model.send({press: name}));
    return button;
  });
  const reset = make('button', {type: 'button', 'data-name': 'reset'},
    '↺ ', ...both('回到起点 ', 'reset'));
  reset.addEventListener('click', () => {
    tell(null);
    choose(model.get('starts'));
  });
  const failed = make('pre', {class: 'd2l-trouble', role: 'alert'});
  const fail = () => { failed.textContent = model.get('trouble'); };
  fail();
  model.on('change:trouble', fail);
  return [make('div', {class: 'd2l-rows'}, ...rows),
    make('div', {class: 'd2l-buttons'}, ...buttons, reset), told, failed];
}

function caption(model) {
  const words = make('div', {class: 'd2l-caption', 'aria-live': 'polite'});
  const say = () => {
    const {zh, en} = model.get('frame');
    words.replaceChildren(...(zh || en ? both(zh, en, 'div') : []));
  };
  say();
  model.on('change:frame', say);
  return words;
}

function render({model, el}) {
  el.classList.add('d2l-live');
  const sliding = model.get('sliders').length;
  el.append(...(sliding ? controls(model) : []), picture(model),
    ...(sliding ? [caption(model)] : []));
  // JupyterLab's and Notebook's keys are not for whoever holds a slider.
  for (const held of el.querySelectorAll('input, button'))
    held.setAttribute('data-lm-suppress-shortcuts', 'true');
  // The still twin, for readers without a kernel, is not needed twice.
  const rest = model.get('rest');
  if (rest)
    el.append(make('style', {}, `.d2l-rest-${rest} {display: none}`));
}

export default {render};
