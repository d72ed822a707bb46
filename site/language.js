{
  // The choice is kept from page to page; the first time, the browser's.
  const kept = () => { try { return localStorage.d2lmini; } catch {} };
  const own = navigator.language.startsWith('zh') ? 'zh' : 'en';
  const choose = language => {
    document.documentElement.lang = language === 'en' ? 'en' : 'zh';
    try { localStorage.d2lmini = language; } catch {}
  };
  for (const radio of document.querySelectorAll('[name=language]')) {
    radio.checked = radio.id === (kept() ?? own);
    radio.addEventListener('change', () => choose(radio.id));
  }
  choose(document.querySelector('[name=language]:checked')?.id ?? own);
}
