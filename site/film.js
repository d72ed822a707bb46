/* An explorer without a kernel: a model for `draw.js` that plays a film, as
   `d2lmini.explore` records it. This text follows that of `draw.js` in one
   module, and so uses its names. */

const GAP = '\0'; // where a number stood

/* Words as a film keeps them: a text with gaps, and the numbers for these. */
function filled(text, numbers) {
  const each = numbers.split(' ');
  return text.split(GAP).reduce((said, part, i) => said + each[i - 1] + part);
}

export function play(film) {
  const {sliders, starts, strokes, texts, frames} = film;
  const calls = {};
  const frame = values => {
    // The places of the last slider follow each other.
    const k = sliders.reduce((k, {name, places}) =>
      k * places.length + nearest(places, values[name]), 0);
    const [moved, zh, en, ofZh, ofEn] = frames[k];
    return {
      strokes: moved.map(i => strokes[i]),
      zh: filled(texts[zh], texts[ofZh]),
      en: filled(texts[en], texts[ofEn]),
    };
  };
  const held = {...film, values: starts, frame: frame(starts), buttons: [],
    trouble: '', rest: '', film: true};
  const change = (name, value) => {
    held[name] = value;
    (calls[`change:${name}`] ?? []).forEach(call => call());
  };
  return {
    get: name => held[name],
    set(name, value) {
      change(name, value);
      if (name === 'values') change('frame', frame(value));
    },
    save_changes() {},
    send() {},
    on: (event, call) => (calls[event] ??= []).push(call),
  };
}

/* A film is packed on the page: JSON, deflated, in base64. */
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt());
  const stream = new Blob([bytes]).stream();
  return new Response(
    stream.pipeThrough(new DecompressionStream('deflate'))).json();
}

for (const figure of document.querySelectorAll('figure.film')) {
  const film = await unpacked(figure.querySelector('script').textContent);
  const el = make('div', {});
  render({model: play(film), el});
  // On a narrow screen the picture scrolls in a box of its own.
  const picture = el.querySelector('.d2l-picture');
  const box = make('div', {class: 'card scroll'});
  picture.replaceWith(box);
  box.append(picture);
  reach.observe(box); // as the boxes of the page, in `page.js`
  figure.prepend(el);
  figure.classList.add('playing');
}
