// The conformance tests of MCP for authorization servers. Without BEARERD only the package
// is looked for.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Person } from "./person.mjs";

const { BEARERD, USERNAME, PASSWORD, CLIENT_ID } = process.env;
const program = new URL("node_modules/@modelcontextprotocol/conformance/dist/index.js", import.meta.url);
// What it imports from Node 22 is for reports alone; Debian has Node 20.
const text = readFileSync(program, "utf8").replace(/globSync as [a-zA-Z]+,/, "");
if (!BEARERD) process.exit(0);
const copy = new URL("bearerd.js", program);
writeFileSync(copy, text);

const args = ["authorization", "--url", BEARERD, "--client-id", CLIENT_ID, "--resource", BEARERD + "/mcp", "--port", "53683"];
const run = spawn(process.execPath, [fileURLToPath(copy), ...args], { stdio: ["ignore", "pipe", "pipe"] });
let out = "";
let allowed;
run.stderr.on("data", (chunk) => (out += chunk));
run.stdout.on("data", (chunk) => {
  out += chunk;
  const request = out.match(/^http\S*\/oauth2\/authorize\?\S*$/m);
  if (request && !allowed) {
    allowed = new Person(BEARERD, USERNAME, PASSWORD).allow(request[0]).then((back) => fetch(back));
  }
});
const code = await new Promise((done) => run.on("close", done));
assert.ok(allowed, out);
assert.equal((await allowed).status, 200, out);
assert.equal(code, 0, out);
const total = out.match(/Total: (\d+) passed, (\d+) failed(.*)/);
assert.ok(total && Number(total[1]) >= 3 && total[2] === "0" && !/warning/i.test(out), out);
console.log(out);
