// Validates FHIR R4 JSON files with the npm package `fhir` (bindings, reference targets). Exit code 1 on any error.
// Warnings about codes of non-required value sets are expected: the site's and Gurney's own codes are in none.
const fs = require("fs");
const { Fhir } = require("fhir");

const validator = new Fhir();
let failed = false;
for (const file of process.argv.slice(2)) {
  const result = validator.validate(JSON.parse(fs.readFileSync(file, "utf8")), { errorOnUnexpected: true });
  const errors = result.messages.filter((message) => message.severity === "error" || message.severity === "fatal");
  for (const error of errors) console.log(`${file}: ${error.resourceId || ""} ${error.location}: ${error.message}`);
  failed = failed || errors.length > 0 || !result.valid;
}
process.exit(failed ? 1 : 0);
