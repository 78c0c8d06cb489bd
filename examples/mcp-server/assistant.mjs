// An assistant in a terminal: it connects to an MCP server, asks the person in the browser
// when it has to, and calls a tool. What it was allowed, it keeps in a file.
//
//   node assistant.mjs URL TOOL [ARGUMENTS]
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { randomUUID } from "node:crypto";
import { UnauthorizedError } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";

const [url, tool, input = "{}"] = process.argv.slice(2);
const kept = process.env.ASSISTANT_FILE ?? "assistant.json";

// The browser brings the answer to a port of this machine, which the system chooses.
const state = randomUUID();
let answered;
const answer = new Promise((done) => (answered = done));
const loopback = createServer((request, response) => {
  const at = new URL(request.url, "http://127.0.0.1");
  if (at.pathname !== "/callback" || at.searchParams.get("state") !== state) return response.writeHead(404).end();
  response.setHeader("Content-Type", "text/plain").end("You can close this page and go back to the assistant.\n");
  answered(at.searchParams);
});
await new Promise((done) => loopback.listen(0, "127.0.0.1", done));

let verifier;
const provider = {
  redirectUrl: `http://127.0.0.1:${loopback.address().port}/callback`,
  clientMetadata: { client_name: "Assistant", redirect_uris: [], token_endpoint_auth_method: "none" },
  clientInformation: () => ({ client_id: process.env.CLIENT_ID ?? "assistant" }),
  state: () => state,
  tokens: () => (existsSync(kept) ? JSON.parse(readFileSync(kept, "utf8")) : undefined),
  saveTokens: (tokens) => writeFileSync(kept, JSON.stringify(tokens), { mode: 0o600 }),
  invalidateCredentials: () => rmSync(kept, { force: true }), // revoked: ask the person again
  saveCodeVerifier: (value) => (verifier = value),
  codeVerifier: () => verifier,
  redirectToAuthorization: (address) => console.log(`Open this page in your browser:\n${address}`),
};

const call = async (transport) => {
  const client = new Client({ name: "assistant", version: "1.0.0" });
  await client.connect(transport);
  const result = await client.callTool({ name: tool, arguments: JSON.parse(input) });
  console.log(result.content.map((part) => part.text).join("\n"));
};
const transport = () => new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
const first = transport();
try {
  await call(first);
} catch (error) {
  if (!(error instanceof UnauthorizedError)) throw error;
  const got = await answer;
  if (got.has("error")) {
    console.error(`not allowed: ${got.get("error_description")}`);
    process.exit(1);
  }
  await first.finishAuth(got.get("code"));
  await call(transport());
}
process.exit(0);
