// The Modeler front ends of Camunda in one headless Chromium, told what to do line by line:
//   {"do": "fill", "with": {...}} on standard input, {"value": ...} or {"error": "..."} on standard output.
// Fields are addressed as a person does it: by their label.
import { createInterface } from 'node:readline';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const [ executable, artifacts ] = process.argv.slice(2);
const FRONT_ENDS = { '8.5': 'camunda-bpmn-js-8.5', today: 'camunda-bpmn-js' };
const PATIENCE = 60000; // ms: only the limit; everything is waited for
const browser = await chromium.launch({ executablePath: executable, args: [ '--no-sandbox' ], timeout: PATIENCE });
const pages = {};
let page; // the front end in use
let linter;

// Give a front end, loaded afresh: a panel that is taken away while it is drawn can leave the next one in the same
// page deaf for good (measured on a busy machine, in both front ends).
async function frontEnd(name) {
  if (pages[name]) {
    await pages[name].reload();
    return pages[name];
  }
  const dist = pathToFileURL(join(here, 'node_modules', FRONT_ENDS[name], 'dist')).href;
  mkdirSync(artifacts, { recursive: true });
  const html = resolve(artifacts, `modeler-${name}.html`);
  writeFileSync(html, `<!doctype html><html><head><meta charset="utf-8">
<link rel="stylesheet" href="${dist}/assets/camunda-cloud-modeler.css">
<style>html,body{margin:0;height:100%;font-family:sans-serif}#app{display:flex;height:100%}#canvas{flex:1}
#panel{width:420px;overflow:auto;border-left:1px solid #ccc}</style></head>
<body><div id="app"><div id="canvas"></div><div id="panel"></div></div>
<script src="${dist}/camunda-cloud-modeler.production.min.js"></script></body></html>`);
  const opened = pages[name] = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  opened.problems = [];
  opened.on('pageerror', error => opened.problems.push(error.message));
  opened.setDefaultTimeout(PATIENCE);
  await opened.goto(pathToFileURL(html).href);
  return opened;
}

const entry = label => page.locator('.bio-properties-panel-entry').filter({
  has: page.locator('label', { hasText: new RegExp(`^${label.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}\\s*$`) })
}).first();

// Do something to a field and wait until the panel has written the value to the diagram, or refused it.
async function written(label, value, doIt) {
  await doIt();
  await page.waitForFunction(({ label, value }) => {
    const { businessObject } = window.modeler.get('selection').get()[0];
    const held = [];
    for (const part of businessObject.extensionElements?.values || []) {
      held.push(part.retries);
      for (const { source } of part.inputParameters || []) held.push(source);
      for (const { value } of part.values || []) held.push(value);
    }
    if (held.includes(value)) return true;
    const entry = [ ...document.querySelectorAll('.bio-properties-panel-entry') ].find(
      entry => entry.querySelector('label')?.textContent.trim() === label);
    const error = entry?.querySelector('.bio-properties-panel-error');
    return error && !/must not be empty/.test(error.textContent); // that one was there before
  }, { label, value }, { polling: 20 }).catch(() => {
    throw new Error(`the panel wrote nothing for ${label}`);
  });
}

// Wait until the page has drawn what changed, and run what follows the drawing. A page that draws nothing is not
// waited for without end.
const drawn = () => page.evaluate(() => new Promise(done => {
  requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done)));
  setTimeout(done, 2000);
}));

// Select an element and wait for its panel. A selection made before the panel listens is lost: then select again.
async function shape(element, wanted = '.bio-properties-panel-group-entries') {
  for (let attempt = 1; ; attempt++) {
    await page.evaluate(id => {
      const modeler = window.modeler;
      modeler.get('selection').select(null);
      modeler.get('selection').select(modeler.get('elementRegistry').get(id));
    }, element);
    try {
      return await page.waitForSelector(wanted, { state: 'attached', timeout: 1000 });
    } catch (error) {
      if (attempt === 60) throw error;
    }
  }
}

