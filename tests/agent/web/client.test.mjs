/** The client in Node: every call over HTTPS to a fake agent, and every call as a mock. */

import assert from "node:assert/strict";
import { createHash, verify, X509Certificate } from "node:crypto";
import { after, afterEach, test } from "node:test";

import * as eid from "../../../agent/web/client.js";
import { fakeAgent } from "./fake_agent.mjs";

const ORIGIN = "https://portal.example";
const NONCE = "n".repeat(44);
const HASH = createHash("sha384").update("a declaration").digest();
const MOCK = { mock: true };

globalThis.location = { origin: ORIGIN };
console.warn = () => {};

const agent = await fakeAgent();
const { port } = agent;
after(() => agent.close());
afterEach(() => {
  agent.requests.length = 0;
});

/** Have the fake give this answer once the client has asked; the request's body. */
async function asked(call, answer) {
  agent.answer = () => [200, answer];
  const said = await call();
  const [{ path, headers, body }, ...more] = agent.posts();
  assert.deepEqual(more, [], "one call is one request");
  assert.equal(headers["x-eid-agent"], "1");
  assert.equal(headers["content-type"], "application/json");
  return { said, path, body };
}

// --- over HTTPS ----------------------------------------------------------------------

test("status tells the versions of library and agent", async () => {
  const said = await eid.status({ port });
  assert.equal(said.library, eid.VERSION);
  assert.equal(said.nativeApp, "9.8.7");
  assert.equal(said.port, port);
  assert.deepEqual(agent.posts(), []);
});

test("detect says that an agent runs", async () => {
  const found = await eid.detect({ port, lang: "fr" });
  assert.deepEqual([found.state, found.lang], ["running", "fr"]);
});

test("authenticate sends the nonce as it is", async () => {
  const options = { port, lang: "nl", reader: "A" };
  const { said, path, body } = await asked(() => eid.authenticate(NONCE, options), { a: 1 });
  assert.equal(path, "/v1/authenticate");
  assert.deepEqual(body, { challengeNonce: NONCE, reader: "A", lang: "nl" });
  assert.deepEqual(said, { a: 1 });
});

test("readIdentity asks for the identity alone by default", async () => {
  const { path, body } = await asked(() => eid.readIdentity({ port }), {});
  assert.equal(path, "/v1/identity");
  assert.deepEqual(body, { include: ["identity"] });
});

test("getSigningCertificate hands on what the agent answers", async () => {
  const answer = { certificate: "AA==", supportedSignatureAlgorithms: [] };
  const call = () => eid.getSigningCertificate({ port, lang: "de" });
  const { said, path, body } = await asked(call, answer);
  assert.equal(path, "/v1/signing-certificate");
  assert.deepEqual(body, { lang: "de" });
  assert.deepEqual(said, answer);
});

test("sign sends certificate, hash and function, and the options that it has", async () => {
  const more = { documentName: "Verklaring", paddingScheme: "PSS", reader: "A" };
  const options = { port, lang: "nl", userInteractionTimeout: 60_000, ...more };
  const call = () => eid.sign("AA==", HASH.toString("base64"), "SHA-384", options);
  const answer = { signature: "AA==", signatureAlgorithm: {} };
  const { said, path, body } = await asked(call, answer);
  assert.equal(path, "/v1/sign");
  const hash = HASH.toString("base64");
  assert.deepEqual(body, {
    certificate: "AA==",
    hash,
    hashFunction: "SHA-384",
    ...more,
    lang: "nl",
  });
  assert.deepEqual(said, answer);
});

test("signPdf takes a document as base64, file, buffer or bytes", async () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, at) => at % 251);
  const expected = Buffer.from(bytes).toString("base64");
  const forms = [expected, new Blob([bytes]), bytes.buffer, bytes, bytes.subarray(0)];
  const documents = forms.map((pdf, at) => ({ pdf, name: `${at}.pdf` }));
  const options = { port, reason: "Actualisatie", level: "B-T" };
  const { path, body } = await asked(() => eid.signPdf(documents, options), {});
  assert.equal(path, "/v1/sign-pdf");
  assert.deepEqual(body, {
    documents: forms.map((_, at) => ({ pdf: expected, name: `${at}.pdf` })),
    reason: "Actualisatie",
    level: "B-T",
  });
});

