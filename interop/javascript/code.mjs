// The code grant by openid-client and oauth4webapi. Without BEARERD only the libraries are
// loaded.
import assert from "node:assert/strict";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { Person } from "./person.mjs";

const { BEARERD, USERNAME, PASSWORD, CLIENT_ID } = process.env;
if (!BEARERD) process.exit(0);
const issuer = new URL(BEARERD);
const redirect = "http://127.0.0.1:53682/callback";
const resource = BEARERD + "/mcp";
const person = new Person(BEARERD, USERNAME, PASSWORD);

const active = async (token) => {
  const answer = await fetch(BEARERD + "/mcp", { headers: { Authorization: "Bearer " + token } });
  return answer.status !== 401;
};

{
  const insecure = { [oauth.allowInsecureRequests]: true };
  const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }));
  const client = { client_id: CLIENT_ID };
  const verifier = oauth.generateRandomCodeVerifier();
  const state = oauth.generateRandomState();
  const request = new URL(as.authorization_endpoint);
  request.search = new URLSearchParams({
    client_id: CLIENT_ID, redirect_uri: redirect, response_type: "code", scope: "specimens", state, resource,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const params = oauth.validateAuthResponse(as, client, await person.allow(request), state);
  const redeemed = await oauth.authorizationCodeGrantRequest(as, client, oauth.None(), params, redirect, verifier, {
    additionalParameters: { resource }, ...insecure,
  });
  const tokens = await oauth.processAuthorizationCodeResponse(as, client, redeemed);
  assert.ok(await active(tokens.access_token));
  const next = await oauth.processRefreshTokenResponse(as, client, await oauth.refreshTokenGrantRequest(as, client, oauth.None(), tokens.refresh_token, insecure));
  assert.ok(await active(next.access_token));
  assert.notEqual(next.refresh_token, tokens.refresh_token);
  // An answer of another server (RFC 9207), and a person who says no.
  const mixed = await person.allow(request);
  mixed.searchParams.set("iss", "https://evil.example");
  assert.throws(() => oauth.validateAuthResponse(as, client, mixed, state), /iss/);
  const denied = await person.allow(request, "deny");
  assert.throws(() => oauth.validateAuthResponse(as, client, denied, state), (error) => error.error === "access_denied");
  await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, oauth.None(), next.refresh_token, insecure));
  assert.ok(!(await active(next.access_token)));
}

{
  const config = await openid.discovery(issuer, CLIENT_ID, undefined, openid.None(), { execute: [openid.allowInsecureRequests] });
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const request = openid.buildAuthorizationUrl(config, {
    redirect_uri: redirect, scope: "specimens", state, resource,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier), code_challenge_method: "S256",
  });
  const back = await person.allow(request);
  const tokens = await openid.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state }, { resource });
  assert.equal(tokens.scope, "specimens");
  assert.ok(await active(tokens.access_token));
  const next = await openid.refreshTokenGrant(config, tokens.refresh_token);
  assert.ok(await active(next.access_token));
  // The code a second time: refused, and what came of it is revoked.
  await assert.rejects(
    openid.authorizationCodeGrant(config, back, { pkceCodeVerifier: verifier, expectedState: state }),
    (error) => error.error === "invalid_grant",
  );
  assert.ok(!(await active(next.access_token)));
}
