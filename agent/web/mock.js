/**
 * What `mock: true` answers with: a card of an invented person, in the page itself.
 *
 * The answers are those of the agent with a virtual card of the newest applet, each with
 * one member more, `mock`. Its signatures are good ones, under a TEST root that nobody
 * trusts who did not choose to; its keys are public. The person agrees to everything.
 */

import card from "./mock-card.js";

const CHIP = "eid-agent-chip:1";
/** Bytes of the digests that the card signs, its own first. */
const HASHES = {
  "SHA-384": 48,
  "SHA-256": 32,
  "SHA-512": 64,
  "SHA3-384": 48,
  "SHA3-256": 32,
  "SHA3-512": 64,
  "SHA-224": 28,
  "SHA3-224": 28,
};
/** The files that go with each part, for its proof. */
const PROOFS = {
  identity: ["identity", "identitySignature"],
  address: ["address", "addressSignature", "identitySignature"],
  photo: ["photo"],
};
const NONCE = /^[\x21-\x7e]{44,128}$/;
/** The statuses of the agent's refusals that are not 424. */
const STATUS = {
  "invalid-request": 400,
  "origin-refused": 403,
  "policy-denied": 403,
  "user-denied": 403,
  "other-user": 403,
  "not-found": 404,
  "method-not-allowed": 405,
  "user-cancelled": 409,
  "busy": 409,
  "card-changed": 409,
  "certificate-mismatch": 409,
  "too-large": 413,
  "host-refused": 421,
  "document-refused": 422,
  "pin-incorrect": 422,
  "pin-blocked": 423,
  "too-many-requests": 429,
  "internal-error": 500,
  "timeout": 504,
};
const FIELDS = {
  "pin-incorrect": { triesLeft: 2 },
  "busy": { retryAfter: 1 },
  "too-many-requests": { retryAfter: 60 },
};

class Refusal extends Error {}

const refuse = (code) => {
  throw new Refusal(code);
};
const want = (right) => right || refuse("invalid-request");

// --- numbers and bytes ---------------------------------------------------------------

const N = BigInt(
  "0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
); // the order of P-384

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const base64 = (data) => btoa(String.fromCharCode(...data));
const number = (data) =>
  BigInt(`0x${[...data].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`);
const unsigned = (value) =>
  Uint8Array.from(value.toString(16).padStart(96, "0").match(/../g), (hex) => parseInt(hex, 16));
const mod = (value) => ((value % N) + N) % N;

function inverse(value) {
  let [a, b, x, y] = [value, N, 1n, 0n];
  while (b) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return mod(x);
}

async function sha384(...parts) {
  const data = new Blob(parts);
  return new Uint8Array(await crypto.subtle.digest("SHA-384", await data.arrayBuffer()));
}

/** ECDSA over a digest, which Web Crypto does not offer: k and its point are a new key's. */
async function signed(key, digest) {
  const curve = { name: "ECDSA", namedCurve: "P-384" };
  const { privateKey } = await crypto.subtle.generateKey(curve, true, ["sign"]);
  const jwk = await crypto.subtle.exportKey("jwk", privateKey);
  const [k, x] = [jwk.d, jwk.x].map((text) =>
    number(bytes(text.replaceAll("-", "+").replaceAll("_", "/"))),
  );
  const r = mod(x);
  const s = mod(inverse(k) * (number(digest.slice(0, 48)) + r * number(bytes(key))));
  return base64([...unsigned(r), ...unsigned(s)]);
}

// --- the calls -----------------------------------------------------------------------

const origin = () => globalThis.location?.origin ?? "https://localhost";

