/**
 * What the portal says when something is in the way, by error code. The words are those
 * of the page's language, as the server puts them into the page (agent/demo/texts).
 */

/** The code for what `detect` found; words and picture are the client's own. */
export const FOUND = {
  "permission-not-asked": "permission-dismissed",
  "permission-dismissed": "permission-dismissed",
  "permission-denied": "permission-denied",
  "not-running-or-not-trusted": "agent-unavailable",
  "too-old": "agent-too-old",
  "other-user": "other-user",
};

const SAME = {
  "user-denied": "user-cancelled",
  "policy-denied": "origin-refused",
  "host-refused": "origin-refused",
  "too-many-requests": "busy",
};

/** After these the page says what the site has of the person. */
const SAY_HELD = new Set(["user-cancelled", "card-removed", "card-changed", "timeout", "internal-error"]);

function tries(texts, count) {
  return count === 1 ? texts["tries-last"] : texts.tries.replace("{count}", count);
}

/**
 * Title, text and steps for a code; one that we do not know is an internal error.
 * `held` is what the site has of the person: `nothing`, something from the `login`, or
 * `data` from the card as well. `test` tells that this site takes test cards alone.
 */
export function explain(texts, code, { triesLeft, held = "nothing", test = false } = {}) {
  let known = SAME[code] ?? code;
  if (test && known === "unsupported-card") known = "unknown-issuer";
  if (!Object.hasOwn(texts.errors, known)) known = "internal-error";
  const said = texts.errors[known];
  const more = [];
  if (SAY_HELD.has(known)) more.push(texts[`held-${held}`]);
  if (known === "pin-incorrect" && triesLeft !== undefined) more.push(tries(texts, triesLeft));
  return { ...said, text: [said.text, ...more].join(" ") };
}

/** What the page says while it waits at a step, and what to do where the agent asks. */
export function waiting(texts, step) {
  const said = { title: texts[`${step}-title`], text: texts[`${step}-text`] };
  return { ...said, asked: texts.asks[step] ?? "" };
}
