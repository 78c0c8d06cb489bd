// A person at a browser: it keeps cookies, signs in, and posts the form of the consent page.
import assert from "node:assert/strict";

export class Person {
  #cookies = new Map();
  asked = []; // the consent pages that were shown

  constructor(base, username, password) {
    Object.assign(this, { base, username, password });
  }

  async #send(address, form) {
    const answer = await fetch(new URL(address, this.base), {
      redirect: "manual",
      method: form ? "POST" : "GET",
      body: form && new URLSearchParams(form),
      headers: { Cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ") },
    });
    for (const cookie of answer.headers.getSetCookie()) {
      const [name, value] = cookie.split(";")[0].split("=");
      this.#cookies.set(name, value);
    }
    return { status: answer.status, to: answer.headers.get("Location"), text: await answer.text() };
  }

  // allow follows an authorization request and returns where the browser ends: the client's
  // redirect URI with the answer in its query.
  async allow(request, decision = "allow") {
    let at = await this.#send(request);
    if (at.to?.startsWith("/auth/login")) {
      const next = new URL(at.to, this.base).searchParams.get("next");
      at = await this.#send("/auth/login", { username: this.username, password: this.password, next });
      at = await this.#send(at.to);
    }
    if (at.status === 200) {
      assert.match(at.text, /Allow access\?/);
      this.asked.push(at.text);
      const hidden = at.text.match(/name="request" value="([^"]*)"/)[1].replaceAll("&amp;", "&").replaceAll("&#43;", "+");
      const scopes = [...at.text.matchAll(/name="scope" value="([^"]*)"/g)].map((m) => ["scope", m[1]]);
      at = await this.#send("/oauth2/authorize", [["request", hidden], ["decision", decision], ["remember", "yes"], ...scopes]);
    }
    assert.equal(at.status, 303, at.text);
    return new URL(at.to);
  }

  // disconnect revokes the only connected application, on the page of the person's tokens.
  async disconnect() {
    const page = await this.#send("/auth/tokens");
    const connected = page.text.match(/id="connected"[^]*?<\/section>/);
    assert.ok(connected, "nothing is connected");
    const ids = [...connected[0].matchAll(/href="\/auth\/tokens\/([^"/]+)\/revoke"/g)];
    assert.equal(ids.length, 1);
    const done = await this.#send(`/auth/tokens/${ids[0][1]}/revoke`, {});
    assert.equal(done.status, 303, done.text);
  }
}
