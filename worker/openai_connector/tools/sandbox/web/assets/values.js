// Variables: JSON as a tree that folds, with numbers as they are written.

class Exact { // a number that JavaScript would round
  constructor(source) { this.source = source; }
}

function parse(text) {
  return JSON.parse(text, (key, value, context) => (
    typeof value === 'number' && context && context.source !== undefined && String(value) !== context.source
      && !Number.isSafeInteger(value) ? new Exact(context.source) : value));
}

function valueOf(text) {
  let value;
  try {
    value = parse(text);
  } catch {
    return h('div', { class: 'value' }, text); // cut
  }
  return h('div', { class: 'value' }, tree(value, 0));
}

const LONG = 240;

function tree(value, depth) {
  if (value === null) return h('span', { class: 'b' }, 'null');
  if (value instanceof Exact) return h('span', { class: 'n' }, value.source);
  if (typeof value === 'boolean') return h('span', { class: 'b' }, String(value));
  if (typeof value === 'number') return h('span', { class: 'n' }, String(value));
  if (typeof value === 'string') return string(value);
  const entries = Array.isArray(value) ? value.map((item, index) => [index, item]) : Object.entries(value);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  if (!entries.length) return h('span', {}, open + close);
  if (depth > 40) return h('span', {}, JSON.stringify(value));
  const word = Array.isArray(value) ? plural(entries.length, 'item') : plural(entries.length, 'field');
  return h('details', { open: depth < 1 && entries.length <= 12 },
    h('summary', {}, `${open}…${close} ${word}`),
    h('ul', {}, entries.map(([key, item]) => h('li', {}, h('span', { class: 'k' }, `${key}: `), tree(item, depth + 1)))));
}

function string(text) {
  if (text.length <= LONG) return h('span', { class: 's' }, `"${text}"`);
  return h('details', {},
    h('summary', {}, h('span', { class: 's' }, `"${text.slice(0, LONG)}…`), ` ${text.length.toLocaleString('en')} characters`),
    h('span', { class: 's' }, text));
}

// What is wrong with variables that somebody types; '' for nothing.
function wrongVariables(text) {
  if (!text.trim()) return '';
  let value;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `This is no JSON yet: ${error.message}.`;
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) {
    return 'Variables are a JSON object: {"name": "value"}.';
  }
  return '';
}
