(() => {
  'use strict';
  const EVERY = 3000;
  const PATIENCE = 5000;
  const live = document.getElementById('live');
  const lost = document.getElementById('lost');
  // Tables stay where they were scrolled to, and what had the focus has it again.
  function replace(next) {
    const kept = [...live.querySelectorAll('.wide')].map(box => [box.id, box.scrollTop, box.scrollLeft]);
    const focused = live.contains(document.activeElement) ? document.activeElement.id : '';
    live.replaceChildren(...next.childNodes);
    for (const [id, top, left] of kept) document.getElementById(id)?.scrollTo(left, top);
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }
  let asking = false;
  async function renew() {
    if (document.hidden || asking) return;
    asking = true;
    try {
      const answer = await fetch('./', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
      const next = new DOMParser().parseFromString(await answer.text(), 'text/html').getElementById('live');
      if (!String(getSelection())) replace(next); // else the time on the page says how old it is
      lost.hidden = true;
    } catch {
      lost.hidden = false;
    } finally {
      asking = false;
    }
  }
  setInterval(renew, EVERY);
  document.addEventListener('visibilitychange', renew);
})();
