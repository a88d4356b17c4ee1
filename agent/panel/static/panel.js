// The panel: shows what the virtual card does, and does what the person asks of it.

const KEPT = 1000;
const RETRY_MS = 2000;
const HEADERS = { "X-EID-Agent": "1" };

const part = (id) => document.getElementById(id);
const base = new URL("v1/", location.href);

let version = 0;
let newest = 0;
let listed = false;
// What stands in the way: of the card's reader, and of the person's last action.
let readersProblem = "";
let refused = "";

const PLACES = {
  outside: "The card is not in the reader.",
  "on-its-way": "The card is on its way into the reader.",
  inside: "The card is in the reader.",
};

function row(line) {
  const cells = [line.number, line.at, line.command, line.answer, line.milliseconds];
  const tr = document.createElement("tr");
  for (const cell of cells) {
    tr.append(Object.assign(document.createElement("td"), { textContent: cell }));
  }
  return tr;
}

function options(id, values) {
  part(id).replaceChildren(...values.map((value) => new Option(value, value)));
}

function list(state) {
  listed = true;
  options("persona-name", state.personas);
  options("fault-name", Object.keys(state.faults));
  const tries = Array.from({ length: state.maxTries + 1 }, (_, n) => state.maxTries - n);
  options("tries-left", tries);
  if (state.personas.includes(state.persona)) part("persona-name").value = state.persona;
  const summary = () => {
    part("fault-summary").textContent = state.faults[part("fault-name").value];
  };
  part("fault-name").addEventListener("change", summary);
  summary();
}

function say(id, text) {
  // A live region is read out when it changes, so it is only touched then.
  if (part(id).textContent !== String(text)) part(id).textContent = text;
}

function complain() {
  say("problem", readersProblem || refused);
}

function show(state) {
  if (!listed) list(state);
  const { fault, place } = state;
  say("reader", state.reader);
  say("status", PLACES[place]);
  part("status").classList.toggle("inserted", place === "inside");
  readersProblem = state.problem ? `The reader: ${state.problem}` : "";
  complain();
  say("persona", state.persona);
  say("applet", state.applet);
  say("atr", state.atr);
  say("tries", state.triesLeft);
  say("fault", fault ? `${fault.name}, at command ${fault.at}` : "none");
  swap(part("insert"), part("remove"), place !== "outside");
  trace(state.trace);
}

// Of two buttons one works at a time; the keyboard's focus goes to that one.
function swap(first, second, secondWorks) {
  const focused = [first, second].includes(document.activeElement);
  first.disabled = secondWorks;
  second.disabled = !secondWorks;
  if (focused) (secondWorks ? second : first).focus();
}

function trace(lines) {
  const body = part("trace");
  for (const line of lines) {
    body.prepend(row(line));
    newest = line.number;
  }
  while (body.rows.length > KEPT) body.lastElementChild.remove();
}

async function act(name, body = {}) {
  refused = "";
  try {
    const response = await fetch(new URL(name, base), {
      method: "POST",
      headers: { ...HEADERS, "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    if (!response.ok) {
      const problem = await response.json();
      refused = problem.detail ?? problem.title;
    }
  } catch {
    refused = "The panel's program does not answer.";
  }
  complain();
}

async function follow() {
  for (;;) {
    try {
      const url = new URL(`state?seen=${version}&after=${newest}`, base);
      const response = await fetch(url, { headers: HEADERS });
      if (!response.ok) throw new Error(response.status);
      const state = await response.json();
      version = state.version;
      show(state);
    } catch {
      version = 0;
      say("status", "The panel's program has ended.");
      part("status").classList.remove("inserted");
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function onSubmit(id, action) {
  part(id).addEventListener("submit", (event) => {
    event.preventDefault();
    action();
  });
}

part("insert").addEventListener("click", () => act("insert"));
part("remove").addEventListener("click", () => act("remove"));
part("no-fault").addEventListener("click", () => act("fault", { fault: "" }));
part("clear").addEventListener("click", () => {
  part("trace").replaceChildren();
  act("clear");
});
onSubmit("persona-form", () => act("persona", { name: part("persona-name").value }));
onSubmit("tries-form", () => act("tries", { left: Number(part("tries-left").value) }));
onSubmit("fault-form", () =>
  act("fault", { fault: `${part("fault-name").value}:${part("fault-at").value}` }),
);

follow();