const CALLS = {
  authenticate: (options) => eid.authenticate(NONCE, options),
  readIdentity: (options) => eid.readIdentity(options),
  getSigningCertificate: (options) => eid.getSigningCertificate(options),
  sign: (options) => eid.sign("AA==", HASH.toString("base64"), "SHA-384", options),
  signPdf: (options) => eid.signPdf([{ name: "a.pdf", pdf: "AA==" }], options),
  events: async (options) => (await eid.events(() => {}, options)).close(),
};

for (const [name, call] of Object.entries(CALLS)) {
  test(`${name} hands a refusal on, and sends nothing again`, async () => {
    agent.answer = () => [403, { code: "user-denied", title: "Nee." }];
    await assert.rejects(call({ port }), (error) => {
      assert.ok(error instanceof eid.UserCancelledError);
      assert.equal(error.code, eid.ErrorCode.ERR_WEBEID_USER_CANCELLED);
      assert.deepEqual([error.agentCode, error.message], ["user-denied", "Nee."]);
      return true;
    });
    assert.equal(agent.posts().length, 1);
  });

  test(`${name} runs once at a time and ends with its signal`, async () => {
    const controller = new AbortController();
    let first;
    await new Promise((arrived) => {
      agent.answer = () => void arrived();
      first = call({ port, signal: controller.signal });
    });
    await assert.rejects(call({ port }), eid.ActionPendingError);
    controller.abort(new Error("enough"));
    await assert.rejects(first, /enough/);
    assert.equal(agent.posts().length, 1);
  });
}

test("what is missing is said before anything is sent", async () => {
  const mistakes = [
    [eid.authenticate(), "challengeNonce"],
    [eid.sign(), "certificate"],
    [eid.sign("AA=="), "hash"],
    [eid.sign("AA==", "AA=="), "hashFunction"],
    [eid.signPdf(), "list of documents"],
    [eid.signPdf({ name: "a.pdf", pdf: "AA==" }), "list of documents"],
    [eid.signPdf([{ name: "a.pdf" }]), "pdf"],
    [eid.events(), "listener"],
  ];
  for (const [call, name] of mistakes) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof eid.MissingParameterError);
      assert.equal(error.code, eid.ErrorCode.ERR_WEBEID_MISSING_PARAMETER);
      assert.match(error.message, new RegExp(`${name}$`));
      return true;
    });
  }
  assert.deepEqual(agent.requests, []);
});

test("the calls about signatures get twice the time, as in Web eID", async (t) => {
  const timers = t.mock.method(globalThis, "setTimeout").mock;
  for (const [name, call] of Object.entries(CALLS)) {
    timers.resetCalls();
    await call({ mock: "no-card", userInteractionTimeout: 7000 }).catch(() => {});
    const limits = timers.calls.map((timer) => timer.arguments[1]);
    const long = ["getSigningCertificate", "sign", "signPdf"].includes(name);
    assert.ok(limits.includes(long ? 14_000 : 7000), `${name}: ${limits}`);
  }
});

test("the names of Web eID's library are here", () => {
  const functions = ["status", "authenticate", "getSigningCertificate", "sign"];
  for (const name of functions) assert.equal(typeof eid[name], "function");
  const codes = Object.entries(eid.ErrorCode);
  assert.equal(codes.length, 13);
  for (const [name, value] of codes) {
    assert.equal(name, value);
    const words = name.replace("ERR_WEBEID_", "").toLowerCase().split("_");
    const given = words.map((word) => word[0].toUpperCase() + word.slice(1)).join("");
    const Kind = eid[given.endsWith("Error") ? given : `${given}Error`];
    assert.equal(new Kind("x").code, value);
  }
});

// --- as a mock -----------------------------------------------------------------------

test("a mock sends nothing and marks each answer", async () => {
  const { certificate } = await eid.getSigningCertificate(MOCK);
  const answers = [
    await eid.status(MOCK),
    await eid.detect(MOCK),
    await eid.authenticate(NONCE, MOCK),
    await eid.readIdentity(MOCK),
    await eid.getSigningCertificate(MOCK),
    await eid.sign(certificate, HASH.toString("base64"), "SHA-384", MOCK),
    await eid.signPdf([{ name: "a.pdf", pdf: "AA==" }], MOCK),
  ];
  for (const answer of answers) assert.equal(answer.mock, true);
  assert.equal(answers[0].virtual, true);
  assert.deepEqual(agent.requests, []);
});

