// Making elements, and bringing what is shown up to date without losing focus, scroll position or what is unfolded.

const $ = id => document.getElementById(id);

// Make an element. Attributes that are null or false are left out; children may be texts, elements, lists, or nothing.
function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false && child !== '') element.append(child);
  }
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const keyOf = node => (node.nodeType === 1 ? node.getAttribute('data-key') : null);

// Make the children of an element like new ones: elements of one key stay the same elements.
function patch(parent, ...wanted) {
  const focused = document.activeElement;
  patchChildren(parent, wanted.flat(Infinity).filter(node => node !== null && node !== false && node !== undefined));
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
}

function patchChildren(parent, wanted) {
  const keyed = new Map();
  for (const child of parent.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = parent.firstChild;
  for (const fresh of wanted) {
    const key = keyOf(fresh);
    let match = null;
    if (key) {
      match = keyed.get(key) || null;
      if (match && match.nodeName !== fresh.nodeName) match = null;
    } else {
      match = at;
      while (match && keyOf(match)) match = match.nextSibling;
      if (match && match.nodeName !== fresh.nodeName) match = null;
    }
    if (!match) {
      parent.insertBefore(fresh, at);
      continue;
    }
    if (match === at) at = at.nextSibling;
    else parent.insertBefore(match, at);
    patchNode(match, fresh);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function patchNode(old, fresh) {
  if (old.nodeType !== 1) {
    if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === 'open' && old.nodeName === 'DETAILS')) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (name === 'open' && old.nodeName === 'DETAILS') continue; // as the reader has left it
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  if (fresh.hasAttribute('data-loaded') || !old.hasAttribute('data-keep')) patchChildren(old, [...fresh.childNodes]);
}

// Times and counts

const state = { now: 0, nowAt: 0 }; // the engine's clock, and when it was read
const engineNow = () => (state.now ? state.now + (performance.now() - state.nowAt) : Date.now());

function span(milliseconds) {
  const seconds = Math.abs(milliseconds) / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

function relative(moment) {
  const passed = engineNow() - moment;
  if (Math.abs(passed) < 2000) return 'now';
  return passed > 0 ? `${span(passed)} ago` : `in ${span(passed)}`;
}

// A moment as people say it; `tickTimes` keeps it true.
function time(moment) {
  if (!moment) return h('span', {}, 'at a time unknown');
  const date = new Date(moment);
  return h('time', { 'data-at': moment, datetime: date.toISOString(), title: date.toLocaleString() }, relative(moment));
}

function tickTimes() {
  for (const element of document.querySelectorAll('time[data-at]')) {
    const text = relative(Number(element.dataset.at));
    if (element.textContent !== text) element.textContent = text;
  }
}

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;
const quoted = name => `‘${name}’`;

// What is said: briefly to all (toasts), to screen readers alone, or until it is dismissed (errors)

function toast(text) {
  const note = h('p', { class: 'toast' }, text);
  $('toasts').append(note);
  while ($('toasts').children.length > 2) $('toasts').firstElementChild.remove(); // they cover what is below
  setTimeout(() => note.remove(), 6000);
}

function say(text) {
  $('said').textContent = text;
}

function complain(text) {
  patch($('alerts'), h('div', { class: 'alert' }, h('p', {}, text),
    h('button', { type: 'button', class: 'button small', 'data-do': 'dismiss' }, 'Dismiss')));
}
