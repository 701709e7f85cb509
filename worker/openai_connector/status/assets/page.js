(() => {
  'use strict';
  const EVERY = 3000;
  const live = document.getElementById('live');
  const lost = document.getElementById('lost');
  async function renew() {
    if (document.hidden) return;
    try {
      const answer = await fetch('/', { cache: 'no-store' });
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (next.innerHTML !== live.innerHTML && !String(getSelection())) live.replaceChildren(...next.childNodes);
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    }
  }
  setInterval(renew, EVERY);
  document.addEventListener('visibilitychange', renew);
})();
