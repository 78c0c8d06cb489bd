// private_key_jwt by oauth4webapi and openid-client: the client publishes its keys at an address
// of its own and has no secret. Without BEARERD only the libraries are loaded.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { Person } from "./person.mjs";

const { BEARERD, USERNAME, PASSWORD, CLIENT_ID, KEYS } = process.env;
if (!BEARERD) process.exit(0);
const issuer = new URL(BEARERD);
const redirect = "http://127.0.0.1:53683/callback";
const insecure = { [oauth.allowInsecureRequests]: true };

const newKey = async (kid, algorithm) => {
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return { key: pair.privateKey, kid, jwk: { ...(await crypto.subtle.exportKey("jwk", pair.publicKey)), kid, use: "sig" } };
};
const es = await newKey("es", { name: "ECDSA", namedCurve: "P-256" });
const rs = await newKey("rs", { name: "RSASSA-PKCS1-v1_5", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" });
const ed = await newKey("ed", { name: "Ed25519" }); // its assertions say alg: Ed25519 (RFC 9864)
const stranger = await newKey("es", { name: "ECDSA", namedCurve: "P-256" });

const server = createServer((_, answer) => {
  answer.setHeader("Content-Type", "application/jwk-set+json");
  answer.end(JSON.stringify({ keys: [es.jwk, rs.jwk, ed.jwk] }));
});
await new Promise((listens) => server.listen(Number(new URL(KEYS).port), "127.0.0.1", listens));

try {
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }));
  assert.ok(as.token_endpoint_auth_methods_supported.includes("private_key_jwt"));
  const client = { client_id: CLIENT_ID };

  // oauth4webapi, with each key: client credentials, introspection, revocation.
  for (const { key, kid } of [es, rs, ed]) {
    const auth = oauth.PrivateKeyJwt({ key, kid });
    const get = async (by) => oauth.processClientCredentialsResponse(as, client, await oauth.clientCredentialsGrantRequest(as, client, by, { scope: "specimens" }, insecure));
    const tokens = await get(auth);
    const introspect = async () => oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, tokens.access_token, insecure));
    assert.equal((await introspect()).active, true);
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, tokens.access_token, insecure));
    assert.equal((await introspect()).active, false);
    const refused = (error) => error.error === "invalid_client" || error.cause?.some?.((c) => c.scheme === "basic");
    await assert.rejects(get(oauth.PrivateKeyJwt({ key: stranger.key, kid })), refused);
    const sent = (changes) => oauth.PrivateKeyJwt({ key, kid }, { [oauth.modifyAssertion]: (_, payload) => Object.assign(payload, changes) });
    await assert.rejects(get(sent({ aud: as.token_endpoint })), refused);
    await assert.rejects(get(sent({ aud: [as.issuer, as.token_endpoint] })), refused);
    await assert.rejects(get(sent({ exp: Math.floor(Date.now() / 1000) + 3600 })), refused);
  }

  // openid-client: a person's consent, and a refresh.
  const config = await openid.discovery(issuer, CLIENT_ID, undefined, openid.PrivateKeyJwt({ key: es.key, kid: es.kid }), { execute: [openid.allowInsecureRequests] });
  const person = new Person(BEARERD, USERNAME, PASSWORD);
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const back = await person.allow(openid.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: "specimens", state, resource: BEARERD + "/mcp",
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  }));
  const tokens = await openid.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state });
  const next = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.equal((await openid.tokenIntrospection(config, next.access_token)).client_id, CLIENT_ID);
  await openid.tokenRevocation(config, next.refresh_token);
  assert.equal((await openid.tokenIntrospection(config, next.access_token)).active, false);
} finally {
  server.close();
  server.closeAllConnections();
}
