/**
 * eid-agent-client: talks to the eid-agent on this computer. No dependencies.
 *
 * Finding the agent (GET /v1/status) may be tried on several ports. The operation
 * itself is one POST and is never sent again: one click, one request, one PIN.
 */

export const VERSION = "0.1.0";

const PORTS = Object.freeze(Array.from({ length: 10 }, (_, i) => 27410 + i));
const PROBE_MS = 3_000; // one port's time to answer, unless the browser is asking
const ASKED_MS = 1_000; // a failure after this long in state "prompt" was a person's
const LIMIT_MS = 245_000; // the agent itself ends every operation after 240 s

/** Web eID's codes, as they stand in `error.code`. */
export const ErrorCode = Object.freeze(
  Object.fromEntries(
    [
      "ACTION_TIMEOUT",
      "USER_TIMEOUT",
      "VERSION_MISMATCH",
      "VERSION_INVALID",
      "EXTENSION_UNAVAILABLE",
      "NATIVE_UNAVAILABLE",
      "UNKNOWN_ERROR",
      "CONTEXT_INSECURE",
      "USER_CANCELLED",
      "NATIVE_INVALID_ARGUMENT",
      "NATIVE_FATAL",
      "ACTION_PENDING",
      "MISSING_PARAMETER",
    ].map((name) => [`ERR_WEBEID_${name}`, `ERR_WEBEID_${name}`]),
  ),
);

/** Base of all errors: `code` is Web eID's, `agentCode` the agent's own (or null). */
export class EidError extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.agentCode = null;
    Object.assign(this, details);
  }
}

const kind = (code) =>
  class extends EidError {
    constructor(message, details) {
      super(code, message, details);
    }
  };

export class ActionPendingError extends kind(ErrorCode.ERR_WEBEID_ACTION_PENDING) {}
export class ActionTimeoutError extends kind(ErrorCode.ERR_WEBEID_ACTION_TIMEOUT) {}
export class ContextInsecureError extends kind(ErrorCode.ERR_WEBEID_CONTEXT_INSECURE) {}
/** Of Web eID's library; there is no extension here, so that nothing throws it. */
export class ExtensionUnavailableError extends kind(ErrorCode.ERR_WEBEID_EXTENSION_UNAVAILABLE) {}
export class MissingParameterError extends kind(ErrorCode.ERR_WEBEID_MISSING_PARAMETER) {}
export class NativeFatalError extends kind(ErrorCode.ERR_WEBEID_NATIVE_FATAL) {}
export class NativeInvalidArgumentError extends kind(
  ErrorCode.ERR_WEBEID_NATIVE_INVALID_ARGUMENT,
) {}
export class NativeUnavailableError extends kind(ErrorCode.ERR_WEBEID_NATIVE_UNAVAILABLE) {}
export class UnknownError extends kind(ErrorCode.ERR_WEBEID_UNKNOWN_ERROR) {}
export class UserCancelledError extends kind(ErrorCode.ERR_WEBEID_USER_CANCELLED) {}
export class UserTimeoutError extends kind(ErrorCode.ERR_WEBEID_USER_TIMEOUT) {}
/** Of Web eID's library; nothing throws it. */
export class VersionInvalidError extends kind(ErrorCode.ERR_WEBEID_VERSION_INVALID) {}
export class VersionMismatchError extends kind(ErrorCode.ERR_WEBEID_VERSION_MISMATCH) {}

