// The OAuth client of the Hypothesis sidebar, out of the package that npm has: its sources
// stand in the source map of the bundle. It talks to bearerd with Hypothesis behind it.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { transform } from "sucrase";

const map = JSON.parse(readFileSync("node_modules/hypothesis/build/scripts/sidebar.bundle.js.map", "utf8"));
for (const [path, file] of [
  ["src/sidebar/util/oauth-client.ts", "oauth-client.mjs"],
  ["src/sidebar/util/fetch.ts", "fetch.mjs"],
  ["src/shared/random.ts", "random.mjs"],
]) {
  const at = map.sources.findIndex((s) => s.endsWith("/" + path));
  assert.notEqual(at, -1, path);
  const { code } = transform(map.sourcesContent[at], { transforms: ["typescript"] });
  writeFileSync(file, code.replace("'./fetch'", "'./fetch.mjs'").replace("'../../shared/random'", "'./random.mjs'"));
}
const { OAuthClient } = await import("./oauth-client.mjs");

const { BEARERD: base, USERNAME: username, PASSWORD: password } = process.env;
const client = new OAuthClient({
  clientId: "sidebar",
  authorizationEndpoint: base + "/oauth/authorize",
  revokeEndpoint: base + "/oauth/revoke",
  tokenEndpoint: new URL("token", base + "/api/").toString(),
});

// What the sidebar's API service sends with each request.
const profile = async (token) => {
  const headers = { "Content-Type": "application/json", "Hypothesis-Client-Version": "1.1766.0", "X-Client-Id": "tab-1" };
  if (token) headers.Authorization = "Bearer " + token;
  const answer = await fetch(base + "/api/profile", { headers });
  return { status: answer.status, body: await answer.json() };
};

// Codes, grant tokens and tokens of Hypothesis's own.
let tokens = await client.exchangeAuthCode("a-code-of-h");
assert.equal(tokens.accessToken, "5768-of-h");
assert.ok(tokens.expiresAt > Date.now());
tokens = await client.exchangeGrantToken("eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJwdWJsaXNoZXIifQ.c2lnbmF0dXJl");
assert.equal(tokens.refreshToken, "4657-of-h");
tokens = await client.refreshToken(tokens.refreshToken);
assert.equal(tokens.accessToken, "5768-of-h");
await client.revokeToken(tokens.accessToken);
await assert.rejects(client.exchangeAuthCode("another code"), /Failed to fetch access token/);

// Tokens of bearerd's.
assert.equal((await profile()).body.userid, null);
const login = await fetch(base + "/auth/login", {
  method: "POST", redirect: "manual", body: new URLSearchParams({ username, password }),
});
assert.equal(login.status, 303);
const cookie = login.headers.getSetCookie().map((c) => c.split(";")[0]).find((c) => c.includes("bds_"));
const short = await (await fetch(base + "/api/token", { headers: { Cookie: cookie } })).text();
const exchanged = await fetch(base + "/oauth2/token", {
  method: "POST",
  body: new URLSearchParams({
    grant_type: "urn:ietf:params:oauth:grant-type:token-exchange", scope: "offline_access",
    subject_token: short, subject_token_type: "urn:ietf:params:oauth:token-type:access_token",
  }),
});
assert.equal(exchanged.status, 200);
const { refresh_token: first } = await exchanged.json();

const ours = await client.refreshToken(first);
assert.ok(ours.refreshToken.startsWith("bdr_") && ours.refreshToken !== first);
assert.match((await profile(ours.accessToken)).body.userid, new RegExp("^acct:" + username + "@"));
await client.revokeToken(ours.accessToken);
assert.equal((await profile(ours.accessToken)).status, 401);
await client.revokeToken(ours.refreshToken);
await assert.rejects(client.refreshToken(ours.refreshToken), /Failed to fetch access token/);
