// The sandbox's page in headless Chromium, used as a person does: what is seen goes to standard output as JSON.
//   node sandbox_page.mjs CHROMIUM URL DIAGRAM FOLDER
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [ executablePath, url, diagram, folder ] = process.argv.slice(2);
const PATIENCE = 60000; // ms: only the limit; everything is waited for
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath, args: [ '--no-sandbox' ], timeout: PATIENCE });
const page = await browser.newPage({ viewport: { width: 1400, height: 940 } });
page.setDefaultTimeout(PATIENCE);
const seen = { problems: [], foreign: [] };
page.on('pageerror', error => seen.problems.push(error.message));
page.on('console', message => message.type() === 'error' && seen.problems.push(message.text()));
page.on('request', request => request.url().startsWith(url) || /^(data|blob):/.test(request.url()) || seen.foreign.push(request.url()));

const shot = name => page.screenshot({ path: join(folder, `${name}.png`) });
const says = text => page.locator('#why', { hasText: text }).waitFor();

async function drop() {
  const files = await page.evaluateHandle(([ text ]) => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([ text ], 'ask.bpmn', { type: 'text/xml' }));
    return transfer;
  }, [ readFileSync(diagram, 'utf-8') ]);
  for (const type of [ 'dragenter', 'dragover', 'drop' ]) await page.dispatchEvent('body', type, { dataTransfer: files });
}

// Nothing there yet, then a diagram is dropped and an instance started.
await page.goto(url);
await page.getByText('No process is deployed').first().waitFor();
seen.empty = await page.locator('main').innerText();
await drop();
await page.locator('#start:enabled').waitFor();
await page.locator('#start').click();
await page.locator('dialog textarea').fill('{"question": ');
await page.getByRole('button', { name: 'Start', exact: true }).click();
seen.refused = await page.locator('#dialog-error').innerText();
await page.locator('dialog textarea').fill('{"question": "Where is my parcel?", "heat": 7}');
await page.getByRole('button', { name: 'Start', exact: true }).click();

// It stands at an incident: the message in full, on the card and in the picture; mended and retried.
await says('It stands at an incident');
seen.message = await page.locator('.incident .message').first().innerText();
seen.marked = await page.locator('svg [data-element="Ask"]').first().getAttribute('class');
await shot('incident');
await page.locator('.incident').getByRole('button', { name: 'Set a variable…' }).click();
seen.proposed = await page.locator('dialog [name="name"]').inputValue();
await page.locator('dialog [name="name"]').fill('openai_temperature');
await page.locator('dialog [name="value"]').fill('1');
await page.getByRole('button', { name: 'Set and retry' }).click();
await says('It has ended');
seen.variables = await page.locator('#body').innerText();
seen.path = await page.locator('svg .is-taken').count();
await shot('ended');

// By the keyboard alone: another instance is started, and cancelled.
await page.locator('#start').focus();
await page.keyboard.press('Enter');
await page.locator('dialog textarea').waitFor();
await page.keyboard.press('Control+A');
await page.keyboard.type('{"question": "Again?", "heat": 7}');
await page.keyboard.press('Control+Enter');
await says('It stands at an incident');
await page.locator('#head [data-do="cancel"]').focus();
await page.keyboard.press('Enter');
await page.locator('dialog .danger').first().focus();
await page.keyboard.press('Enter');
await says('It was cancelled');

// Escape closes a dialog; nothing is done.
await page.locator('#start').click();
await page.keyboard.press('Escape');
seen.closed = !(await page.locator('dialog').evaluate(dialog => dialog.open));

// Dark, and on a telephone.
const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
seen.light = await paper();
await page.emulateMedia({ colorScheme: 'dark' });
seen.dark = await paper();
await shot('dark');
await page.emulateMedia({ colorScheme: 'light' });
await page.setViewportSize({ width: 360, height: 740 });
seen.width = await page.evaluate(() => document.documentElement.scrollWidth);
await shot('phone');

console.log(JSON.stringify(seen));
await browser.close();