/** Every code of the agent, with the class that carries it. */
const CLASSES = {
  "invalid-request": NativeInvalidArgumentError,
  "origin-refused": NativeFatalError,
  "host-refused": NativeFatalError,
  "policy-denied": NativeFatalError,
  "user-denied": UserCancelledError,
  "user-cancelled": UserCancelledError,
  "other-user": NativeFatalError,
  "busy": ActionPendingError,
  "no-user-interface": NativeFatalError,
  "pcsc-unavailable": NativeFatalError,
  "no-reader": NativeFatalError,
  "no-card": NativeFatalError,
  "unsupported-card": NativeFatalError,
  "card-removed": NativeFatalError,
  "card-unreadable": NativeFatalError,
  "card-not-activated": NativeFatalError,
  "card-changed": NativeFatalError,
  "no-certificate": NativeFatalError,
  "certificate-expired": NativeFatalError,
  "certificate-mismatch": NativeFatalError,
  "document-refused": NativeFatalError,
  "timestamp-unavailable": NativeFatalError,
  "pin-incorrect": NativeFatalError,
  "pin-blocked": NativeFatalError,
  "timeout": UserTimeoutError,
  "too-large": NativeInvalidArgumentError,
  "too-many-requests": NativeFatalError,
  "method-not-allowed": NativeFatalError,
  "not-found": NativeFatalError,
  "internal-error": NativeFatalError,
};

/** For codes of a later agent: what their HTTP status says. */
const CLASS_OF_STATUS = {
  400: NativeInvalidArgumentError,
  413: NativeInvalidArgumentError,
  504: UserTimeoutError,
};

/** The codes that `error.agentCode` can have; a later agent may add some. */
export const AgentErrorCodes = Object.freeze(Object.keys(CLASSES));

let foundPort = null;
const pending = new Set();

/** The browser's permission to reach this computer; null where it does not tell. */
async function permissionStatus() {
  try {
    return await navigator.permissions.query({ name: "loopback-network" });
  } catch {
    return null;
  }
}

/** "granted", "denied", "prompt", or null where the browser does not tell. */
const permission = async () => (await permissionStatus())?.state ?? null;

const aborted = (signal) =>
  new Promise((_, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  });

function request(port, path, init) {
  return fetch(`https://localhost:${port}/v1/${path}`, {
    mode: "cors",
    credentials: "omit",
    cache: "no-store",
    redirect: "error",
    targetAddressSpace: "loopback",
    ...init,
    headers: { "X-EID-Agent": "1", ...init.headers },
  });
}

/** Abort after PROBE_MS, in which the browser was not asking; tell when it asks. */
function probeLimit(controller, before, tellAsked) {
  const asked = setTimeout(async () => {
    if ((await permission()) === "prompt") tellAsked?.();
  }, ASKED_MS);
  let last = before;
  const tick = async () => {
    const now = await permission();
    if (now !== "prompt" && last !== "prompt") return controller.abort();
    last = now;
    timer = setTimeout(tick, PROBE_MS);
  };
  let timer = setTimeout(tick, PROBE_MS);
  return () => [asked, timer].forEach(clearTimeout);
}

/** Ask one port once. The answer of an agent, or null for anything else. */
async function attempt(port, signal, before, tellAsked) {
  const controller = new AbortController();
  const forward = () => controller.abort();
  const done = probeLimit(controller, before, tellAsked);
  signal.addEventListener("abort", forward, { once: true });
  try {
    const answer = await request(port, "status", { signal: controller.signal });
    const body = await answer.json();
    if (answer.ok && Array.isArray(body?.api)) return { status: body };
    return body?.code === "other-user" ? { refusal: await problem(answer, body) } : null;
  } catch {
    return null;
  } finally {
    done();
    signal.removeEventListener("abort", forward);
    signal.throwIfAborted();
  }
}

/** Ask one port; once more if the person said yes to the browser in between. */
async function probe(port, signal, tellAsked) {
  const before = await permission();
  const since = performance.now();
  const found = await attempt(port, signal, before, tellAsked);
  if (found || before !== "prompt") return found;
  const after = await permission();
  // The connection that waited for the answer may be closed by now, the port is not.
  if (after === "granted") return attempt(port, signal, after);
  // Each question that a person waves away counts; the third one blocks the site.
  const slow = performance.now() - since > ASKED_MS;
  if (after === "prompt" && slow) throw unavailable("dismissed");
  if (after === "denied") throw unavailable(after);
  return null;
}

