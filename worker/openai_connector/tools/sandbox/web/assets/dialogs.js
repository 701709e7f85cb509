// Dialogs: one at a time; what is typed is checked before it is sent, and stays when it is refused.

const dialog = $('dialog');
let submit = null; // what the open dialog does

function openDialog(title, content, action, onSubmit, danger) {
  submit = onSubmit;
  dialog.replaceChildren(h('form', { class: 'form', novalidate: true },
    h('h2', { id: 'dialog-title' }, title),
    content,
    h('p', { class: 'hint wrong', role: 'alert', id: 'dialog-error' }),
    h('div', { class: 'row' },
      h('button', { type: 'button', class: 'button', 'data-do': 'close' }, danger ? 'No' : 'Close'),
      action.map(([name, value], index) => h('button', {
        type: 'submit', value, class: `button${index === action.length - 1 ? ' primary' : ''}${danger ? ' danger' : ''}`,
      }, name)))));
  if (!dialog.open) dialog.showModal();
}

dialog.addEventListener('submit', async event => {
  event.preventDefault();
  const form = event.target;
  const buttons = form.querySelectorAll('button[type="submit"]');
  const error = $('dialog-error');
  error.textContent = '';
  buttons.forEach(button => { button.disabled = true; });
  try {
    await submit(new Map([...new FormData(form)]), event.submitter?.value || '');
    dialog.close();
    await refresh();
  } catch (problem) {
    error.textContent = problem.message;
  } finally {
    buttons.forEach(button => { button.disabled = false; });
  }
});
dialog.addEventListener('click', event => {
  if (event.target === dialog) dialog.close();
});
dialog.addEventListener('keydown', event => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    dialog.querySelector('button.primary')?.click();
  }
});

// A field for JSON variables that says at once what is wrong.
function variablesField(text, label) {
  return h('label', {}, label || 'Variables',
    h('textarea', { class: 'field', name: 'variables', spellcheck: 'false', rows: '7', 'data-check': 'variables', 'aria-describedby': 'variables-hint' }, text),
    h('span', { class: 'hint', id: 'variables-hint', role: 'status' }, 'A JSON object; empty for none.'));
}

dialog.addEventListener('input', event => {
  const field = event.target;
  if (field.dataset.check === 'variables') {
    const wrong = wrongVariables(field.value);
    showCheck(field, wrong, wrong || (field.value.trim() ? plural(Object.keys(JSON.parse(field.value)).length, 'variable') + '.' : 'A JSON object; empty for none.'));
  } else if (field.dataset.check === 'value') checkValue(field);
});

function showCheck(field, wrong, text) {
  field.setAttribute('aria-invalid', String(Boolean(wrong)));
  const hint = $(field.getAttribute('aria-describedby'));
  hint.textContent = text;
  hint.classList.toggle('wrong', Boolean(wrong));
}

function checked(text) {
  const wrong = wrongVariables(text);
  if (wrong) throw new Error(wrong);
  return text.trim() || '{}';
}

function remembered(name) {
  try { return sessionStorage.getItem(name); } catch { return null; }
}

function remember(name, text) {
  try { sessionStorage.setItem(name, text); } catch { /* then not */ }
}

function startDialog(overview, chosen) {
  const startable = overview.processes.filter(process => process.startable);
  const process = startable.find(each => each.key === chosen) || startable.find(each => each.latest) || startable[0];
  const given = overview.processes.find(each => each.key === chosen);
  if (given && !given.startable && given.messages.length) return messageDialog(given.messages[0], '');
  if (!process) return complain('No deployed process has a start event without a trigger: it begins with its message or timer.');
  const before = each => remembered(`variables ${each.id}`) || '{\n  \n}';
  openDialog('Start an instance', [
    h('label', {}, 'Process', h('select', { class: 'field', name: 'process' }, startable.map(each => h('option',
      { value: each.key, selected: each === process }, `${each.name} (version ${each.version}${each.latest ? '' : ', older'})`)))),
    variablesField(before(process)),
  ], [['Start', 'start']], async values => {
    const text = checked(values.get('variables'));
    const picked = startable.find(each => each.key === values.get('process'));
    const { key } = await change('/api/instances', { process: picked.key, variables: text });
    remember(`variables ${picked.id}`, values.get('variables'));
    toast(`${picked.name} is started.`);
    location.hash = `#/instance/${key}`;
  });
  dialog.querySelector('textarea').focus();
}

function cancelDialog(instance) {
  openDialog('Cancel this process instance?',
    h('p', {}, `${instance.name}, key ${instance.key}. All that runs in it is terminated; that cannot be undone.`),
    [['Cancel the instance', 'cancel']],
    async () => {
      await change(`/api/instances/${instance.key}/cancel`);
      toast('The instance is cancelled.');
    }, true);
}

