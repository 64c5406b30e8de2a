// SPDX-License-Identifier: MIT
//
// Checks the objects of a rendered file against the models of Kubernetes and of the Prometheus
// operator, and writes them as TypeScript, in which a key that a type does not have is an error.
// Usage: manifests.mjs NODE_MODULES RENDERED TYPESCRIPT.  Prints how many objects there were.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [modules, rendered, typescript] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(`${modules}/${name}.js`).href);
const { parseAllDocuments } = require("yaml");

const moduleOf = ({ apiVersion, kind }) => {
  const operator = apiVersion.startsWith("monitoring.coreos.com/");
  return `${operator ? "@kubernetes-models/prometheus-operator" : "kubernetes-models"}/${apiVersion}/${kind}`;
};

// As the cluster reads YAML: 0400 is octal.
const objects = parseAllDocuments(readFileSync(rendered, "utf8"), { version: "1.1" })
  .map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  })
  .filter((object) => object !== null);

const lines = [];
let wrong = 0;
for (const [number, object] of objects.entries()) {
  const module = moduleOf(object);
  const { [object.kind]: Model } = await load(module);
  try {
    new Model(object).validate();
  } catch (error) {
    console.log(`${object.kind} ${object.metadata.name}: ${error.message}`);
    wrong += 1;
  }
  lines.push(`import type { I${object.kind} as Type${number} } from "${module}";`);
  lines.push(`export const object${number}: Type${number} = ${JSON.stringify(object, null, 1)};`);
}
writeFileSync(typescript, lines.join("\n") + "\n");
console.log(`${objects.length} objects`);
process.exit(wrong === 0 ? 0 : 1);
