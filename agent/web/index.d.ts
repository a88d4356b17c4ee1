/** eid-agent-client: talks to the eid-agent on this computer. */

export const VERSION: string;

/** Web eID's codes, as they stand in `error.code`. */
export const ErrorCode: Readonly<Record<WebEidCode, WebEidCode>>;

export type WebEidCode =
  | "ERR_WEBEID_ACTION_TIMEOUT"
  | "ERR_WEBEID_USER_TIMEOUT"
  | "ERR_WEBEID_VERSION_MISMATCH"
  | "ERR_WEBEID_VERSION_INVALID"
  | "ERR_WEBEID_EXTENSION_UNAVAILABLE"
  | "ERR_WEBEID_NATIVE_UNAVAILABLE"
  | "ERR_WEBEID_UNKNOWN_ERROR"
  | "ERR_WEBEID_CONTEXT_INSECURE"
  | "ERR_WEBEID_USER_CANCELLED"
  | "ERR_WEBEID_NATIVE_INVALID_ARGUMENT"
  | "ERR_WEBEID_NATIVE_FATAL"
  | "ERR_WEBEID_ACTION_PENDING"
  | "ERR_WEBEID_MISSING_PARAMETER";

/** The codes that `error.agentCode` can have; a later agent may add some. */
export const AgentErrorCodes: readonly string[];

/** Base of all errors. */
export class EidError extends Error {
  /** Web eID's code. */
  readonly code: WebEidCode;
  /** The agent's own code, such as "no-card"; null when the agent did not answer. */
  readonly agentCode: string | null;
  /** The agent's sentence for the person, in the language asked for. */
  readonly title?: string;
  /** For developers, in English: what exactly is wrong, and where. */
  readonly detail?: string;
  /** HTTP status of the agent's answer. */
  readonly status?: number;
  /** With "pin-incorrect": the tries that are left. */
  readonly triesLeft?: number;
  /** With "busy" and "too-many-requests": seconds. */
  readonly retryAfter?: number;
}
export class ActionPendingError extends EidError {}
export class ActionTimeoutError extends EidError {}
export class ContextInsecureError extends EidError {}
/** Of Web eID's library; there is no extension here, so that nothing throws it. */
export class ExtensionUnavailableError extends EidError {}
export class MissingParameterError extends EidError {}
export class NativeFatalError extends EidError {}
export class NativeInvalidArgumentError extends EidError {}
export class NativeUnavailableError extends EidError {
  readonly reason: "permission-denied" | "not-running-or-not-trusted" | "connection-lost";
  /** With "permission-denied": the person closed the browser's question, unanswered. */
  readonly dismissed?: boolean;
}
export class UnknownError extends EidError {}
export class UserCancelledError extends EidError {}
export class UserTimeoutError extends EidError {}
/** Of Web eID's library; nothing throws it. */
export class VersionInvalidError extends EidError {}
export class VersionMismatchError extends EidError {
  readonly requiresUpdate: { nativeApp: boolean };
}

export interface Options {
  /** Language of the agent's questions and errors. */
  lang?: "nl" | "fr" | "de" | "en" | (string & {});
  /**
   * Milliseconds after which the call gives up, twice as many for the calls about
   * signatures, as in Web eID's library. Default: a little over the agent's 240 s.
   */
  userInteractionTimeout?: number;
  /** Aborting closes the agent's question and rejects with the signal's reason. */
  signal?: AbortSignal;
  /** The only port to try, for tests and demonstrations. */
  port?: number;
  /** The ports to try, in this order; default 27410 to 27419. */
  ports?: readonly number[];
  /**
   * true: the page itself answers, as the agent does with a virtual card; there is no
   * question, and nothing leaves the page. The code of a refusal, such as
   * "user-denied": the call fails with it. Ship `mock.js` and `mock-card.js` beside
   * `client.js` for it, and leave them out where people come.
   */
  mock?: boolean | string;
}

/** What every answer of a mock is marked with, errors and events too. */
export interface MayBeMock {
  mock?: true;
}