const actions = {
  // Open a diagram in a front end; the value is what the template loader complains about.
  async open({ front_end, xml, templates }) {
    page = await frontEnd(front_end);
    page.problems.length = 0;
    return page.evaluate(async ({ xml, templates }) => {
      const modeler = window.modeler = new window.BpmnModeler({
        container: '#canvas', propertiesPanel: { parent: '#panel' }
      });
      const errors = [];
      window.changes = 0;
      modeler.on('commandStack.changed', () => window.changes++);
      modeler.on('elementTemplates.errors', event => errors.push(...event.errors.map(error => error.message)));
      modeler.get('elementTemplatesLoader').setTemplates(templates);
      const { warnings } = await modeler.importXML(xml);
      modeler.get('canvas').zoom('fit-viewport');
      return [ ...errors, ...warnings.map(warning => warning.message) ];
    }, { xml, templates });
  },

  // Choose a template in the panel, as a person does.
  async choose({ element, template }) {
    await shape(element, '.bio-properties-panel-select-template-button');
    const before = await page.evaluate(() => window.changes);
    await page.click('.bio-properties-panel-select-template-button');
    await page.click(`.djs-popup .entry[data-id="apply-template-${template}"], .djs-popup .entry[data-id$="${template}"]`);
    await page.waitForFunction(before => window.changes > before, before, { polling: 20 });
    await page.waitForSelector('.bio-properties-panel-group-entries', { state: 'attached' });
    await drawn();
  },

  async select({ element }) {
    await shape(element, '.bio-properties-panel-header-template-icon, .bio-properties-panel-template-update-available');
    await drawn();
  },

  // Press the panel's own button for an update of the template.
  async press_update() {
    await page.click('.bio-properties-panel-template-update-available button');
    const before = await page.evaluate(() => window.changes);
    await page.getByText('Update', { exact: true }).click();
    await page.waitForFunction(before => window.changes > before, before, { polling: 20 });
    await drawn();
  },

  groups: () => page.$$eval('.bio-properties-panel-group-header-title', titles => titles.map(title => title.textContent)),

  async open_groups({ only = null }) {
    for (let attempt = 1; ; attempt++) {
      const wrong = await page.evaluate(only => {
        const wrong = [ ...document.querySelectorAll('.bio-properties-panel-group') ].filter(group => {
          const entries = group.querySelector('.bio-properties-panel-group-entries'); // a list without items has none
          const title = group.querySelector('.bio-properties-panel-group-header-title')?.textContent;
          return entries && entries.classList.contains('open') !== (!only || only.includes(title));
        });
        for (const group of wrong) group.querySelector('.bio-properties-panel-group-header').click();
        return wrong.map(group => group.dataset.groupId);
      }, only);
      if (!wrong.length) return;
      if (attempt === 60) throw new Error(`these groups do not fold: ${wrong}`);
      await drawn();
    }
  },

  // Every field by group: {"Prompt": ["System message", ...]}; open the groups first.
  fields: () => page.$$eval('.bio-properties-panel-group', groups => Object.fromEntries(groups.map(group => [
    group.querySelector('.bio-properties-panel-group-header-title')?.textContent,
    [ ...group.querySelectorAll('.bio-properties-panel-entry label.bio-properties-panel-label') ].map(label => label.textContent)
  ]))),

  options: ({ label }) => entry(label).locator('select option').allTextContents(),

  async fill({ label, value, wait = true }) {
    const field = entry(label).locator('input, textarea').first();
    const type = async () => { await field.fill(value); await field.press('Tab'); };
    await (wait ? written(label, value, type) : type());
  },

  async feel({ label, value }) {
    const editor = entry(label).locator('.cm-content');
    if (!await editor.count()) {
      await entry(label).locator('.bio-properties-panel-feel-icon').click();
      await editor.waitFor();
    }
    await written(label, `=${value}`, async () => {
      await editor.click();
      await page.keyboard.press('Control+A');
      await page.keyboard.insertText(value);
    });
  },

  async choice({ label, option }) {
    const before = await page.evaluate(() => window.changes);
    await entry(label).locator('select').selectOption({ label: option });
    await page.waitForFunction(before => window.changes > before, before, { polling: 20 });
    await drawn();
  },

  // Show a dropdown with all that it offers, as a picture cannot show one that is open.
  unroll: ({ label }) => entry(label).locator('select').evaluate(select => {
    select.size = select.options.length;
    select.style.height = 'auto';
  }),

  errors: () => page.$$eval('.bio-properties-panel-entry .bio-properties-panel-error', errors => errors.map(e => e.textContent)),

  problems: () => page.problems,

  xml: async () => page.evaluate(async () => (await window.modeler.saveXML({ format: true })).xml),

  // The whole window, with the panel from its top and no pop-up over it.
  async screenshot({ path, height = 900 }) {
    await page.setViewportSize({ width: 1280, height });
    await page.mouse.move(400, 20);
    await page.evaluate(() => {
      document.activeElement?.blur();
      document.querySelector('.bio-properties-panel-scroll-container').scrollTop = 0;
      window.modeler.get('canvas').zoom('fit-viewport', 'auto');
    });
    await page.waitForTimeout(300);
    await page.screenshot({ path });
    await page.setViewportSize({ width: 1280, height: 900 });
  },

  // By the page's own clock: what its timers were to do before that is done, however busy the machine is.
  pause: ({ ms }) => page.evaluate(ms => new Promise(done => setTimeout(done, ms)), ms),

  // Camunda's linter, with the rules of the version that the diagram names and those of its templates.
  async lint({ xml, templates }) {
    if (!linter) {
      const { outputFiles } = await build({
        entryPoints: [ join(here, 'lint.mjs') ], bundle: true, write: false, minify: true,
        format: 'iife', platform: 'browser', logLevel: 'error', define: { global: 'window' }
      });
      linter = await browser.newPage();
      await linter.addScriptTag({ content: outputFiles[0].text });
    }
    return linter.evaluate(({ xml, templates }) => window.lint(xml, templates), { xml, templates });
  }
};

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;
  try {
    answer = { value: await actions[command.do](command.with) ?? null };
  } catch (error) {
    answer = { error: String(error.stack || error) };
  }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
await browser.close();
