// An OpenID provider, panva's oidc-provider, at which anybody signs in by any name. What it
// is told by the environment: ISSUER, REDIRECT_URI, BACKCHANNEL, SECRET, ALGORITHM, and
// IN_ID_TOKEN where the ID token carries all claims, so that nobody asks for userinfo.
import { generateKeyPairSync } from "node:crypto";
import { Provider } from "oidc-provider";

const { ISSUER, REDIRECT_URI, BACKCHANNEL, SECRET, ALGORITHM, IN_ID_TOKEN } = process.env;

const pair = {
  RS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync("rsa", { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync("ec", { namedCurve: "P-256" }),
  EdDSA: () => generateKeyPairSync("ed25519"),
}[ALGORITHM]();
// Some providers name no algorithm in their keys.
const key = { ...pair.privateKey.export({ format: "jwk" }), use: "sig", kid: "k1" };

const provider = new Provider(ISSUER, {
  clients: [{
    client_id: "bearerd",
    client_secret: SECRET,
    redirect_uris: [REDIRECT_URI],
    id_token_signed_response_alg: ALGORITHM,
    backchannel_logout_uri: BACKCHANNEL,
    backchannel_logout_session_required: true,
  }],
  jwks: { keys: [key] },
  enabledJWA: { idTokenSigningAlgValues: [ALGORITHM] },
  features: { devInteractions: { enabled: true }, backchannelLogout: { enabled: true } },
  scopes: ["openid", "profile", "email", "groups"],
  claims: { openid: ["sub"], profile: ["preferred_username", "name"], email: ["email", "email_verified"], groups: ["groups"] },
  conformIdTokenClaims: !IN_ID_TOKEN,
  // Its own dispatcher refuses addresses of this machine, where the test's server is.
  fetch: (url, { dispatcher, ...options }) => globalThis.fetch(url, options),
  pkce: { required: () => true },
  cookies: { keys: ["of this test alone"] },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({
      sub: id, preferred_username: id, name: `${id} Lovelace`, email: `${id}@example.org`, email_verified: true, groups: ["curators", "everybody"],
    }),
  }),
});
provider.on("backchannel.success", () => console.log("backchannel: success"));
provider.on("backchannel.error", (_, err) => console.log("backchannel:", err.message));
provider.on("server_error", (_, err) => console.log("error:", err));

const at = new URL(ISSUER);
provider.listen(Number(at.port), at.hostname, () => console.log("ready"));
