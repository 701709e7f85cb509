// The diagram: what has happened at each element, tokens as badges, and its size.

const pictures = new Map(); // key of the process -> its picture
const drawn = { process: '', svg: null, width: 1, height: 1, zoom: 0, selected: '', shown: '' };

async function showPicture(process) {
  if (drawn.process === process) return;
  if (!pictures.has(process)) pictures.set(process, await picture(process));
  const image = document.importNode(pictures.get(process), true);
  const [, , width, height] = image.getAttribute('viewBox').split(' ').map(Number);
  Object.assign(drawn, { process, svg: image, width, height, zoom: 0, shown: '' });
  for (const group of image.querySelectorAll('.event, .activity, .gateway')) {
    group.setAttribute('role', 'button');
    group.setAttribute('tabindex', '-1');
  }
  image.setAttribute('role', 'group');
  image.setAttribute('aria-label', 'Diagram: arrow keys go from element to element, Enter selects one');
  $('canvas').replaceChildren(image);
  $('picture').hidden = false;
  resize();
}

function hidePicture() {
  Object.assign(drawn, { process: '', svg: null });
  $('picture').hidden = true;
  $('canvas').replaceChildren();
}

// Size

function resize() {
  if (!drawn.svg) return;
  const room = Math.max($('canvas').clientWidth - 18, 120);
  const fitting = Math.min(room / drawn.width, (window.innerHeight * 0.55) / drawn.height, 1.3);
  const scale = drawn.zoom || Math.max(fitting, 0.6);
  drawn.scale = scale;
  drawn.svg.setAttribute('width', Math.round(drawn.width * scale));
  drawn.svg.setAttribute('height', Math.round(drawn.height * scale));
}

function zoom(factor) {
  drawn.zoom = factor ? Math.min(3, Math.max(0.15, (drawn.scale || 1) * factor)) : 0;
  if (!factor) { // all of it, however small
    const room = Math.max($('canvas').clientWidth - 18, 120);
    drawn.zoom = Math.min(room / drawn.width, (window.innerHeight * 0.55) / drawn.height, 1.3);
  }
  resize();
}

function reveal(element) {
  const group = groupOf(element);
  const canvas = $('canvas');
  if (!group) return;
  const place = group.getBoundingClientRect();
  const frame = canvas.getBoundingClientRect();
  if (place.left < frame.left || place.right > frame.right) {
    canvas.scrollLeft += place.left + place.width / 2 - frame.left - frame.width / 2;
  }
  if (place.top < frame.top || place.bottom > frame.bottom) {
    canvas.scrollTop += place.top + place.height / 2 - frame.top - frame.height / 2;
  }
}

const groupOf = element => drawn.svg && drawn.svg.querySelector(`[data-element="${CSS.escape(element)}"]`);

// What has happened

// Colour the picture. `elements`: id -> active, completed, terminated, incidents, below. What stands in no picture
// (in a collapsed sub-process) is shown at what stands around it.
function colour({ elements, flows, names, parents, selected }) {
  const shown = JSON.stringify([elements, flows, selected]);
  if (!drawn.svg || drawn.shown === shown) return;
  drawn.shown = shown;
  for (const group of drawn.svg.querySelectorAll('[data-element]')) {
    group.classList.remove('is-done', 'is-taken', 'is-ended', 'is-running', 'is-trouble', 'is-selected');
  }
  drawn.svg.querySelectorAll('.badge').forEach(badge => badge.remove());
  for (const flow of Object.keys(flows || {})) groupOf(flow)?.classList.add('is-taken');
  const found = new Map();
  for (const [id, counts] of Object.entries(elements)) {
    let at = id;
    while (at && !groupOf(at)) at = parents?.[at] || '';
    if (!at) continue;
    const sum = found.get(at) || { active: 0, completed: 0, terminated: 0, incidents: 0, below: false };
    if (at === id) Object.assign(sum, { completed: counts.completed || 0, terminated: counts.terminated || 0 });
    sum.active = at === id ? Math.max(sum.active, counts.active) : sum.active + counts.active;
    sum.incidents += counts.incidents;
    sum.below = sum.below || counts.below;
    found.set(at, sum);
  }
  for (const [id, counts] of found) mark(groupOf(id), names?.[id] || id, counts);
  if (selected) groupOf(selected)?.classList.add('is-selected');
  for (const group of drawn.svg.querySelectorAll('[role="button"]')) {
    const id = group.dataset.element;
    if (!found.has(id)) group.setAttribute('aria-label', names?.[id] || id);
    group.setAttribute('aria-pressed', String(id === selected));
    const matters = group.classList.contains('is-trouble') || group.classList.contains('is-running');
    group.setAttribute('tabindex', matters ? '0' : '-1');
  }
  if (!drawn.svg.querySelector('[role="button"][tabindex="0"]')) {
    drawn.svg.querySelector('[role="button"]')?.setAttribute('tabindex', '0');
  }
}

function mark(group, name, counts) {
  const troubled = counts.incidents > 0 || counts.below;
  if (troubled) group.classList.add('is-trouble');
  else if (counts.active) group.classList.add('is-running');
  else if (counts.completed) group.classList.add('is-done');
  else if (counts.terminated) group.classList.add('is-ended');
  const body = group.querySelector('.body');
  const box = body ? body.getBBox() : group.getBBox();
  if (counts.active) badge(group, 'running', counts.active, box.x + 2, box.y + box.height);
  if (troubled) badge(group, 'trouble', counts.incidents || '!', box.x + box.width - 2, box.y);
  if (counts.completed > 1) badge(group, 'done', `×${counts.completed}`, box.x + box.width - 4, box.y + box.height);
  const said = [name];
  if (counts.incidents) said.push(plural(counts.incidents, 'incident'));
  else if (counts.below) said.push('an incident in the called process');
  if (counts.active) said.push(plural(counts.active, 'token'));
  if (counts.completed) said.push(`completed ${counts.completed === 1 ? 'once' : `${counts.completed} times`}`);
  if (counts.terminated) said.push(`terminated ${counts.terminated === 1 ? 'once' : `${counts.terminated} times`}`);
  group.setAttribute('aria-label', said.join(', '));
}

function badge(group, kind, text, x, y) {
  const width = Math.max(18, 10 + String(text).length * 7);
  group.append(svg('g', { class: `badge ${kind}`, transform: `translate(${x} ${y})` },
    svg('rect', { x: -width / 2, y: -9, width, height: 18, rx: 9 }),
    svg('text', { x: 0, y: 4 }, String(text))));
}

// From element to element, in reading order

function nextElement(from, step) {
  const all = [...drawn.svg.querySelectorAll('[role="button"]')].map(group => ({ group, box: group.getBoundingClientRect() }));
  all.sort((a, b) => a.box.left - b.box.left || a.box.top - b.box.top);
  const at = all.findIndex(({ group }) => group === from);
  return all[Math.min(all.length - 1, Math.max(0, at + step))].group;
}
