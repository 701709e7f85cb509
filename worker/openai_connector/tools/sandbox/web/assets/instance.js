// One process instance: why it stands, what can be done about it, its variables, and what it waits for.

const TYPES = {
  JOB_NO_RETRIES: 'The task’s job has failed',
  UNHANDLED_ERROR_EVENT: 'A BPMN error that nothing catches',
  EXTRACT_VALUE_ERROR: 'An expression cannot be evaluated',
  CONDITION_ERROR: 'No condition is true',
  IO_MAPPING_ERROR: 'A mapping cannot be evaluated',
  CALLED_ELEMENT_ERROR: 'The process to be called is not there',
  MESSAGE_SIZE_EXCEEDED: 'The variables are too large',
};
const USER_TASK = 'io.camunda.zeebe:userTask';

function renderInstance(instance, element) {
  const open = instance.incidents.filter(incident => !incident.resolved);
  const solved = instance.incidents.filter(incident => incident.resolved);
  const at = within(instance, element);
  const isThere = each => !element || at.has(each);
  patch($('head'), [heading(instance, open), open.filter(each => isThere(each.element)).map(each => incidentCard(each))]);
  const aside = [waitsCard(instance, isThere), calledCard(instance), solvedCard(solved.filter(each => isThere(each.element)))];
  patch($('body'), [
    element ? only(instance, element) : null,
    h('div', { class: `grid${aside.some(Boolean) ? '' : ' single'}`, 'data-key': 'grid' },
      h('div', { class: 'stack' }, variablesCard(instance, each => isThere(each.element))),
      h('div', { class: 'stack', hidden: !aside.some(Boolean) }, aside)),
  ]);
}

// Return an element with all that stands in it.
function within(instance, element) {
  const found = new Set([element]);
  let grown = true;
  while (element && grown) {
    grown = false;
    for (const [id, parent] of Object.entries(instance.parents)) {
      if (found.has(parent) && !found.has(id)) { found.add(id); grown = true; }
    }
  }
  return found;
}

function heading(instance, open) {
  const isActive = instance.state === 'ACTIVE';
  return h('div', { class: 'stack', 'data-key': 'heading' },
    h('div', { class: 'title' },
      h('h2', {}, instance.name),
      pillOf({ ...instance, incidents: open.length, below: Object.values(instance.elements).some(each => each.below) }),
      h('div', { class: 'row' },
        h('button', { type: 'button', class: 'button small', 'data-do': 'start', 'data-process': instance.process }, 'Start another…'),
        isActive && !instance.caller ? h('button',
          { type: 'button', class: 'button small danger', 'data-do': 'cancel', 'data-instance': instance.key }, 'Cancel…') : null)),
    h('p', { class: `why${open.length ? ' trouble' : ''}`, id: 'why' }, why(instance, open)),
    h('div', { class: 'facts' },
      h('span', {}, `Version ${instance.version}`),
      h('span', {}, 'Key ', h('code', {}, instance.key), ' ', copyButton(instance.key, 'the key')),
      instance.started ? h('span', {}, 'Began ', time(instance.started)) : null,
      instance.ended && instance.started ? h('span', {}, `Took ${span(instance.ended - instance.started)}`) : null,
      instance.caller ? h('span', {}, 'Called by ',
        h('a', { href: `#/instance/${instance.caller.key}` }, instance.caller.processId || instance.caller.key)) : null));
}

// One sentence: what somebody wants to know first.
function why(instance, open) {
  if (open.length === 1) return `It stands at an incident at ${quoted(open[0].name)}.`;
  if (open.length) return `It stands at ${open.length} incidents: ${[...new Set(open.map(each => quoted(each.name)))].slice(0, 4).join(', ')}.`;
  if (instance.state === 'COMPLETED') return ['It has ended ', time(instance.ended), '.'];
  if (instance.state === 'TERMINATED') return ['It was cancelled ', time(instance.ended), '.'];
  if (instance.state === 'ENDED') return 'It has ended; how is not known, because the sandbox was stopped in that moment.';
  const below = instance.called.find(called => called.incidents);
  if (below) return ['The process that it calls stands at an incident: ', h('a', { href: `#/instance/${below.key}` }, below.name), '.'];
  const job = instance.jobs[0];
  if (job) return [`It waits at ${quoted(job.name)}: `, jobState(job), '.'];
  const running = instance.called.find(called => called.state === 'ACTIVE');
  if (running) return ['It waits for the process that it calls: ', h('a', { href: `#/instance/${running.key}` }, running.name), '.'];
  const wait = instance.waits[0];
  if (wait?.kind === 'timer') return [`It waits for the timer ${quoted(wait.name)}, due `, time(wait.due), '.'];
  if (wait) return `It waits for the message ${quoted(wait.message)}.`;
  return 'It is running.';
}

