/**
 * The portal's page. Every step is a state that can be seen: data-state on <main>,
 * data-code for errors, data-step while waiting. No data of a person in the address.
 */

import * as eid from "./client.js";
import { FOUND, explain, waiting } from "./texts.js";

const main = document.querySelector("main");
const port = Number(document.documentElement.dataset.agentPort);
const get = (id) => document.getElementById(id);
// The person chose this language, or the browser did: the agent asks in it, too.
const { lang } = document.documentElement;
const texts = JSON.parse(get("texts").content.textContent);
const agent = (controller) => ({ port, lang, signal: controller.signal });

const siteName = document.title.split(" – ").pop();
// Where a change of language keeps the error that is shown; nothing of a person.
const KEPT = "error-in-another-language";

let running = null;
let loggedIn = false;
let held = "nothing"; // what the site has of the person, as texts.js names it
let timer = null;
let shownError = null; // what `fail` was told last

/** A refusal of the portal's own server, or no answer of it. */
class PortalError extends Error {
  constructor(code) {
    super(code);
    this.portalCode = code;
  }
}

async function portal(path, body) {
  let answer;
  try {
    answer = await fetch(`/api/${path}`, {
      method: body === undefined ? "GET" : "POST",
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new PortalError("portal-unavailable");
  }
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new PortalError(said.code ?? "internal-error");
  return said;
}

/** Show one state: its section, its step, the focus on its heading. */
function show(state, { code, step, quiet = false } = {}) {
  for (const view of main.querySelectorAll("[data-view]")) {
    view.hidden = view.dataset.view !== state;
  }
  const early = { asked: "start", error: "start" };
  const current = { waiting: step === "confirm" ? "data" : "start", ...early };
  for (const item of document.querySelectorAll("[data-step]:not(main)")) {
    const on = item.dataset.step === (current[state] ?? state);
    if (on) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  const busy = ["asked", "waiting"].includes(state);
  for (const id of ["login", "confirm", "retry", "again"]) get(id).disabled = busy;
  // To leave the page with the browser's question open would count as a refusal.
  get("languages").hidden = state === "asked";
  get("logout").hidden = !(loggedIn && ["data", "error"].includes(state));
  const heading = main.querySelector(`[data-view="${state}"] h1`);
  document.title = `${heading.textContent.trim()} – ${siteName}`;
  code ? (main.dataset.code = code) : delete main.dataset.code;
  step ? (main.dataset.step = step) : delete main.dataset.step;
  main.dataset.state = state; // last: who waits for it finds everything in place
  if (quiet) return;
  get("live").textContent = state === "waiting" ? waitingWords() : "";
  heading.focus();
  scrollTo(0, 0);
}

/** What a screen reader says of a waiting page, the agent's part included. */
function waitingWords() {
  const here = [...main.querySelectorAll('[data-view="waiting"] :is(.lead, .look p)')];
  return here.filter((part) => part.checkVisibility()).map((part) => part.innerText).join(" ");
}

function fill(values) {
  for (const [name, value] of Object.entries(values)) {
    for (const place of main.querySelectorAll(`[data-field="${name}"]`)) {
      place.textContent = value;
    }
  }
}

/** Take everything of a person out of the page. */
function forget() {
  clearTimeout(timer);
  loggedIn = false;
  held = "nothing";
  for (const place of main.querySelectorAll("[data-field]")) place.textContent = "";
}

function wait(step) {
  const said = waiting(texts, step);
  get("h-waiting").textContent = said.title;
  get("waiting-text").textContent = said.text;
  get("waiting-do").textContent = said.asked;
  main.querySelector('[data-view="waiting"]').dataset.kind = step;
  get("stop").hidden = step === "confirm";
  show("waiting", { step });
}

/** Show words and picture of what `detect` found; `place` is the view's name. */
function describe(place, { lang, title, text, picture = null, wake = null }) {
  get(`h-${place}`).textContent = title;
  get(`${place}-text`).textContent = text;
  const drawing = get(`${place}-picture`);
  drawing.hidden = !picture;
  if (picture) Object.assign(drawing.firstChild, picture);
  for (const part of [get(`h-${place}`), get(`${place}-text`), drawing]) part.lang = lang;
  if (place !== "error") return;
  const link = get("error-wake");
  link.hidden = !wake;
  link.lang = lang;
  if (wake) Object.assign(link.firstChild, { href: wake.href, textContent: wake.label });
}

function fail(code, triesLeft, found = {}) {
  const test = document.documentElement.dataset.test === "yes";
  const said = explain(texts, code, { triesLeft, held, test });
  const { title, text, steps } = { ...said, ...found };
  if (code === "session-ended" || code === "other-person") forget();
  shownError = { code, triesLeft };
  describe("error", { lang, ...said, ...found });
  const items = steps.map((step) => {
    const item = document.createElement("li");
    item.textContent = step;
    return item;
  });
  get("error-steps").replaceChildren(...items);
  const final = ["session-ended", "portal-unavailable", "pin-blocked", "other-person"];
  get("retry").hidden = final.includes(code);
  show("error", { code });
  get("live").textContent = `${title}. ${text}`;
}

/** The code under which the page explains an error. */
function codeOf(error) {
  if (error instanceof PortalError) return error.portalCode;
  if (error.name === "AbortError") return "user-cancelled";
  if (error.reason === "permission-denied") return "permission-denied";
  if (error instanceof eid.NativeUnavailableError) return "agent-unavailable";
  if (error instanceof eid.VersionMismatchError) return "agent-too-old";
  if (error instanceof eid.ActionPendingError) return error.agentCode ?? "busy";
  if (error instanceof eid.UserTimeoutError) return "timeout";
  return error.agentCode ?? "internal-error";
}

/** The server forgets the person after a quarter of an hour; so does the page. */
function endAfter(seconds) {
  clearTimeout(timer);
  timer = setTimeout(() => {
    running?.abort();
    fail("session-ended");
  }, seconds * 1000);
}

function enter({ person, receipt, secondsLeft }, quiet) {
  loggedIn = true;
  held = "data";
  endAfter(secondsLeft);
  fill(person);
  if (!receipt) return show("data", { quiet });
  const at = new Date(receipt.at);
  const style = { dateStyle: "long", timeStyle: "short" };
  fill({ number: receipt.number, at: at.toLocaleString(`${lang}-BE`, style) });
  return show("receipt", { quiet });
}

/** Find the agent; what is in the way becomes a state of the page. */
async function reach(controller) {
  const onState = (found) => {
    if (found.state === "permission-asked") {
      describe("asked", found);
      show("asked", { code: found.state });
      get("live").textContent = `${found.title}. ${found.text}`;
    } else if (running !== controller && main.dataset.state === "error") {
      // The person let this site in after all, in the browser's own settings.
      if (found.state === "running") show("start");
    }
  };
  const found = await eid.detect({ ...agent(controller), onState });
  if (found.state !== "running") fail(FOUND[found.state], undefined, found);
  return found.state === "running";
}

async function logIn(controller) {
  wait("login");
  const { nonce } = await portal("challenge", {});
  const token = await eid.authenticate(nonce, agent(controller));
  endAfter((await portal("login", token)).secondsLeft);
  loggedIn = true;
  held = "login";
}

/** One click: log in unless that is done, then read the card. */
async function start(controller) {
  if (!(await reach(controller))) return;
  if (!loggedIn) await logIn(controller);
  wait("read");
  const include = ["identity", "address"];
  const options = { ...agent(controller), include, purpose: texts.purpose };
  enter(await portal("identity", await eid.readIdentity(options)));
}

async function confirm() {
  wait("confirm");
  enter(await portal("confirm", {}));
}

/** Run one piece of work at a time; what goes wrong becomes a state of the page. */
async function act(work) {
  if (running) return;
  const controller = (running = new AbortController());
  try {
    await work(controller);
  } catch (error) {
    if (main.dataset.code !== "session-ended") fail(codeOf(error), error.triesLeft);
  } finally {
    running = null;
  }
}

async function leave() {
  forget();
  await portal("logout", {}).catch(() => {});
  show("start");
}

async function resume() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT));
  sessionStorage.removeItem(KEPT);
  try {
    const session = await portal("session");
    loggedIn = session.loggedIn;
    held = loggedIn ? "login" : "nothing";
    if (session.person) return enter(session, true);
    if (loggedIn) endAfter(session.secondsLeft);
    return kept ? fail(kept.code, kept.triesLeft) : show("start", { quiet: true });
  } catch (error) {
    return fail(codeOf(error));
  }
}

get("login").addEventListener("click", () => act(start));
get("confirm").addEventListener("click", () => act(confirm));
get("retry").addEventListener("click", () => act(start));
get("again").addEventListener("click", () => act(start));
get("stop").addEventListener("click", () => running?.abort());
get("stop-asking").addEventListener("click", () => running?.abort());
get("home").addEventListener("click", leave);
get("logout").addEventListener("click", leave);
get("done").addEventListener("click", leave);
get("languages").addEventListener("click", () => {
  if (main.dataset.state === "error") sessionStorage.setItem(KEPT, JSON.stringify(shownError));
});
get("print").addEventListener("click", () => print());
// A page out of the back-forward cache would show the last visitor's data.
addEventListener("pageshow", (event) => event.persisted && location.reload());
resume();