export interface Status extends MayBeMock {
  library: string;
  /** The agent's version, told to allowed sites only. */
  nativeApp: string | null;
  /** null in a mock. */
  port: number | null;
  api: string[];
  origin: "ask" | "denied" | "allowed";
  features?: string[];
  card?: "none" | "present" | "unsupported";
  virtual?: boolean;
}

/** A Web eID token; `issuerCertificate` is an addition of this agent. */
export interface AuthenticationToken extends MayBeMock {
  format: string;
  algorithm: string;
  signature: string;
  unverifiedCertificate: string;
  issuerCertificate?: string;
  appVersion: string;
}

export interface IdentityOptions extends Options {
  /** What to read; default `["identity"]`. Ask for no more than you need. */
  include?: readonly ("identity" | "address" | "photo")[];
  /** Shown to the person as your own words. */
  purpose?: string;
  /**
   * A nonce of your server, for a proof that the genuine chip is present. The person is
   * then always asked; 20 proofs a site and day.
   */
  challenge?: string;
  reader?: string;
}

/** Standard base64 of a card's files, each as stored. */
export interface RawFiles {
  identity?: string;
  identitySignature?: string;
  address?: string;
  addressSignature?: string;
  photo?: string;
  rrnCertificate?: string;
  rootCertificate?: string;
}

/** For display only: the server verifies `raw`. */
export interface IdentityResponse extends MayBeMock {
  format: string;
  identity?: Record<string, unknown>;
  address?: { streetAndNumber?: string; postalCode?: string; municipality?: string };
  photo?: string;
  raw: RawFiles;
  /** With a `challenge` and the identity of a 1.8 card: for your server to verify. */
  chip?: { format: string; publicKey: string; signature: string };
  /** Why there is no `chip`: no such card, or no more proofs today or from this chip. */
  chipUnavailable?: "unsupported" | "blocked";
}

/** Whether an agent runs here, and what it tells this site of itself. */
export function status(options?: Options): Promise<Status>;

export type AgentState =
  /** An agent answers this page. */
  | "running"
  /** The browser would ask the person first; nothing was sent. */
  | "permission-not-asked"
  /** The browser is asking now. Only `onState` hears this one. */
  | "permission-asked"
  /** The question was closed without an answer; a new call asks again. */
  | "permission-dismissed"
  /** Refused: by the person, an administrator, or (`byPage`) the page's own doing. */
  | "permission-denied"
  /** No answer. A page cannot tell "not there" from "certificate not trusted". */
  | "not-running-or-not-trusted"
  /** An agent answers, in no version that this library speaks. */
  | "too-old"
  /** The agents that answer belong to other people of this computer. */
  | "other-user";

export interface Detection extends MayBeMock {
  state: AgentState;
  /** Whose question the person sees. */
  browser: "chromium" | "firefox" | "other";
  /** The language of the words below. */
  lang: "nl" | "fr" | "de" | "en";
  /** For the person: what it is, and what to do about it. */
  title: string;
  text: string;
  /** A drawing of what to look for in this browser, beside `client.js`. */
  picture: { src: string; alt: string } | null;
  /** With "not-running-or-not-trusted": a link that starts the agent. */
  wake: { href: "eid-agent:"; label: string } | null;
  /** With "permission-denied": true where a frame or a header of yours forbids it. */
  byPage?: boolean;
  /** With "running"; null in a mock. */
  port?: number | null;
  status?: Omit<Status, "library" | "nativeApp" | "port">;
}

export interface DetectOptions extends Options {
  /** Language of the words; default the page's, else the browser's. */
  lang?: Options["lang"];
  /** false: never make the browser ask; "permission-not-asked" is then an answer. */
  ask?: boolean;
  /**
   * Hears every state, the last one too. After an answer other than "running" it goes on
   * listening: when the person lets the page in after all, it hears what is found then.
   * Ends with `signal` and with the next call of `detect`.
   */
  onState?: (detection: Detection) => void;
}

/**
 * Find out whether this page can use an agent, and what the person can do if not. Call it
 * from a click, never when the page loads: the browser may ask the person, and counts
 * refusals. A page that was not touched yet gets "permission-not-asked". Rejects only
 * when it is aborted, runs out of time, or runs already.
 */