function candidates({ port, ports = port === undefined ? PORTS : [port] }) {
  return ports.includes(foundPort)
    ? [foundPort, ...ports.filter((other) => other !== foundPort)]
    : [...ports];
}

function unavailable(state) {
  const dismissed = state === "dismissed";
  const denied = state === "denied" || dismissed;
  return new NativeUnavailableError(
    denied
      ? "the browser does not let this page reach programs on this computer"
      : "no eid-agent answered: not running, or its certificate is not trusted",
    { reason: denied ? "permission-denied" : "not-running-or-not-trusted", dismissed },
  );
}

/** Find the agent: its port and what it says of itself. */
async function find(options, signal, tellAsked) {
  if (options.mock) {
    return { port: null, mock: true, status: await pretend("status", null, options) };
  }
  let old = false;
  let refusal = null;
  for (const port of candidates(options)) {
    const found = await probe(port, signal, tellAsked);
    if (found?.status?.api.includes("v1")) {
      foundPort = port;
      return { port, status: found.status };
    }
    old ||= !!found?.status;
    refusal ??= found?.refusal ?? null; // one's own agent may have another port
  }
  if (old) {
    throw new VersionMismatchError("the agent and this page share no version", {
      requiresUpdate: { nativeApp: true },
    });
  }
  throw refusal ?? unavailable(await permission());
}

/** The error that a refusal of the agent stands for. */
async function problem(answer, said) {
  const body = said ?? (await answer.json().catch(() => ({})));
  const { code = null, title, ...fields } = body ?? {};
  const known = Object.hasOwn(CLASSES, code) ? CLASSES[code] : undefined;
  const Kind = known ?? CLASS_OF_STATUS[answer.status] ?? NativeFatalError;
  const message = title ?? `the agent answered ${answer.status}`;
  return new Kind(message, { ...fields, agentCode: code, title, status: answer.status });
}

const lost = () =>
  new NativeUnavailableError("the connection with the agent was lost", {
    reason: "connection-lost",
  });

/** One POST, never a second one. */
async function post(port, path, body, signal) {
  let answer;
  try {
    answer = await request(port, path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal,
    });
  } catch {
    signal.throwIfAborted();
    throw lost();
  }
  if (!answer.ok) throw await problem(answer);
  return answer.json().catch(() => {
    signal.throwIfAborted();
    throw new UnknownError("the agent's answer cannot be read");
  });
}

/** Run one action: secure page, once at a time, with the caller's limits. */
async function run(action, options, work) {
  if (globalThis.isSecureContext === false) {
    throw new ContextInsecureError("the page must be served over https");
  }
  if (pending.has(action)) throw new ActionPendingError(`${action} is already running`);
  const controller = new AbortController();
  const forward = () => controller.abort(options.signal.reason);
  if (options.signal?.aborted) forward();
  options.signal?.addEventListener("abort", forward, { once: true });
  const Late = action === "status" ? ActionTimeoutError : UserTimeoutError;
  const timer = setTimeout(
    () => controller.abort(new Late("there was no answer in time")),
    options.userInteractionTimeout * (action.startsWith("sign") ? 2 : 1) || LIMIT_MS,
  );
  pending.add(action);
  try {
    return await Promise.race([work(controller.signal), aborted(controller.signal)]);
  } finally {
    pending.delete(action);
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", forward);
  }
}

function operation(path, body, options) {
  return run(path, options, async (signal) => {
    if (options.mock) return pretend(path, body, options);
    const { port } = await find(options, signal);
    return post(port, path, body, signal);
  });
}

/** For those who ask for it; a copy of client.js alone has none. */
const mock = () =>
  import("./mock.js").catch(() => {
    throw new UnknownError("mock.js and mock-card.js are not beside client.js");
  });

/** The mock's answer in place of the agent's; nothing leaves the page. */
async function pretend(path, body, options) {
  const { respond } = await mock();
  const { status, body: said } = await respond(path, body, options.mock);
  if (status !== 200) throw await problem({ status }, said);
  return said;
}