function setDialog(instance, scopeKey, incident) {
  const live = instance.scopes.filter(scope => scope.live);
  const scopes = live.length ? live : [{ key: scopeKey, name: 'Process', variables: [] }];
  const scope = scopes.find(each => each.key === scopeKey) || scopes[0];
  const { message = '', variables: meant = [] } = instance.incidents.find(each => each.key === incident) || {};
  openDialog('Set a variable', [
    message ? h('p', { class: 'message', tabindex: '0' }, message) : null,
    h('label', {}, 'Where', h('select', { class: 'field', name: 'scope', 'data-do-change': 'scope' }, scopes.map(each => h('option',
      { value: each.key, selected: each === scope }, each.element ? `${each.name}: local to this element` : 'The whole process')))),
    h('label', {}, 'Name',
      h('input', { class: 'field mono', name: 'name', list: 'names', autocomplete: 'off', spellcheck: 'false', required: true }),
      h('datalist', { id: 'names' }, namesOf(scope, meant))),
    h('label', {}, 'Value',
      h('textarea', { class: 'field', name: 'value', rows: '4', spellcheck: 'false', 'data-check': 'value', 'aria-describedby': 'value-hint' }),
      h('span', { class: 'hint', id: 'value-hint', role: 'status' }, 'JSON: a text stands in double quotes.')),
    h('p', {}, h('button', { type: 'button', class: 'link', 'data-do': 'as-text', hidden: true, id: 'as-text' }, 'Take it as a text')),
  ], incident ? [['Set', 'set'], ['Set and retry', 'retry']] : [['Set', 'set']], async (values, how) => {
    const name = values.get('name').trim();
    if (!name) throw new Error('The variable needs a name.');
    const text = values.get('value').trim();
    try { JSON.parse(text); } catch { throw new Error('The value is no JSON yet: a text stands in double quotes.'); }
    await change(`/api/scopes/${values.get('scope')}/variables`, { variables: `{${JSON.stringify(name)}:${text}}` });
    toast(`${name} is set.`);
    if (how === 'retry') await retry(incident);
  });
  const [name, value] = [dialog.querySelector('[name="name"]'), dialog.querySelector('[name="value"]')];
  const fill = () => {
    const picked = scopes.find(each => each.key === dialog.querySelector('[name="scope"]').value);
    patch($('names'), namesOf(picked, meant));
    const known = picked.variables.find(variable => variable.name === name.value);
    if (known && !known.folded && (!value.value || value.dataset.filled === value.value)) {
      value.value = value.dataset.filled = pretty(known.text);
      checkValue(value);
    }
  };
  name.addEventListener('input', fill);
  dialog.querySelector('[name="scope"]').addEventListener('change', fill);
  name.value = meant[0] || message.match(/\bvariable ['"‘]?([A-Za-z_]\w*)/)?.[1] || '';
  fill();
  (name.value ? value : name).focus();
}

const namesOf = (scope, meant) => [...new Set([...meant, ...scope.variables.map(variable => variable.name)])]
  .map(name => h('option', { value: name }));

function pretty(text) {
  try {
    const short = JSON.stringify(JSON.parse(text), null, 2);
    return JSON.stringify(JSON.parse(text)) === text ? short : text; // what JavaScript would change stays as it is
  } catch {
    return text;
  }
}

function checkValue(field) {
  let wrong = '';
  try {
    if (field.value.trim()) JSON.parse(field.value);
  } catch {
    wrong = 'This is no JSON yet: a text stands in double quotes.';
  }
  showCheck(field, wrong, wrong || 'JSON: a text stands in double quotes.');
  $('as-text').hidden = !wrong;
}

function asText() {
  const field = dialog.querySelector('[name="value"]');
  field.value = JSON.stringify(field.value);
  checkValue(field);
  field.focus();
}

function completeDialog(job, name) {
  openDialog(`Complete ${quoted(name)} by hand`, variablesField('{\n  \n}', 'Result variables'), [['Complete', 'complete']],
    async values => {
      await change(`/api/jobs/${job}/complete`, { variables: checked(values.get('variables')) });
      toast(`${name} is completed.`);
    });
  dialog.querySelector('textarea').focus();
}

function messageDialog(message, correlationKey) {
  openDialog('Send a message', [
    h('label', {}, 'Name', h('input', { class: 'field', name: 'name', value: message, autocomplete: 'off' })),
    h('label', {}, 'Correlation key', h('input', { class: 'field', name: 'key', value: correlationKey, autocomplete: 'off' })),
    variablesField('{\n  \n}'),
  ], [['Send', 'send']], async values => {
    await change('/api/messages', {
      name: values.get('name'), correlationKey: values.get('key'), variables: checked(values.get('variables')),
    });
    toast(`The message ${values.get('name')} is sent.`);
  });
  dialog.querySelector('textarea').focus();
}