function incidentCard(incident) {
  const solved = Boolean(incident.resolved);
  return h('article', { class: `card incident${solved ? ' solved' : ''}`, 'data-key': `incident-${incident.key}`, 'data-incident': incident.key },
    h('header', {},
      h('h3', {}, incident.name),
      h('span', { class: `pill ${solved ? 'off' : 'trouble'}` }, TYPES[incident.type] || incident.type),
      h('span', { class: 'dim' }, solved ? ['resolved ', time(incident.resolved)] : time(incident.created))),
    h('p', { class: 'message', tabindex: '0', role: 'group', 'aria-label': 'Message' }, incident.message),
    solved ? null : h('p', { class: 'dim' }, incident.advice),
    solved ? null : h('div', { class: 'row' },
      h('button', { type: 'button', class: 'button primary', 'data-do': 'retry', 'data-incident': incident.key }, 'Retry'),
      h('button', { type: 'button', class: 'button', 'data-do': 'set', 'data-scope': incident.scope, 'data-incident': incident.key }, 'Set a variable…'),
      copyButton(incident.message, 'the message')));
}

function solvedCard(shown) {
  if (!shown.length) return null;
  return h('details', { class: 'card folded', 'data-key': 'solved' },
    h('summary', {}, `${plural(shown.length, 'incident')} resolved`), shown.map(incidentCard));
}

function only(instance, element) {
  const counts = instance.elements[element];
  const said = [];
  if (counts?.active) said.push(`${plural(counts.active, 'token')} here`);
  if (counts?.completed) said.push(`completed ${counts.completed === 1 ? 'once' : `${counts.completed} times`}`);
  if (counts?.terminated) said.push(`terminated ${counts.terminated === 1 ? 'once' : `${counts.terminated} times`}`);
  return h('div', { class: 'card only', 'data-key': 'only' },
    h('strong', {}, `Only ${quoted(instance.names[element] || element)}`), h('code', {}, element),
    h('span', { class: 'dim' }, said.join(', ') || 'not entered'),
    h('button', { type: 'button', class: 'button small', 'data-do': 'unselect' }, 'Show everything'));
}

const copyButton = (text, what) => h('button', {
  type: 'button', class: 'link copy', 'data-do': 'copy', 'data-text': text, 'aria-label': `Copy ${what}`,
}, 'Copy');

// Variables

function variablesCard(instance, isThere) {
  const scopes = instance.scopes.filter(scope => isThere(scope));
  return h('section', { class: 'card', 'data-key': 'variables', 'aria-label': 'Variables' },
    h('h3', {}, instance.state === 'ACTIVE' ? 'Variables' : 'Variables at the end'),
    scopes.length ? scopes.map(scope => scopeView(instance, scope)) : h('p', { class: 'empty' }, 'Nothing has variables of its own here.'),
    instance.moreScopes ? h('p', { class: 'empty' }, `${instance.moreScopes} more scopes are not shown.`) : null);
}

function scopeView(instance, scope) {
  const depth = Math.min(scope.depth, 3);
  return h('div', { class: `scope${depth ? ` depth-${depth}` : ''}`, 'data-key': `scope-${scope.key}` },
    h('div', { class: 'scope-head' },
      h('h4', {}, scope.name),
      scope.live ? h('button', { type: 'button', class: 'button small', 'data-do': 'set', 'data-scope': scope.key,
        'aria-label': `Set a variable of ${scope.name}` }, 'Set a variable…') : null),
    scope.variables.length
      ? h('dl', {}, scope.variables.map(variable => variableView(instance, scope, variable)))
      : h('p', { class: 'dim' }, scope.element ? 'No variables of its own: it sees those of the process.' : 'No variables.'));
}

function variableView(instance, scope, variable) {
  const loaded = wholes.get(`${scope.key} ${variable.name} ${variable.size}`);
  const text = loaded ?? variable.text;
  return h('div', { class: 'variable', 'data-key': `variable-${variable.name}` },
    h('dt', {}, variable.name),
    h('dd', {}, valueOf(text),
      variable.folded && loaded === undefined ? h('p', { class: 'dim' }, `${variable.size.toLocaleString('en')} characters. `,
        h('button', { type: 'button', class: 'link', 'data-do': 'whole', 'data-instance': instance.key, 'data-scope': scope.key,
          'data-name': variable.name, 'data-size': variable.size }, 'Show all of it')) : null,
      variable.cut ? h('p', { class: 'dim' }, 'The rest was not kept.') : null),
    copyButton(text, variable.name));
}

const wholes = new Map(); // long values that somebody has asked for

// What it waits for

function jobState(job) {
  const task = job.type === USER_TASK ? 'a user task' : `a job of the type ${job.type}`;
  switch (job.state) {
    case 'ACTIVATED': return [`${task} is at work (${job.worker || 'a worker'}), its lease ends `, time(job.deadline)];
    case 'BACKING_OFF': return [`${task} has failed and is tried again `, time(job.deadline)];
    case 'ACTIVATABLE': return [`${task} waits for a worker, and none has taken it yet`];
    default: return [`${task} stands at an incident`];
  }
}