export function detect(options?: DetectOptions): Promise<Detection>;

/** Log in with the card and its PIN. One call is one request, it is never repeated. */
export function authenticate(
  challengeNonce: string,
  options?: Options & { reader?: string },
): Promise<AuthenticationToken>;

/** Read the card with the person's consent. One call is one request. */
export function readIdentity(options?: IdentityOptions): Promise<IdentityResponse>;

/** How a card signs, as Web eID's library says it. */
export interface SignatureAlgorithm {
  cryptoAlgorithm: "ECC" | "RSA";
  hashFunction:
    | "SHA-224"
    | "SHA-256"
    | "SHA-384"
    | "SHA-512"
    | "SHA3-224"
    | "SHA3-256"
    | "SHA3-384"
    | "SHA3-512";
  paddingScheme: "NONE" | "PKCS1.5" | "PSS";
}

export interface SigningCertificate extends MayBeMock {
  /** Standard base64 of the DER. */
  certificate: string;
  /** What its key can sign, the best first. */
  supportedSignatureAlgorithms: SignatureAlgorithm[];
}

/** The certificate for signatures: name and national number leave the card with it. */
export function getSigningCertificate(
  options?: Options & { reader?: string },
): Promise<SigningCertificate>;

export interface SignOptions extends Options {
  /** What is signed, as your own words: the agent cannot see it. */
  documentName?: string;
  /** One that `getSigningCertificate` named; default the card's usual one. */
  paddingScheme?: SignatureAlgorithm["paddingScheme"];
  reader?: string;
}

export interface Signature extends MayBeMock {
  /** Standard base64: r and s one after the other, or the RSA signature. */
  signature: string;
  signatureAlgorithm: SignatureAlgorithm;
}

/**
 * Sign a digest (standard base64) that your server made of what is to be signed. The
 * person is told that the agent does not see it: where it is a PDF, use `signPdf`.
 */
export function sign(
  certificate: string,
  hash: string,
  hashFunction: SignatureAlgorithm["hashFunction"] | (string & {}),
  options?: SignOptions,
): Promise<Signature>;

export interface DocumentToSign {
  /** Shown to the person as your own words. */
  name: string;
  /** Standard base64 of the PDF, or the PDF itself. */
  pdf: string | Blob | ArrayBuffer | ArrayBufferView;
}

export interface SignPdfOptions extends Options {
  /** Why it is signed; shown to the person, and kept in the signature. */
  reason?: string;
  /** PAdES baseline level; default "B-B", the others need a time stamp service there. */
  level?: "B-B" | "B-T" | "B-LT";
  reader?: string;
}

export interface SignedDocument extends MayBeMock {
  name: string;
  outcome: "signed" | "struck-out";
  /** Standard base64 of the signed document; a mock gives back the unsigned one. */
  pdf?: string;
  /** Of the document that was shown, in lower-case hex. */
  sha256: string;
}

/**
 * Sign up to 20 PDFs, 32 MiB together. The person sees every page and may strike
 * documents out; outcomes come in the order of the documents.
 */
export function signPdf(
  documents: readonly DocumentToSign[],
  options?: SignPdfOptions,
): Promise<{ documents: SignedDocument[] } & MayBeMock>;

/** What `events` tells; a later agent may add types, which a page ignores. */
export type EidEvent = MayBeMock & EventMessage;
type EventMessage =
  | { type: "reader-added" | "reader-removed" | "card-inserted" | "card-removed" }
  | { type: "progress"; operation: string; done: number; total: number }
  | { type: "dialog"; state: "opened" | "closed" }
  /** The last one. 1008 "consent-ended", 1000 "idle" or "next-person", 1001 "closing", or the network's. */
  | { type: "closed"; code: number; reason: string };

/**
 * Hear of readers, cards and your own operations, while the person's consent lasts.
 * Resolves once the agent listens; rejects with "user-denied" before any consent.
 */
export function events(
  listener: (event: EidEvent) => void,
  options?: Options,
): Promise<{ close(): void }>;
