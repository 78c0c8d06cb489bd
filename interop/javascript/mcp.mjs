// An MCP server and an MCP client by the official SDK that SDK names, with bearerd between
// them. Without MCP only the libraries are loaded.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { Person } from "./person.mjs";

const { SDK, BEARERD, MCP, USERNAME, PASSWORD, CLIENT_ID, CLIENT_URL } = process.env;
const load = (path) => import(`${SDK ?? "@modelcontextprotocol/sdk"}/${path}`);
const [{ McpServer }, { StreamableHTTPServerTransport }, { Client }, { StreamableHTTPClientTransport }, { UnauthorizedError }] = await Promise.all(
  ["server/mcp.js", "server/streamableHttp.js", "client/index.js", "client/streamableHttp.js", "client/auth.js"].map(load),
);
if (!MCP) process.exit(0);

// The server answers whom bearerd says that the call is from.
const [host, port] = MCP.split(":");
const application = createServer(async (request, response) => {
  assert.equal(request.headers.authorization, undefined, "the token reached the application");
  const server = new McpServer({ name: "museum", version: "1.0.0" });
  server.registerTool("whoami", { description: "Who is calling" }, ({ requestInfo }) => ({
    content: [{ type: "text", text: requestInfo.headers["remote-user"] ?? "nobody" }],
  }));
  const transport = new StreamableHTTPServerTransport({ sessionIdGenerator: undefined });
  response.on("close", () => transport.close());
  await server.connect(transport);
  await transport.handleRequest(request, response);
});
await new Promise((done) => application.listen(Number(port), host, done));

// What a client keeps.
class Provider {
  redirectUrl = CLIENT_URL ? new URL("/back", CLIENT_URL).href : "http://127.0.0.1:53682/callback";
  clientMetadataUrl = CLIENT_URL;
  clientMetadata = { client_name: "interop", redirect_uris: [this.redirectUrl], token_endpoint_auth_method: "none" };
  #client = CLIENT_ID && { client_id: CLIENT_ID };
  state = () => "a state";
  clientInformation = () => this.#client;
  saveClientInformation = (client) => (this.#client = client);
  tokens = () => this.kept;
  saveTokens = (tokens) => (this.kept = tokens);
  redirectToAuthorization = (address) => (this.request = address);
  saveCodeVerifier = (verifier) => (this.verifier = verifier);
  codeVerifier = () => this.verifier;
  invalidateCredentials = (scope) => {
    if (scope === "all" || scope === "tokens") this.kept = undefined;
  };
}

const mcp = new URL("/mcp", BEARERD);
const person = new Person(BEARERD, USERNAME, PASSWORD);
const provider = new Provider();
const connect = async (transport) => {
  const client = new Client({ name: "interop", version: "1.0.0" });
  await client.connect(transport);
  return client;
};
const whoami = async (client) => (await client.callTool({ name: "whoami", arguments: {} })).content[0].text;

// From the 401 to the metadata of the resource, to that of the server, to the person.
const first = new StreamableHTTPClientTransport(mcp, { authProvider: provider });
await assert.rejects(connect(first), UnauthorizedError);
const asked = provider.request.searchParams;
assert.equal(provider.request.origin + provider.request.pathname, BEARERD + "/oauth2/authorize");
assert.equal(asked.get("resource"), mcp.href);
assert.equal(asked.get("scope"), "specimens");
assert.equal(asked.get("client_id"), CLIENT_ID || CLIENT_URL);
assert.equal(asked.get("code_challenge_method"), "S256");
const back = await person.allow(provider.request);
assert.equal(back.origin + back.pathname, provider.redirectUrl);
assert.equal(back.searchParams.get("state"), "a state");
assert.equal(back.searchParams.get("iss"), BEARERD);
assert.equal(person.asked.length, 1);
assert.match(person.asked[0], CLIENT_URL ? /Not verified\./ : /any program on this device/);
await first.finishAuth(back.searchParams.get("code"));

const client = await connect(new StreamableHTTPClientTransport(mcp, { authProvider: provider }));
assert.equal(await whoami(client), USERNAME);

// A token that is no good is refreshed, by itself.
const before = provider.kept;
provider.kept = { ...before, access_token: before.access_token + "x" };
assert.equal(await whoami(client), USERNAME);
assert.notEqual(provider.kept.refresh_token, before.refresh_token);

// The person disconnects it. Neither token works, and the client would have to ask again.
const last = provider.kept;
await person.disconnect();
const refused = await fetch(mcp, { method: "POST", headers: { Authorization: "Bearer " + last.access_token } });
assert.equal(refused.status, 401);
assert.match(refused.headers.get("WWW-Authenticate"), /error="invalid_token".*resource_metadata="[^"]*\/\.well-known\/oauth-protected-resource\/mcp"/);
provider.request = undefined;
await assert.rejects(whoami(client));
assert.equal(provider.request?.pathname, "/oauth2/authorize");
process.exit(0);