function waitsCard(instance, isThere) {
  if (instance.state !== 'ACTIVE') return null;
  const isStopped = job => job.state === 'FAILED' || job.state === 'ERROR_THROWN'; // its incident stands above
  const jobs = instance.jobs.filter(job => isThere(job.element) && !isStopped(job));
  const stopped = instance.jobs.some(job => isThere(job.element) && isStopped(job));
  const waits = instance.waits.filter(wait => isThere(wait.element) || isThere(wait.at));
  return h('section', { class: 'card', 'data-key': 'waits', 'aria-label': 'What it waits for' },
    h('h3', {}, 'What it waits for'),
    jobs.length + waits.length
      ? h('ul', { class: 'rows' }, jobs.map(jobRow), waits.map(waitRow))
      : h('p', { class: 'empty' }, stopped ? 'For nothing but the incident above.' : 'For no job, timer or message here.'),
    instance.moreJobs ? h('p', { class: 'empty' }, `${instance.moreJobs} more jobs are not shown.`) : null);
}

function jobRow(job) {
  const isFree = job.state === 'ACTIVATABLE' || job.state === 'ACTIVATED';
  return h('li', { 'data-key': `job-${job.key}` },
    h('div', { class: 'line' }, h('strong', {}, job.name), h('span', { class: 'dim' }, plural(job.retries, 'retry').replace('retrys', 'retries') + ' left')),
    h('p', {}, jobState(job)),
    h('code', { class: 'dim' }, job.type),
    job.message && job.state === 'BACKING_OFF' ? h('p', { class: 'dim' }, job.message) : null,
    isFree ? h('div', { class: 'row' }, h('button', { type: 'button', class: 'button small', 'data-do': 'complete', 'data-job': job.key,
      'data-name': job.name }, 'Complete by hand…')) : null);
}

function waitRow(wait) {
  if (wait.kind === 'timer') {
    return h('li', { 'data-key': `timer-${wait.at}-${wait.element}` }, h('strong', {}, wait.name), h('p', {}, 'Timer, due ', time(wait.due)));
  }
  return h('li', { 'data-key': `message-${wait.at}-${wait.element}` },
    h('strong', {}, wait.name),
    h('p', {}, `Message ${quoted(wait.message)}, correlation key `, h('code', {}, wait.correlationKey || 'none')),
    h('div', { class: 'row' }, h('button', { type: 'button', class: 'button small', 'data-do': 'message', 'data-message': wait.message,
      'data-correlation': wait.correlationKey }, 'Send it…')));
}

function calledCard(instance) {
  if (!instance.called.length) return null;
  return h('section', { class: 'card', 'data-key': 'called' }, h('h3', {}, 'Called processes'),
    h('ul', { class: 'rows' }, instance.called.map(called => h('li', { 'data-key': called.key },
      h('div', { class: 'line' }, h('a', { href: `#/instance/${called.key}` }, called.name), pillOf(called))))));
}

// A process, with all that runs of it

function renderProcess(process, element) {
  patch($('head'), h('div', { class: 'stack', 'data-key': `process-${process.key}` },
    h('div', { class: 'title' },
      h('h2', {}, process.name), h('span', { class: 'pill off' }, `Version ${process.version}`),
      h('div', { class: 'row' }, h('button', { type: 'button', class: 'button primary', 'data-do': 'start', 'data-process': process.key }, 'Start an instance…'))),
    h('div', { class: 'facts' },
      h('span', {}, 'Id ', h('code', {}, process.id)), h('span', {}, `From ${process.resource}`),
      h('span', {}, process.active ? `${plural(process.active, 'instance')} running` : 'No instance is running'),
      process.messages.length ? h('span', {}, `Begins with the message ${process.messages.map(quoted).join(', ')}`) : null)));
  patch($('body'), element ? h('div', { class: 'card only' }, h('strong', {}, element)) : []);
}

function renderNothing(overview) {
  hidePicture();
  patch($('head'), []);
  const isEmpty = !overview.processes.length;
  patch($('body'), h('div', { class: 'invite', 'data-key': 'invite' },
    h('h2', {}, isEmpty ? 'No process is deployed yet' : 'No process instance yet'),
    h('p', {}, isEmpty
      ? ['Drop a .bpmn file here, or deploy from Modeler to ', h('code', {}, `http://${overview.engine}`), ' (Camunda 8 Self-Managed, no authentication).']
      : 'Start one, and see here where it is, and why it stands.'),
    h('div', { class: 'row' }, isEmpty
      ? h('button', { type: 'button', class: 'button primary', 'data-do': 'choose-files' }, 'Choose a file…')
      : h('button', { type: 'button', class: 'button primary', 'data-do': 'start' }, 'Start an instance…'))));
}