/** Whether an agent runs here, and what it tells this site of itself. */
export function status(options = {}) {
  return run("status", options, async (signal) => {
    const { port, status: said } = await find(options, signal);
    return { ...said, library: VERSION, nativeApp: said.agent?.version ?? null, port };
  });
}

/**
 * Find out whether this page can use an agent, and what the person can do if not. Call it
 * from a click: it may make the browser ask. Resolves with a Detection, see index.d.ts.
 */
export function detect(options = {}) {
  return run("detect", options, async (signal) => {
    following?.abort();
    const words = import("./words.js").catch(() => ({ explain: () => ({}) }));
    const lang = options.lang ?? globalThis.document?.documentElement.lang;
    const tell = async (found) => {
      const said = { ...found, browser: browser() };
      const { explain } = await words;
      const shown = globalThis.navigator?.language;
      Object.assign(said, explain(found.state, { ...said, lang: lang || shown, shown }));
      if (!signal.aborted) options.onState?.(said);
      return said;
    };
    const tellAsked = () => void tell({ state: "permission-asked" });
    const found = await look(options, signal, tellAsked);
    if (found.state !== "running" && options.onState) await follow(options);
    return tell(found);
  });
}

/** The state, and what goes with it; asks the browser nothing that it need not. */
async function look(options, signal, tellAsked) {
  const before = options.mock ? "granted" : await permission();
  if (before === "denied") return denied();
  // A page that nobody has touched yet has no reason to make the browser ask.
  const untouched = globalThis.navigator?.userActivation?.hasBeenActive === false;
  if (before === "prompt" && (options.ask === false || untouched)) {
    return { state: "permission-not-asked" };
  }
  try {
    return { state: "running", ...(await find(options, signal, tellAsked)) };
  } catch (error) {
    signal.throwIfAborted();
    if (error.dismissed) return { state: "permission-dismissed" };
    if (error.reason === "permission-denied") return denied();
    if (error.reason) return { state: error.reason };
    if (error instanceof VersionMismatchError) return { state: "too-old" };
    if (error.agentCode === "other-user") return { state: error.agentCode };
    throw error;
  }
}

/** Refused: by the person or an administrator, or by the page's own headers or frame. */
function denied() {
  const { document: page } = globalThis;
  const policy = page?.permissionsPolicy ?? page?.featurePolicy;
  const byPage = policy?.allowsFeature("loopback-network") === false;
  return { state: "permission-denied", byPage };
}

