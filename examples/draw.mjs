// Draw the examples' pictures anew, with Modeler's own drawing code:
//   make modeler (installs it), then: node examples/draw.mjs
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const modeler = join(here, '../tests/modeler');
const { chromium } = createRequire(join(modeler, 'package.json'))('playwright-core');
const viewer = join(modeler, 'node_modules/camunda-bpmn-js/dist/camunda-cloud-viewer.production.min.js');

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM || '/usr/bin/chromium', args: [ '--no-sandbox' ]
});
const page = await browser.newPage({ deviceScaleFactor: 2 });
for (const file of readdirSync(here).filter(name => name.endsWith('.bpmn'))) {
  await page.setContent('<div id="canvas" style="height:600px"></div>');
  await page.addScriptTag({ path: viewer });
  const svg = await page.evaluate(async xml => {
    const drawn = new window.BpmnViewer({ container: '#canvas' });
    await drawn.importXML(xml);
    return (await drawn.saveSVG()).svg;
  }, readFileSync(join(here, file), 'utf8'));
  const picture = svg.slice(svg.indexOf('<svg'));
  await page.setContent(`<style>body{margin:0}#picture{display:inline-block;padding:15px}</style><div id="picture">${picture}</div>`);
  await page.locator('#picture').screenshot({ path: join(here, `${basename(file, '.bpmn')}.png`) });
}
await browser.close();
