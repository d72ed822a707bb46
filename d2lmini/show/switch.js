/* The language switch: three buttons and one style rule, in the browser alone,
   so that it answers while the kernel trains, or when it is gone. The kernel
   is told, for the words that it prints and for the notebooks opened later. */

const NAMES = {zh: '中文', en: 'English', both: '中英对照'};
const TOLD = {zh: '只看中文', en: 'English only',
  both: '两种都看 · show both'};

/* The rule that hides the other language, in its own notebook only: another
   one in the same window may show another language. A page that is not
   JupyterLab's holds one notebook; an output in a tab of its own follows
   where all notebooks agree. */
export function rule(language) {
  const hidden = {zh: 'en', en: 'zh'}[language];
  if (!hidden) return '';
  const mark = `.d2l-hide-${hidden}`;
  const page = ':is(.jp-Notebook, body:not(:has(.jp-Notebook)))';
  const here = `${page}:has(${mark})`;
  const alone = `body:has(${mark}):not(:has(.d2l-hide-${language})) ` +
    '.jp-LinkedOutputView';
  // A picture's own name is in English in all languages.
  const words = `:is(div:not([role=img]), span)[lang=${hidden}]`;
  // Else an empty frame is left; a cell that is being edited stays.
  const cells = ['.jp-MarkdownCell', '.text_cell.rendered'].map(
    cell => `${here} ${cell}:has(div > div[lang=${hidden}])`);
  return [`${here} ${words}`, `${alone} ${words}`, ...cells].join(', ') +
    ' {display: none !important}';
}

function render({model, el}) {
  el.classList.add('d2l-live');
  const style = document.createElement('style');
  const mark = document.createElement('span');
  const row = document.createElement('div');
  row.className = 'd2l-buttons';
  const buttons = Object.entries(NAMES).map(([language, name]) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = name;
    button.title = TOLD[language];
    if (language !== 'both') button.setAttribute('lang', language);
    button.addEventListener('click', () => {
      model.set('language', language);
      model.save_changes();
    });
    row.append(button);
    return [language, button];
  });
  const obey = () => {
    const chosen = model.get('language');
    const hidden = {zh: 'en', en: 'zh'}[chosen];
    mark.className = hidden ? `d2l-hide-${hidden}` : '';
    style.textContent = rule(chosen);
    for (const [language, button] of buttons)
      button.setAttribute('aria-pressed', language === chosen);
  };
  obey();
  model.on('change:language', obey);
  el.append(row, mark, style);
  const rest = model.get('rest');
  if (rest) {
    const twin = document.createElement('style');
    twin.textContent = `.d2l-rest-${rest} {display: none}`;
    el.append(twin);
  }
}

export default {render};