test("a mock's login is signed for this origin and nonce", async () => {
  const token = await eid.authenticate(NONCE, MOCK);
  const parts = [ORIGIN, NONCE].map((text) => createHash("sha384").update(text).digest());
  const { publicKey } = new X509Certificate(Buffer.from(token.unverifiedCertificate, "base64"));
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" };
  const signature = Buffer.from(token.signature, "base64");
  assert.ok(verify("sha384", Buffer.concat(parts), key, signature));
  assert.equal(token.algorithm, "ES384");
});

test("a mock signs what it says that it signs", async () => {
  const { certificate, supportedSignatureAlgorithms } = await eid.getSigningCertificate(MOCK);
  const { publicKey, subject } = new X509Certificate(Buffer.from(certificate, "base64"));
  assert.match(subject, /Signature/);
  const key = { key: publicKey, dsaEncoding: "ieee-p1363" };
  for (const used of supportedSignatureAlgorithms) {
    const name = used.hashFunction.replace("SHA-", "sha").replace("SHA3", "sha3");
    const hash = createHash(name).update("a declaration").digest("base64");
    const said = await eid.sign(certificate, hash, used.hashFunction, MOCK);
    assert.deepEqual(said.signatureAlgorithm, used);
    const signature = Buffer.from(said.signature, "base64");
    assert.equal(signature.length, 96);
    assert.ok(verify(name, Buffer.from("a declaration"), key, signature), name);
  }
});

test("a mock refuses what the agent refuses", async () => {
  const { certificate } = await eid.getSigningCertificate(MOCK);
  const { unverifiedCertificate } = await eid.authenticate(NONCE, MOCK);
  const hash = HASH.toString("base64");
  const refused = [
    [() => eid.authenticate("short", MOCK), "invalid-request"],
    [() => eid.readIdentity({ include: [], ...MOCK }), "invalid-request"],
    [() => eid.readIdentity({ include: ["pin"], ...MOCK }), "invalid-request"],
    [() => eid.sign(unverifiedCertificate, hash, "SHA-384", MOCK), "certificate-mismatch"],
    [() => eid.sign(certificate, hash, "SHA-256", MOCK), "invalid-request"],
    [() => eid.sign(certificate, "%", "SHA-384", MOCK), "invalid-request"],
    [() => eid.sign(certificate, hash, "SHA-1", MOCK), "invalid-request"],
    [() => eid.sign(certificate, hash, "SHA-384", { paddingScheme: "PSS", ...MOCK }), "unsupported-card"],
    [() => eid.signPdf([], MOCK), "invalid-request"],
  ];
  for (const [call, code] of refused) {
    await assert.rejects(call, ({ agentCode, mock }) => {
      assert.deepEqual([agentCode, mock], [code, true]);
      return true;
    });
  }
});

for (const code of eid.AgentErrorCodes) {
  test(`a mock can play ${code}`, async () => {
    await assert.rejects(eid.readIdentity({ mock: code }), (error) => {
      assert.ok(error instanceof eid.EidError);
      assert.equal(error.agentCode, code);
      assert.equal(error.triesLeft, code === "pin-incorrect" ? 2 : undefined);
      return true;
    });
  });
}

test("a mock signs no document, and says so", async () => {
  const pdf = Buffer.from("%PDF-1.7").toString("base64");
  const { documents } = await eid.signPdf([{ name: "a.pdf", pdf }], MOCK);
  const sha256 = createHash("sha256").update("%PDF-1.7").digest("hex");
  assert.deepEqual(documents, [{ name: "a.pdf", outcome: "signed", pdf, sha256, mock: true }]);
});

test("a mock tells of its questions", async () => {
  const heard = [];
  const { close } = await eid.events((event) => heard.push(event), MOCK);
  await eid.readIdentity(MOCK);
  close();
  await eid.readIdentity(MOCK);
  assert.deepEqual(heard, [
    { type: "dialog", state: "opened", mock: true },
    { type: "dialog", state: "closed", mock: true },
    { type: "closed", code: 1000, reason: "", mock: true },
  ]);
});
