// The page as a whole: what is selected, what is asked for, and what buttons, keys and dropped files do.

Object.assign(state, { overview: null, tab: 'instances', show: 'all', find: '', most: 100, selected: null, element: '', instance: null });

const isNarrow = () => window.matchMedia('(max-width: 820px)').matches;

// What is selected stands in the address, so that the browser's way back works

function readAddress() {
  const [, kind, key] = location.hash.match(/^#\/(instance|process)\/([0-9]+)$/) || [];
  const selected = kind ? { kind, key } : null;
  if (selected?.key !== state.selected?.key) Object.assign(state, { element: '', instance: null });
  state.selected = selected;
  document.body.dataset.view = selected ? 'detail' : 'list';
}

function selectFirst() {
  const { overview } = state;
  if (state.selected || isNarrow() || !overview.instances.length) return;
  state.selected = { kind: 'instance', key: overview.instances[0].key };
}

// Reading, every second while somebody looks

let isReading = false;
let isWanted = false;
let timer = 0;

async function refresh() {
  if (isReading) {
    isWanted = true;
    return;
  }
  isReading = true;
  clearTimeout(timer);
  try {
    do {
      isWanted = false;
      await readAll();
    } while (isWanted);
    lost('');
  } catch (problem) {
    lost(problem instanceof Refused ? problem.message : 'The sandbox does not answer; trying again');
  } finally {
    isReading = false;
    timer = setTimeout(() => document.hidden || refresh(), 1000);
  }
}

async function readAll() {
  const query = new URLSearchParams({ show: state.show, find: state.find, most: state.most });
  const { document: overview, fresh } = await read(`/api/state?${query}`);
  if (overview.run !== run) {
    await renew();
    isWanted = true;
    return;
  }
  if (fresh) Object.assign(state, { now: overview.now, nowAt: performance.now() });
  state.overview = overview;
  selectFirst();
  renderSide(state);
  $('engine').textContent = `Engine at http://${overview.engine}`;
  $('start').disabled = !overview.processes.length;
  await readSelected();
}

async function readSelected() {
  const { selected, overview } = state;
  if (!selected) {
    renderNothing(overview);
  } else if (selected.kind === 'process') {
    await readProcess(selected);
  } else {
    await readInstance(selected);
  }
}

async function readInstance(selected) {
  let found;
  try {
    found = (await read(`/api/instances/${selected.key}`)).document;
  } catch (problem) {
    if (problem.status !== 404 || state.selected !== selected) throw problem;
    return gone(problem.message);
  }
  if (state.selected?.key !== selected.key) return;
  announce(state.instance, found);
  const isNew = state.instance?.key !== found.key;
  state.instance = found;
  await showPicture(found.process).catch(hidePicture); // the rest is of use without it
  if (state.selected?.key !== selected.key) return;
  showInstance();
  if (isNew) revealToken(found);
}

function showInstance() {
  const { instance, element } = state;
  if (!instance) return;
  renderInstance(instance, element);
  colour({ ...instance, selected: element });
}

async function readProcess(selected) {
  const listed = state.overview.processes.find(process => process.key === selected.key);
  if (!listed) return gone('There is no such process.');
  const { document: found } = await read(`/api/processes/${selected.key}`);
  await showPicture(selected.key).catch(hidePicture);
  if (state.selected?.key !== selected.key) return;
  renderProcess(listed, state.element && (found.names[state.element] || state.element));
  colour({ elements: found.elements, flows: {}, names: found.names, parents: found.parents, selected: state.element });
}

function gone(sentence) {
  hidePicture();
  patch($('head'), []);
  patch($('body'), h('div', { class: 'invite', 'data-key': 'gone' }, h('h2', {}, 'Nothing to show'), h('p', {}, sentence)));
}

function revealToken(instance) {
  const where = Object.entries(instance.elements);
  const [element] = where.find(([, counts]) => counts.incidents) || where.find(([, counts]) => counts.active) || [];
  if (element) reveal(element);
}

function announce(before, now) {
  if (before?.key !== now.key) return;
  const known = new Set(before.incidents.map(incident => incident.key));
  const fresh = now.incidents.find(incident => !incident.resolved && !known.has(incident.key));
  if (fresh) say(`Incident at ${fresh.name}: ${fresh.message.slice(0, 200)}`);
  else if (before.state !== now.state) say(`The instance is ${STATES[now.state].toLowerCase()}.`);
}

function lost(sentence) {
  if ($('lost').textContent !== sentence) $('lost').textContent = sentence;
  $('lost').hidden = !sentence;
}

// Doing

async function attempt(action) {
  try {
    await action();
  } catch (problem) {
    complain(problem.message);
  }
  await refresh();
}

async function retry(incident) {
  await change(`/api/incidents/${incident}/retry`);
  toast('It is tried again.');
}

async function deploy(files) {
  const content = await Promise.all([...files].map(async file => ({ name: file.name, content: await base64(file) })));
  const { processes } = await change('/api/deployments', { files: content });
  toast(`Deployed: ${processes.map(process => `${process.name || process.id}, version ${process.version}`).join('; ')}`);
  patch($('alerts'), []);
  if (processes.length) location.hash = `#/process/${processes[0].key}`;
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => reject(new Error(`The file ${file.name} cannot be read.`));
    if (file.size) reader.readAsDataURL(file);
    else resolve('');
  });
}