const CALLS = {
  "status": () => ({
    api: ["v1"],
    origin: "allowed",
    agent: { version: "0.1.0" },
    features: ["authenticate", "chip", "events", "identity", "sign", "sign-pdf"],
    card: "present",
    virtual: true,
  }),

  async "identity"({ include, challenge }) {
    const parts = Object.keys(PROOFS).filter((part) => include?.includes?.(part));
    want(parts.length && parts.length === include.length);
    want(challenge === undefined || NONCE.test(challenge));
    const names = new Set(parts.flatMap((part) => PROOFS[part]));
    if (!parts.every((part) => part === "photo")) names.add("rrnCertificate").add("rootCertificate");
    const of = Object.keys(card.raw).filter((name) => names.has(name));
    const said = { format: "eid-agent-identity:1" };
    for (const part of parts) said[part] = part === "photo" ? card.raw.photo : { ...card[part] };
    said.raw = Object.fromEntries(of.map((name) => [name, card.raw[name]]));
    if (challenge === undefined) return said;
    if (!parts.includes("identity")) return { ...said, chipUnavailable: "unsupported" };
    const digest = await sha384(CHIP, await sha384(origin()), await sha384(challenge));
    const signature = await signed(card.keys.basic, digest);
    return { ...said, chip: { format: CHIP, publicKey: card.basicKey, signature } };
  },

  async "authenticate"({ challengeNonce }) {
    want(NONCE.test(challengeNonce));
    const digest = await sha384(await sha384(origin()), await sha384(challengeNonce));
    return {
      unverifiedCertificate: card.authentication,
      algorithm: "ES384",
      signature: await signed(card.keys.authentication, digest),
      format: "web-eid:1.0",
      appVersion: "https://eid-agent.example/releases/0.1.0",
      issuerCertificate: card.issuer,
    };
  },

  "signing-certificate": () => ({
    certificate: card.signature,
    supportedSignatureAlgorithms: Object.keys(HASHES).map(algorithm),
  }),

  async "sign"({ certificate, hash, hashFunction, paddingScheme = "NONE" }) {
    want(Object.hasOwn(HASHES, hashFunction));
    if (paddingScheme !== "NONE") refuse("unsupported-card");
    const digest = bytes(hash);
    want(digest.length === HASHES[hashFunction]);
    if (certificate !== card.signature) refuse("certificate-mismatch");
    return {
      signature: await signed(card.keys.signature, digest),
      signatureAlgorithm: algorithm(hashFunction),
    };
  },

  /** A page cannot make such a signature: the documents come back as they were. */
  async "sign-pdf"({ documents }) {
    want(documents.length > 0 && documents.length <= 20);
    const one = async ({ pdf, name }) => {
      const digest = await crypto.subtle.digest("SHA-256", bytes(pdf));
      const hex = number(new Uint8Array(digest)).toString(16).padStart(64, "0");
      return { name, outcome: "signed", pdf, sha256: hex, mock: true };
    };
    return { documents: await Promise.all(documents.map(one)) };
  },
};

const algorithm = (hashFunction) => ({
  cryptoAlgorithm: "ECC",
  hashFunction,
  paddingScheme: "NONE",
});

/** Who listens with `events(listener, { mock: true })`. */
export const feed = {
  port: null,
  listeners: new Set(),
  socket: {
    close() {
      tell({ type: "closed", code: 1000, reason: "" });
      feed.listeners.clear();
    },
  },
};

function tell(message) {
  for (const hear of [...feed.listeners]) hear(message);
}

let warned = false;

/** Status and body of an answer; with the code of a refusal as `mock`, that refusal. */
export async function respond(call, body, mock) {
  if (!warned) console.warn("eid-agent-client: mock answers. There is no card and no agent.");
  warned = true;
  if (call === "status") return { status: 200, body: { ...CALLS.status(), mock: true } };
  tell({ type: "dialog", state: "opened" });
  try {
    if (mock !== true) refuse(mock);
    return { status: 200, body: { ...(await CALLS[call](body)), mock: true } };
  } catch (error) {
    // What is no base64 is the page's mistake, too.
    const code = error instanceof Refusal ? error.message : "invalid-request";
    const more = { ...FIELDS[code], operation: call, mock: true };
    return { status: STATUS[code] ?? 424, body: { code, title: `mock: ${code}`, ...more } };
  } finally {
    tell({ type: "dialog", state: "closed" });
  }
}
