// The worker's status page in headless Chromium: what an operator sees goes to standard output as JSON.
//   node status_page.mjs CHROMIUM FOLDER NAME=URL ...
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const [ executablePath, folder, ...given ] = process.argv.slice(2);
const PATIENCE = 60000; // ms: only the limit; everything is waited for
mkdirSync(folder, { recursive: true });
const browser = await chromium.launch({ executablePath, args: [ '--no-sandbox' ], timeout: PATIENCE });
const seen = {};

async function look(name, url) {
  const found = seen[name] = { problems: [], foreign: [] };
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.on('pageerror', error => found.problems.push(error.message));
  page.on('console', message => message.type() === 'error' && found.problems.push(message.text()));
  page.on('request', request => request.url().startsWith(url) || request.url().startsWith('data:') || found.foreign.push(request.url()));
  const answer = await page.goto(url);
  found.policy = answer.headers()['content-security-policy'];
  found.text = await page.locator('body').innerText();
  found.html = await page.content();
  found.hacked = await page.evaluate(() => Boolean(window.hacked));
  found.images = await page.getByRole('img').evaluateAll(all => all.map(one => one.querySelector('title')?.textContent ?? one.ariaLabel));
  found.alerts = await page.getByRole('alert').allInnerTexts();
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, caret: 'initial' });

  await page.keyboard.press('Tab');
  found.focus = await page.evaluate(() => {
    const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement);
    return [ document.activeElement.tagName, outlineStyle, parseFloat(outlineWidth) ];
  });
  found.scrolled = await page.locator('.wide').evaluateAll(all => all.every(one => one.tabIndex === 0 && Boolean(one.ariaLabel)));

  const colours = () => page.evaluate(() => [ document.body, document.querySelector('.card h2, .card h3') ].map(one => getComputedStyle(one)).map((style, at) => at ? style.color : style.backgroundColor));
  found.light = await colours();
  await page.emulateMedia({ colorScheme: 'dark' });
  found.dark = await colours();
  if (name === 'trouble') await page.screenshot({ path: join(folder, `${name}-dark.png`), fullPage: true, caret: 'initial' });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 844 });
  found.width = await page.evaluate(() => document.documentElement.scrollWidth);
  if (name === 'trouble') await page.screenshot({ path: join(folder, `${name}-phone.png`), fullPage: true, caret: 'initial' });
  await context.close();

  const plain = await browser.newContext({ javaScriptEnabled: false });
  const snapshot = await plain.newPage();
  await snapshot.goto(url);
  found.snapshot = await snapshot.locator('body').innerText();
  await plain.close();
}

// It renews itself, keeps its place, and says when it cannot: the server has news at the second look, and goes after the third.
async function renewed(url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(url);
  const jobs = page.locator('#jobs-being-worked-on');
  await jobs.focus();
  await jobs.evaluate(box => box.scrollTo(0, 700));
  await page.getByText('Appeared').first().waitFor();
  seen.place = await jobs.evaluate(box => [ box.scrollTop, document.activeElement === box ]);
  await page.locator('#lost').waitFor({ state: 'visible' });
  seen.renewed = await page.locator('#lost').innerText();
}

// One that takes the connection and never answers is no worker that works.
async function standing(url) {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE);
  await page.goto(url);
  await page.locator('#lost').waitFor({ state: 'visible' });
  seen.standing = await page.locator('#lost').innerText();
  seen.asOf = await page.locator('.as-of').innerText();
}

const addresses = new Map(given.map(one => [ one.slice(0, one.indexOf('=')), one.slice(one.indexOf('=') + 1) ]));
const renewing = [ renewed(addresses.get('renewed')), standing(addresses.get('standing')) ];
addresses.delete('renewed');
addresses.delete('standing');
for (const [ name, url ] of addresses) await look(name, url);
await Promise.all(renewing);
console.log(JSON.stringify(seen));
await browser.close();
