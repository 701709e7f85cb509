// Talking to the sandbox: reading with ETags, so that nothing new costs nothing; changes with the page's token.

const meta = name => document.querySelector(`meta[name="sandbox-${name}"]`).content;
let token = meta('token');
let run = meta('run');
const seen = new Map(); // address -> ETag and document

class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// Read a document; `fresh` tells whether it is another one than before.
async function read(address) {
  const known = seen.get(address);
  const answer = await fetch(address, { cache: 'no-store', headers: known ? { 'If-None-Match': known.tag } : {} });
  if (answer.status === 304 && known) return { document: known.document, fresh: false };
  const found = await answer.json();
  if (!answer.ok) throw new Refused(found.error, answer.status);
  if (seen.size > 40) seen.clear();
  seen.set(address, { tag: answer.headers.get('ETag'), document: found });
  return { document: found, fresh: true };
}

async function picture(process) {
  const answer = await fetch(`/api/processes/${process}/diagram.svg`, { cache: 'no-store' });
  if (!answer.ok) throw new Refused((await answer.json()).error, answer.status);
  return new DOMParser().parseFromString(await answer.text(), 'image/svg+xml').documentElement;
}

async function change(address, body) {
  let answer;
  try {
    answer = await fetch(address, {
      method: 'POST',
      cache: 'no-store',
      headers: { 'Content-Type': 'application/json', 'X-Sandbox-Token': token },
      body: JSON.stringify(body || {}),
    });
  } catch {
    throw new Refused('The sandbox does not answer: is it still running?', 0);
  }
  const found = await answer.json().catch(() => ({ error: `The sandbox answered with status ${answer.status}.` }));
  if (!answer.ok) throw new Refused(found.error, answer.status);
  return found;
}

// A restarted sandbox has another token: use it, and stay where the reader is.
async function renew() {
  const text = await (await fetch('/', { cache: 'no-store' })).text();
  const page = new DOMParser().parseFromString(text, 'text/html');
  token = page.querySelector('meta[name="sandbox-token"]').content;
  run = page.querySelector('meta[name="sandbox-run"]').content;
  seen.clear();
}
