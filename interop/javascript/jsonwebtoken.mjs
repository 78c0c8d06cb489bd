// Verifies TOKEN with jsonwebtoken and jwks-rsa; ends with 3 when it is refused, and with 0
// when there is none.
import jwt from "jsonwebtoken";
import jwksClient from "jwks-rsa";

const { TOKEN, BEARERD, AUDIENCE, ALGORITHM } = process.env;
if (TOKEN) {
  const client = jwksClient({ jwksUri: BEARERD + "/.well-known/jwks.json" });
  const key = (header, done) => client.getSigningKey(header.kid).then((found) => done(null, found.getPublicKey()), done);
  jwt.verify(TOKEN, key, { issuer: BEARERD, audience: AUDIENCE, algorithms: [ALGORITHM] }, (error) => {
    if (error) {
      console.log(error.name, error.message);
      process.exit(3);
    }
  });
}