/** "chromium", "firefox" or "other": whose question the person gets to see. */
function browser() {
  const { userAgent = "" } = globalThis.navigator ?? {};
  if (/Firefox\//.test(userAgent)) return "firefox";
  return /Chrome\//.test(userAgent) ? "chromium" : "other";
}

let following = null; // ends what the last detect() still listens for

/** When the browser lets the page in after all, look again; `onState` hears of it. */
async function follow(options) {
  const end = (following = new AbortController());
  options.signal?.addEventListener("abort", () => end.abort(), { signal: end.signal });
  const watched = await permissionStatus();
  const changed = () => {
    if (watched.state !== "granted" || options.signal?.aborted) return;
    end.abort();
    detect(options).catch(() => {}); // the same click's; a new one has taken over
  };
  watched?.addEventListener?.("change", changed, { signal: end.signal });
}

function need(action, given) {
  const missing = Object.keys(given).find((name) => !given[name]);
  if (missing) throw new MissingParameterError(`${action} needs a ${missing}`);
}

/** Log in: resolves with a Web eID authentication token for the server to validate. */
export async function authenticate(challengeNonce, options = {}) {
  need("authenticate", { challengeNonce });
  return operation("authenticate", { challengeNonce, ...pick(options, ["reader"]) }, options);
}

/** Read the card: resolves with the data and the raw files for the server to verify. */
export async function readIdentity(options = {}) {
  const { include = ["identity"] } = options;
  const asked = pick(options, ["purpose", "challenge", "reader"]);
  return operation("identity", { include, ...asked }, options);
}

/** The signing certificate, and what its key can sign; first step of Web eID's `sign`. */
export async function getSigningCertificate(options = {}) {
  return operation("signing-certificate", pick(options, ["reader"]), options);
}

/**
 * Sign a digest that the server made (base64) with the key of the certificate that
 * getSigningCertificate gave. The agent cannot show what is signed, and says so.
 */
export async function sign(certificate, hash, hashFunction, options = {}) {
  need("sign", { certificate, hash, hashFunction });
  const more = pick(options, ["documentName", "paddingScheme", "reader"]);
  return operation("sign", { certificate, hash, hashFunction, ...more }, options);
}

/**
 * Sign documents that the person sees page by page and may strike out. Resolves with
 * their outcomes, in the same order.
 */
export async function signPdf(documents, options = {}) {
  need("signPdf", { "list of documents": Array.isArray(documents) });
  for (const { pdf } of documents) need("signPdf", { pdf });
  const sent = await Promise.all(
    documents.map(async ({ pdf, name }) => ({ pdf: await base64(pdf), name })),
  );
  const more = pick(options, ["reason", "level", "reader"]);
  return operation("sign-pdf", { documents: sent, ...more }, options);
}

/** Text is taken for base64; a File, Blob, buffer or array of bytes is turned into it. */
async function base64(data) {
  if (typeof data === "string") return data;
  const bytes = new Uint8Array(await new Blob([data]).arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
}

/**
 * Hear of readers, cards and this site's own operations. Resolves once the agent listens
 * with { close }; the listener's last message is { type: "closed", code, reason }.
 * Several listeners of a tab share one socket.
 */
export async function events(listener, options = {}) {
  need("events", { listener: typeof listener === "function" });
  return run("events", options, async (signal) => {
    const shared = candidates(options).includes(feed?.port);
    const open = () => (shared ? feed : openFeed(options, signal));
    const own = options.mock ? (await mock()).feed : await open();
    const close = () => {
      if (!own.listeners.has(hear)) return;
      if (own.listeners.size === 1) {
        if (feed === own) feed = null;
        return own.socket.close();
      }
      own.listeners.delete(hear);
      hear({ type: "closed", code: 1000, reason: "" });
    };
    const hear = (message) => {
      if (message.type === "closed") options.signal?.removeEventListener("abort", close);
      listener(options.mock ? { ...message, mock: true } : message);
    };
    own.listeners.add(hear);
    options.signal?.addEventListener("abort", close, { once: true });
    return { close };
  });
}

let feed = null; // this tab's one socket and those who listen to it

async function openFeed(options, signal) {
  const { port } = await find(options, signal);
  const { ticket } = await post(port, "events", {}, signal);
  const protocols = ["eid-agent.v1", `ticket.${ticket}`];
  const socket = new WebSocket(`wss://localhost:${port}/v1/events`, protocols);
  const listeners = new Set();
  const opened = { port, socket, listeners };
  const tell = (message) => {
    for (const hear of [...listeners]) {
      try {
        hear(message);
      } catch (error) {
        reportError(error); // one listener's trouble is not the others'
      }
    }
  };
  const stop = () => socket.close();
  await new Promise((resolve, reject) => {
    signal.addEventListener("abort", stop, { once: true });
    socket.onopen = resolve;
    socket.onclose = () => reject(lost());
  });
  signal.removeEventListener("abort", stop);
  socket.onmessage = ({ data }) => tell(JSON.parse(data));
  socket.onclose = ({ code, reason }) => {
    if (feed === opened) feed = null;
    tell({ type: "closed", code, reason });
    listeners.clear();
  };
  feed = opened;
  return opened;
}

function pick(options, names) {
  const given = [...names, "lang"].filter((name) => options[name] !== undefined);
  return Object.fromEntries(given.map((name) => [name, options[name]]));
}
