// The list at the side: process instances, those with incidents first; or processes.

const SHOWS = [['all', 'All'], ['incidents', 'Incidents'], ['active', 'Running'], ['ended', 'Ended']];
const STATES = { ACTIVE: 'Running', COMPLETED: 'Completed', TERMINATED: 'Cancelled', ENDED: 'Ended' };
const KINDS = { ACTIVE: 'running', COMPLETED: 'done', TERMINATED: 'off', ENDED: 'off' };

const isTroubled = instance => instance.incidents > 0 || instance.below;

function pillOf(instance) {
  if (instance.incidents) return h('span', { class: 'pill trouble' }, plural(instance.incidents, 'incident'));
  if (instance.below) return h('span', { class: 'pill trouble' }, 'Incident in a called process');
  return h('span', { class: `pill ${KINDS[instance.state]}` }, STATES[instance.state]);
}

function renderSide({ overview, tab, show, find, selected }) {
  const pressed = is => String(is);
  patch($('tabs'), [['instances', 'Instances'], ['processes', 'Processes']].map(([key, name]) => h('button',
    { type: 'button', 'data-do': 'tab', 'data-tab': key, 'data-key': key, 'aria-pressed': pressed(tab === key) }, name)));
  $('shows').hidden = $('find').hidden = tab !== 'instances';
  patch($('shows'), SHOWS.map(([key, name]) => h('button', {
    type: 'button', 'data-do': 'show', 'data-show': key, 'data-key': key, 'aria-pressed': pressed(show === key),
    class: key === 'incidents' && overview.counts[key] ? 'trouble' : null,
  }, `${name} ${overview.counts[key]}`)));
  patch($('list'), tab === 'instances' ? instancesList(overview, show, find, selected) : processesList(overview, selected));
}

function instancesList(overview, show, find, selected) {
  const { instances, more } = overview;
  if (!instances.length) {
    const why = find || show !== 'all' ? 'No process instance is like that.' : 'No process instance yet.';
    const start = !find && show === 'all' && overview.processes.length;
    return h('div', { class: 'empty' }, h('strong', {}, why), start ? 'Start one with the button above.' : null);
  }
  const troubled = instances.filter(isTroubled);
  const others = instances.filter(instance => !isTroubled(instance));
  return [
    troubled.length && others.length ? h('h2', { 'data-key': 'h-trouble' }, 'Stopped by an incident') : null,
    troubled.length ? h('ul', { 'data-key': 'troubled' }, troubled.map(each => instanceItem(each, selected))) : null,
    troubled.length && others.length ? h('h2', { 'data-key': 'h-others' }, 'Others, the newest first') : null,
    others.length ? h('ul', { 'data-key': 'others' }, others.map(each => instanceItem(each, selected))) : null,
    more ? h('p', { class: 'empty', 'data-key': 'more' },
      h('button', { type: 'button', class: 'link', 'data-do': 'more' }, `Show more (${more})`)) : null,
  ];
}

function instanceItem(instance, selected) {
  const isCurrent = selected?.kind === 'instance' && selected.key === instance.key;
  let where = null;
  if (instance.state === 'ACTIVE') where = instance.at.length ? `at ${instance.at.map(quoted).join(', ')}` : null;
  else where = instance.ended ? ['ended ', time(instance.ended)] : null;
  return h('li', { 'data-key': instance.key },
    h('a', { class: 'item', href: `#/instance/${instance.key}`, 'aria-current': isCurrent ? 'true' : null },
      h('span', { class: 'line' }, h('span', { class: 'name' }, instance.name), pillOf(instance)),
      where ? h('span', { class: 'line sub' }, h('span', {}, where)) : null,
      h('span', { class: 'line sub' }, h('span', { class: 'mono' }, instance.key),
        instance.started ? h('span', {}, 'began ', time(instance.started)) : null)));
}

function processesList(overview, selected) {
  if (!overview.processes.length) return h('p', { class: 'empty' }, h('strong', {}, 'No process is deployed yet.'));
  return h('ul', {}, overview.processes.map(process => {
    const isCurrent = selected?.kind === 'process' && selected.key === process.key;
    return h('li', { 'data-key': process.key },
      h('a', { class: 'item', href: `#/process/${process.key}`, 'aria-current': isCurrent ? 'true' : null },
        h('span', { class: 'line' }, h('span', { class: 'name' }, process.name),
          h('span', { class: 'sub' }, `version ${process.version}${process.latest ? '' : ', older'}`)),
        h('span', { class: 'line sub' }, h('span', { class: 'mono' }, process.id)),
        h('span', { class: 'line sub' }, h('span', {}, process.active ? `${process.active} running` : 'none running'),
          process.incidents ? h('span', { class: 'pill trouble' }, plural(process.incidents, 'incident')) : null)));
  }));
}
