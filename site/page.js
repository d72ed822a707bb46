// What scrolls in itself can be reached and moved by the keyboard, and its
// right edge fades while there is more behind it.
const fade = ({target: box}) => {
  const rest = box.scrollWidth - box.clientWidth - box.scrollLeft;
  box.classList.toggle('more', rest > 2);
};
const reach = new ResizeObserver(entries => {
  for (const {target} of entries) {
    if (target.scrollWidth > target.clientWidth) target.tabIndex = 0;
    else target.removeAttribute('tabindex');
    fade({target});
    target.addEventListener('scroll', fade, {passive: true});
  }
});

{
  const all = selector => document.querySelectorAll(selector);

  for (const block of all('.block')) {
    const button = document.createElement('button');
    button.type = 'button';
    button.className = 'copy';
    const say = (zh, en) => {
      button.innerHTML = `<span lang="zh">${zh}</span> ` +
        `<span lang="en">${en}</span>`;
    };
    say('复制', 'Copy');
    button.addEventListener('click', async () => {
      const code = block.querySelector('code');
      try {
        await navigator.clipboard.writeText(code.textContent);
      } catch {
        getSelection().selectAllChildren(code);
        document.execCommand('copy');
      }
      say('已复制', 'Copied');
      setTimeout(() => say('复制', 'Copy'), 1500);
    });
    block.append(button);
  }

  for (const box of all('.scroll')) reach.observe(box);

  // A narrow screen shows the lesson first; paper shows all.
  const contents = document.querySelector('.contents details');
  if (contents && innerWidth < 1000) contents.open = false;
  let folded = [];
  addEventListener('beforeprint', () => {
    folded = [...all('main details:not([open])')];
    for (const part of folded) part.open = true;
  });
  addEventListener('afterprint', () => {
    for (const part of folded) part.open = false;
  });
}
