// Camunda's linter for the browser: the rules of the version that a diagram names, and those of its templates.
import { Linter } from '@camunda/linting';
import { CloudElementTemplatesLinterPlugin } from 'bpmn-js-element-templates';

window.lint = async (xml, templates) => {
  const linter = new Linter({ modeler: 'desktop', type: 'cloud', plugins: [ CloudElementTemplatesLinterPlugin(templates) ] });
  return (await linter.lint(xml)).map(({ category, id, rule, message }) => `${category} ${id} [${rule}] ${message}`);
};
