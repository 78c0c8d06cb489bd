// Verifies TOKEN with jose; ends with 3 when it is refused, and with 0 when there is none.
import { createRemoteJWKSet, errors, jwtVerify } from "jose";

const { TOKEN, BEARERD, AUDIENCE, ALGORITHM } = process.env;
if (TOKEN) {
  const keys = createRemoteJWKSet(new URL("/.well-known/jwks.json", BEARERD));
  try {
    await jwtVerify(TOKEN, keys, { issuer: BEARERD, audience: AUDIENCE, algorithms: [ALGORITHM], typ: "at+jwt" });
  } catch (error) {
    if (!(error instanceof errors.JOSEError)) throw error;
    console.log(error.code, error.message);
    process.exit(3);
  }
}
