// SPDX-License-Identifier: MIT
//
// Checks the objects of rendered files against the models of Kubernetes and of the Prometheus
// operator, and writes those of NAME.yaml as NAME.ts, in which a key that a type does not have is an
// error.  Usage: manifests.mjs NODE_MODULES NAME.yaml...  Prints "NAME: N objects", after a line "NAME:
// wrong: ..." for each that is not of its model; exit status 1 if there is one.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename } from "node:path";
import { pathToFileURL } from "node:url";

const [modules, ...files] = process.argv.slice(2);
const require = createRequire(`${modules}/`);
const load = (name) => import(pathToFileURL(`${modules}/${name}.js`).href);
const { parseAllDocuments } = require("yaml");

const moduleOf = ({ apiVersion, kind }) => {
  const operator = apiVersion.startsWith("monitoring.coreos.com/");
  return `${operator ? "@kubernetes-models/prometheus-operator" : "kubernetes-models"}/${apiVersion}/${kind}`;
};

// As the cluster reads YAML: 0400 is octal.
const objectsOf = (file) => parseAllDocuments(readFileSync(file, "utf8"), { version: "1.1" })
  .map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  })
  .filter((object) => object !== null);

let wrong = 0;
for (const file of files) {
  const name = basename(file, ".yaml");
  const objects = objectsOf(file);
  const lines = [];
  for (const [number, object] of objects.entries()) {
    const module = moduleOf(object);
    const { [object.kind]: Model } = await load(module);
    try {
      new Model(object).validate();
    } catch (error) {
      console.log(`${name}: wrong: ${object.kind} ${object.metadata.name}: ${error.message}`);
      wrong += 1;
    }
    lines.push(`import type { I${object.kind} as Type${number} } from "${module}";`);
    lines.push(`export const object${number}: Type${number} = ${JSON.stringify(object, null, 1)};`);
  }
  writeFileSync(file.replace(/\.yaml$/, ".ts"), lines.join("\n") + "\n");
  console.log(`${name}: ${objects.length} objects`);
}
process.exit(wrong === 0 ? 0 : 1);