async function whole({ instance, scope, name, size }) {
  const { document: found } = await read(`/api/instances/${instance}/variable?${new URLSearchParams({ scope, name })}`);
  if (wholes.size > 20) wholes.clear();
  wholes.set(`${scope} ${name} ${size}`, found.text);
  showInstance();
}

function select(element) {
  state.element = state.element === element ? '' : element;
  if (state.selected?.kind === 'process') refresh();
  else showInstance();
  const card = state.element && $('head').querySelector('.incident');
  if (card) card.scrollIntoView({ block: 'nearest' });
}

const actions = {
  skip: () => $('detail').focus(),
  back: () => { location.hash = '#/'; },
  tab: ({ tab }) => { state.tab = tab; renderSide(state); },
  show: ({ show }) => { Object.assign(state, { show, most: 100 }); refresh(); },
  more: () => { state.most = 1000; refresh(); },
  start: ({ process }) => startDialog(state.overview, process || (state.selected?.kind === 'process' ? state.selected.key : '')),
  cancel: () => cancelDialog(state.instance),
  retry: ({ incident }) => attempt(() => retry(incident)),
  set: ({ scope, incident }) => setDialog(state.instance, scope, incident),
  complete: ({ job, name }) => completeDialog(job, name),
  message: ({ message, correlation }) => messageDialog(message, correlation),
  whole: data => attempt(() => whole(data)),
  unselect: () => select(state.element),
  copy: ({ text }) => navigator.clipboard.writeText(text).then(() => toast('Copied.'), () => complain('The browser does not allow to copy.')),
  close: () => dialog.close(),
  dismiss: () => patch($('alerts'), []),
  'as-text': asText,
  'choose-files': () => $('files').click(),
  smaller: () => zoom(0.8),
  larger: () => zoom(1.25),
  fit: () => zoom(0),
};

document.addEventListener('click', event => {
  const button = event.target.closest('[data-do]');
  if (button && actions[button.dataset.do]) {
    if (button.nodeName === 'A') event.preventDefault();
    actions[button.dataset.do](button.dataset);
    return;
  }
  const element = event.target.closest('#canvas [role="button"]');
  if (element && !pan.moved) select(element.dataset.element);
});

document.addEventListener('keydown', event => {
  const element = event.target.closest?.('#canvas [role="button"]');
  if (event.key === 'Escape' && !dialog.open && state.element) select(state.element);
  if (!element) return;
  const steps = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  if (event.key === 'Enter' || event.key === ' ') select(element.dataset.element);
  else if (steps[event.key]) {
    const next = nextElement(element, steps[event.key]);
    next.focus({ preventScroll: true });
    reveal(next.dataset.element);
  } else return;
  event.preventDefault();
});

$('find').addEventListener('input', event => {
  Object.assign(state, { find: event.target.value.trim(), most: 100 });
  refresh();
});

$('files').addEventListener('change', event => {
  const files = [...event.target.files];
  event.target.value = '';
  if (files.length) attempt(() => deploy(files));
});

// Files that are dropped anywhere

const hasFiles = event => event.dataTransfer?.types.includes('Files');
let over = 0;
addEventListener('dragenter', event => { if (hasFiles(event)) { over += 1; $('drop').hidden = false; } });
addEventListener('dragleave', event => { if (hasFiles(event)) { over -= 1; if (over <= 0) $('drop').hidden = true; } });
addEventListener('dragover', event => { if (hasFiles(event)) event.preventDefault(); });
addEventListener('drop', event => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  over = 0;
  $('drop').hidden = true;
  attempt(() => deploy(event.dataTransfer.files));
});

// The diagram is moved by dragging it with the mouse

const pan = { moved: false };
$('canvas').addEventListener('pointerdown', event => {
  pan.moved = false;
  if (event.pointerType !== 'mouse' || event.button) return;
  Object.assign(pan, { x: event.clientX, y: event.clientY, left: $('canvas').scrollLeft, top: $('canvas').scrollTop, held: true });
});
addEventListener('pointermove', event => {
  if (!pan.held) return;
  const [x, y] = [event.clientX - pan.x, event.clientY - pan.y];
  if (!pan.moved && Math.hypot(x, y) < 6) return;
  pan.moved = true;
  $('canvas').classList.add('grabbed');
  $('canvas').scrollTo(pan.left - x, pan.top - y);
});
addEventListener('pointerup', () => {
  pan.held = false;
  $('canvas').classList.remove('grabbed');
});

addEventListener('hashchange', () => {
  readAddress();
  scrollTo(0, 0);
  if (isNarrow() && state.selected) $('detail').focus({ preventScroll: true });
  refresh();
});
document.addEventListener('visibilitychange', () => document.hidden || refresh());
new ResizeObserver(resize).observe($('canvas'));
setInterval(() => document.hidden || tickTimes(), 1000);

readAddress();
refresh();
