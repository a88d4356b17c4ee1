"""The JavaScript client, run by Node against a scripted fetch; skipped without Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from agent.errors import STATUS

WEB = Path(__file__).parents[3] / "agent" / "web"
CLIENT = WEB / "client.js"
NODE = shutil.which("node")
TERSER = (
    Path(__file__).parents[2] / "e2e" / "node_modules" / "terser" / "bin" / "terser"
)

needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")

PRELUDE = """
const log = [];
let state = "granted";
Object.defineProperty(globalThis, "navigator", { value: {
  permissions: { query: async () => {
    if (!state) throw new TypeError();
    return { state };
  } },
}, configurable: true });
const json = (body, status = 200) => new Response(JSON.stringify(body), { status });
const ours = { api: ["v1"], origin: "ask" };
let answer = () => { throw new TypeError("Failed to fetch"); };
globalThis.fetch = async (url, init) => {
  const { port, pathname } = new URL(url);
  const method = init.method ?? "GET";
  const call = { port: Number(port), path: pathname, method, init };
  log.push(call);
  init.signal?.throwIfAborted();
  return answer(call);
};
const calls = () => log.map((call) => `${call.method} ${call.port} ${call.path}`);
const failure = async (promise) => {
  try { await promise; } catch (error) {
    return { ...error, name: error.name, message: error.message };
  }
  throw new Error("it did not fail");
};
const out = (value) => console.log(JSON.stringify(value));
const eid = await import(CLIENT);
"""


def run(script: str, client: Path = CLIENT) -> Any:
    """Run a script after the prelude; what it gave to `out` comes back."""
    assert NODE is not None
    text = f"const CLIENT = {json.dumps(client.as_uri())};\n{PRELUDE}\n{script}"
    done = subprocess.run(
        [NODE, "--input-type=module", "--eval", text],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_client_knows_exactly_the_agents_codes() -> None:
    """Table against table; a new code must be given its class here too."""
    text = CLIENT.read_text(encoding="utf-8")
    table = text.split("const CLASSES = {")[1].split("};")[0]
    assert set(re.findall(r'"([a-z-]+)": ', table)) == set(STATUS)


def test_the_types_name_what_is_exported() -> None:
    """index.d.ts and client.js export the same names."""
    export = re.compile(
        r"^export (?:async )?(?:const|class|function) (\w+)", re.MULTILINE
    )
    script = export.findall(CLIENT.read_text(encoding="utf-8"))
    types = export.findall((WEB / "index.d.ts").read_text(encoding="utf-8"))
    assert sorted(script) == sorted(types)


@pytest.mark.skipif(
    NODE is None or not TERSER.is_file(),
    reason="node or terser is not installed: npm ci in tests/e2e",
)
@pytest.mark.parametrize("name", ["client.js", "words.js", "mock.js", "mock-card.js"])
def test_the_client_stays_small(name: str) -> None:
    """A portal ships its own copy; all but client.js is loaded on demand."""
    assert NODE is not None
    done = subprocess.run(
        [NODE, TERSER, "--module", "--compress", "--mangle", "--", WEB / name],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert 1_000 < len(done.stdout) < 12_000


SOCKET = """
  const sockets = [];
  globalThis.WebSocket = class {
    constructor(url, protocols) {
      sockets.push(Object.assign(this, { url, protocols }));
    }
    close() { this.onclose({ code: 1000, reason: "" }); }
  };
  const opened = async () => {
    while (!sockets.length) await new Promise((done) => setTimeout(done, 0));
    return sockets[0];
  };
  answer = ({ method }) => json(method === "POST" ? { ticket: "T" } : ours);
"""


@needs_node
def test_events_open_one_socket_with_the_ticket() -> None:
    """Messages go to the listener, the end too; closing ends it."""
    said = run(
        SOCKET
        + """
      const heard = [];
      const asked = eid.events((event) => heard.push(event));
      const socket = await opened();
      socket.onopen();
      const { close } = await asked;
      socket.onmessage({ data: '{"type":"card-inserted"}' });
      close();
      out({ url: socket.url, protocols: socket.protocols, heard, calls: calls() });
    """
    )
    assert said["url"] == "wss://localhost:27410/v1/events"
    assert said["protocols"] == ["eid-agent.v1", "ticket.T"]
    assert said["heard"] == [
        {"type": "card-inserted"},
        {"type": "closed", "code": 1000, "reason": ""},
    ]
    assert said["calls"] == ["GET 27410 /v1/status", "POST 27410 /v1/events"]


@needs_node
def test_listeners_of_a_tab_share_one_socket() -> None:
    """Each hears all until it leaves; the last one closes it; then a new one."""
    said = run(
        SOCKET
        + """
      const first = [], second = [];
      const asked = eid.events(({ type }) => first.push(type));
      (await opened()).onopen();
      const one = await asked;
      const two = await eid.events(({ type }) => second.push(type));
      const [socket] = sockets;
      socket.onmessage({ data: '{"type":"card-inserted"}' });
      one.close();
      one.close();
      socket.onmessage({ data: '{"type":"card-removed"}' });
      two.close();
      const used = sockets.splice(0).length;
      const again = eid.events(() => {});
      (await opened()).onopen();
      await again;
      out({ first, second, used });
    """
    )
    assert said["first"] == ["card-inserted", "closed"]
    assert said["second"] == ["card-inserted", "card-removed", "closed"]
    assert said["used"] == 1


@needs_node
def test_events_that_cannot_be_are_errors() -> None:
    """No listener, no consent, no socket, an abort before it is open and after."""
    said = run(
        SOCKET
        + """
      const none = await failure(eid.events());
      const asked = eid.events(() => {});
      (await opened()).onclose({ code: 1006 });
      const broken = await failure(asked);
      sockets.length = 0;
      const early = new AbortController();
      const waiting = failure(eid.events(() => {}, { signal: early.signal }));
      await opened();
      early.abort(new Error("enough"));
      const aborted = await waiting;
      sockets.length = 0;
      const late = new AbortController();
      const heard = [];
      const { signal } = late;
      const open = eid.events((event) => heard.push(event.type), { signal });
      (await opened()).onopen();
      await open;
      late.abort();
      answer = ({ method }) =>
        method === "POST" ? json({ code: "user-denied" }, 403) : json(ours);
      const denied = await failure(eid.events(() => {}));
      out({ none, broken, aborted, heard, denied });
    """
    )
    assert said["none"]["code"] == "ERR_WEBEID_MISSING_PARAMETER"
    assert said["broken"]["reason"] == "connection-lost"
    assert said["aborted"]["message"] == "enough"
    assert said["heard"] == ["closed"]
    assert said["denied"]["agentCode"] == "user-denied"


@needs_node
def test_ports_are_tried_in_order_after_any_failure() -> None:
    """No connection, no JSON, another API, an error: on to the next one."""
    said = run("""
      answer = ({ port }) => {
        if (port === 27410) throw new TypeError("Failed to fetch");
        if (port === 27411) return new Response("hello");
        if (port === 27412) return json({ version: 1 });
        if (port === 27413) return json({ api: ["v1"] }, 500);
        return json(ours);
      };
      const { port } = await eid.status();
      out({ port, calls: calls() });
    """)
    assert said["port"] == 27414
    assert said["calls"] == [f"GET {p} /v1/status" for p in range(27410, 27415)]


@needs_node
def test_an_operation_is_one_post_to_the_port_found() -> None:
    """The port that worked comes first next time, and each operation is sent once."""
    said = run("""
      answer = ({ port, method }) => {
        if (port !== 27412) throw new TypeError("Failed to fetch");
        return json(method === "POST" ? { format: "web-eid:1.0" } : ours);
      };
      const token = await eid.authenticate("n".repeat(44), { lang: "nl", reader: "A" });
      const first = calls();
      const { method, headers, body, mode, credentials, cache } = log.at(-1).init;
      const challenge = "c".repeat(44);
      await eid.readIdentity({ include: ["address"], purpose: "x", challenge });
      out({ token, first, second: calls().slice(first.length), method, headers, body,
            mode, credentials, cache, identity: log.at(-1).init.body });
    """)
    assert said["token"] == {"format": "web-eid:1.0"}
    assert said["first"] == [
        "GET 27410 /v1/status",
        "GET 27411 /v1/status",
        "GET 27412 /v1/status",
        "POST 27412 /v1/authenticate",
    ]
    assert said["second"] == ["GET 27412 /v1/status", "POST 27412 /v1/identity"]
    assert said["headers"] == {"X-EID-Agent": "1", "Content-Type": "application/json"}
    body = {"challengeNonce": "n" * 44, "reader": "A", "lang": "nl"}
    assert json.loads(said["body"]) == body
    identity = {"include": ["address"], "purpose": "x", "challenge": "c" * 44}
    assert json.loads(said["identity"]) == identity
    modes = (said["mode"], said["credentials"], said["cache"])
    assert modes == ("cors", "omit", "no-store")


@needs_node
@pytest.mark.parametrize(
    "reply",
    [
        'throw new TypeError("Failed to fetch")',
        'return json({ code: "pin-incorrect", triesLeft: 2 }, 422)',
        'return json({ code: "busy" }, 409)',
        'return new Response("", { status: 500 })',
        'return new Response("not json")',
    ],
)
def test_a_failed_operation_is_never_sent_again(reply: str) -> None:
    """Whatever the answer is, one click stays one POST."""
    said = run(f"""
      answer = ({{ method }}) => {{
        if (method === "POST") {{ {reply} }}
        return json(ours);
      }};
      await failure(eid.authenticate("n".repeat(44)));
      out(calls().filter((call) => call.startsWith("POST")));
    """)
    assert said == ["POST 27410 /v1/authenticate"]


@needs_node
@pytest.mark.parametrize(
    ("status", "code", "name", "web_eid"),
    [
        (422, "pin-incorrect", "NativeFatalError", "NATIVE_FATAL"),
        (403, "user-denied", "UserCancelledError", "USER_CANCELLED"),
        (409, "user-cancelled", "UserCancelledError", "USER_CANCELLED"),
        (409, "busy", "ActionPendingError", "ACTION_PENDING"),
        (504, "timeout", "UserTimeoutError", "USER_TIMEOUT"),
        (
            400,
            "invalid-request",
            "NativeInvalidArgumentError",
            "NATIVE_INVALID_ARGUMENT",
        ),
        (400, "of-the-future", "NativeInvalidArgumentError", "NATIVE_INVALID_ARGUMENT"),
        (504, "of-the-future", "UserTimeoutError", "USER_TIMEOUT"),
        (424, "of-the-future", "NativeFatalError", "NATIVE_FATAL"),
        (424, "constructor", "NativeFatalError", "NATIVE_FATAL"),
    ],
)
def test_refusals_become_web_eids_errors(
    status: int, code: str, name: str, web_eid: str
) -> None:
    """Known codes by table, unknown ones by status; the agent's own words are kept."""
    problem = {"code": code, "title": "Nee.", "triesLeft": 2, "later": True}
    said = run(f"""
      answer = ({{ method }}) =>
        method === "POST" ? json({json.dumps(problem)}, {status}) : json(ours);
      out(await failure(eid.readIdentity()));
    """)
    assert (said["name"], said["code"]) == (name, f"ERR_WEBEID_{web_eid}")
    assert (said["agentCode"], said["status"]) == (code, status)
    assert (said["title"], said["message"], said["triesLeft"]) == ("Nee.", "Nee.", 2)


@needs_node
@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ('"granted"', "not-running-or-not-trusted"),
        ('"prompt"', "not-running-or-not-trusted"),
        ('"denied"', "permission-denied"),
        ("null", "not-running-or-not-trusted"),
    ],
)
def test_nobody_answers(state: str, reason: str) -> None:
    """What the browser tells of its permission parts 'refused' from 'not running'."""
    said = run(f"state = {state}; out(await failure(eid.status()));")
    assert said["name"] == "NativeUnavailableError"
    assert said["code"] == "ERR_WEBEID_NATIVE_UNAVAILABLE"
    assert said["reason"] == reason


@needs_node
def test_a_question_that_was_waved_away_is_not_asked_again() -> None:
    """After a slow failure in state 'prompt' no further port is tried."""
    said = run("""
      state = "prompt";
      answer = async () => {
        await new Promise((done) => setTimeout(done, 1100));
        throw new TypeError("Failed to fetch");
      };
      out({ ...(await failure(eid.status())), calls: calls() });
    """)
    assert said["reason"] == "permission-denied"
    assert said["calls"] == ["GET 27410 /v1/status"]


@needs_node
def test_a_lost_connection_is_told_apart() -> None:
    """The agent was there and went during the operation."""
    said = run("""
      answer = ({ method }) => {
        if (method === "POST") throw new TypeError("Failed to fetch");
        return json(ours);
      };
      out(await failure(eid.readIdentity()));
    """)
    assert (said["name"], said["reason"]) == (
        "NativeUnavailableError",
        "connection-lost",
    )


@needs_node
def test_an_agent_of_another_version() -> None:
    """An agent that speaks another version only is not called 'not running'."""
    said = run("""
      answer = ({ port }) => {
        if (port === 27411) return json({ api: ["v9"] });
        throw new TypeError("Failed to fetch");
      };
      out(await failure(eid.status()));
    """)
    assert said["name"] == "VersionMismatchError"
    assert said["requiresUpdate"] == {"nativeApp": True}


@needs_node
def test_one_action_at_a_time() -> None:
    """A second click finds the first one's action running; afterwards it may go."""
    said = run("""
      let release;
      const held = new Promise((done) => { release = done; });
      answer = async ({ method }) => {
        if (method === "POST") await held;
        return json(ours);
      };
      const first = eid.readIdentity();
      const second = await failure(eid.readIdentity());
      release();
      await first;
      await eid.readIdentity();
      out({ second, posts: calls().filter((call) => call.startsWith("POST")).length });
    """)
    assert said["second"]["code"] == "ERR_WEBEID_ACTION_PENDING"
    assert said["posts"] == 2


@needs_node
def test_the_callers_signal_ends_the_request() -> None:
    """Abort reaches the agent and the caller gets the signal's own reason."""
    said = run("""
      const controller = new AbortController();
      let reached = false;
      answer = ({ method, init }) => {
        if (method !== "POST") return json(ours);
        setTimeout(() => controller.abort(), 0);
        return new Promise((_, no) => init.signal.addEventListener("abort", () => {
          reached = true;
          no(init.signal.reason);
        }));
      };
      const error = await failure(eid.readIdentity({ signal: controller.signal }));
      const early = await failure(eid.status({ signal: AbortSignal.abort() }));
      out({ name: error.name, early: early.name, reached });
    """)
    assert said == {"name": "AbortError", "early": "AbortError", "reached": True}


@needs_node
def test_time_runs_out() -> None:
    """The caller's limit ends the request with Web eID's error."""
    said = run("""
      answer = ({ method, init }) => method !== "POST" ? json(ours) :
        new Promise((_, no) =>
          init.signal.addEventListener("abort", () => no(init.signal.reason)));
      out(await failure(eid.readIdentity({ userInteractionTimeout: 20 })));
    """)
    assert said["code"] == "ERR_WEBEID_USER_TIMEOUT"


@needs_node
def test_mistakes_of_the_page_reach_no_agent() -> None:
    """No nonce, or a page without https: said at once."""
    said = run("""
      const nonce = await failure(eid.authenticate());
      globalThis.isSecureContext = false;
      const insecure = await failure(eid.status());
      out({ nonce: nonce.code, insecure: insecure.code, calls: calls() });
    """)
    assert said == {
        "nonce": "ERR_WEBEID_MISSING_PARAMETER",
        "insecure": "ERR_WEBEID_CONTEXT_INSECURE",
        "calls": [],
    }


DETECT = """
  const heard = [];
  const tell = (found) => heard.push(found.state);
  const detect = (options) => eid.detect({ onState: tell, lang: "nl", ...options });
"""


@needs_node
@pytest.mark.parametrize(
    ("state", "reply", "found"),
    [
        ('"granted"', "return json(ours)", "running"),
        ("null", "return json(ours)", "running"),
        ('"prompt"', "return json(ours)", "running"),
        ('"granted"', 'throw new TypeError("no")', "not-running-or-not-trusted"),
        ("null", 'throw new TypeError("no")', "not-running-or-not-trusted"),
        ('"prompt"', 'throw new TypeError("no")', "not-running-or-not-trusted"),
        ('"granted"', 'return json({ api: ["v9"] })', "too-old"),
        ('"granted"', 'return json({ code: "other-user" }, 403)', "other-user"),
    ],
)
def test_detect_tells_the_states_apart(state: str, reply: str, found: str) -> None:
    """Each with words; the listener hears the answer, too."""
    said = run(f"""{DETECT}
      state = {state};
      answer = () => {{ {reply} }};
      out({{ ...(await detect()), heard }});
    """)
    assert said["state"] == found
    assert said["heard"] == [found]
    assert said["lang"] == "nl"
    assert said["title"]
    assert said["text"]
    asleep = found == "not-running-or-not-trusted"
    assert (said["wake"] or {}).get("href") == ("eid-agent:" if asleep else None)


@needs_node
def test_ones_own_agent_is_found_behind_another_persons() -> None:
    """Several people at one computer: on to the next port."""
    said = run(f"""{DETECT}
      answer = ({{ port }}) =>
        port === 27410 ? json({{ code: "other-user" }}, 403) : json(ours);
      out(await detect());
    """)
    assert (said["state"], said["port"]) == ("running", 27411)


@needs_node
def test_another_persons_agent_is_said_to_be_that() -> None:
    """Not "not running": the other calls name the agent's own reason."""
    said = run("""
      answer = () => json({ code: "other-user", title: "Nee." }, 403);
      out(await failure(eid.readIdentity()));
    """)
    assert (said["agentCode"], said["title"]) == ("other-user", "Nee.")


@needs_node
@pytest.mark.parametrize("state", ["denied", "prompt"])
def test_nothing_is_sent_without_need(state: str) -> None:
    """Refused, or not asked yet and not to be asked: no port is knocked at."""
    said = run(f"""{DETECT}
      state = {json.dumps(state)};
      out({{ ...(await detect({{ ask: false }})), calls: calls() }});
    """)
    states = {"denied": "permission-denied", "prompt": "permission-not-asked"}
    assert (said["state"], said["calls"]) == (states[state], [])


@needs_node
def test_a_page_that_loads_makes_no_browser_ask() -> None:
    """Before the first click or key nothing is sent while the browser would ask."""
    said = run(f"""{DETECT}
      state = "prompt";
      navigator.userActivation = {{ hasBeenActive: false }};
      const early = await detect();
      const quiet = calls();
      navigator.userActivation.hasBeenActive = true;
      answer = () => json(ours);
      out({{ early, quiet, late: await detect() }});
    """)
    assert (said["early"]["state"], said["quiet"]) == ("permission-not-asked", [])
    assert said["late"]["state"] == "running"


PERMISSION = """
  const status = new EventTarget();
  Object.defineProperty(status, "state", { get: () => state });
  navigator.permissions.query = async () => status;
  const turn = (to) => { state = to; status.dispatchEvent(new Event("change")); };
  const until = async (done) => { while (!done()) await tick(); };
  const tick = () => new Promise((done) => setTimeout(done, 5));
"""


@needs_node
def test_an_open_question_is_told_after_a_second_and_answered_once() -> None:
    """One request waits with the question; after yes the same call goes on."""
    said = run(f"""{DETECT}{PERMISSION}
      state = "prompt";
      let yes;
      answer = () => new Promise((done) => {{ yes = () => done(json(ours)); }});
      const asked = detect();
      await until(() => heard.length);
      const before = [...heard];
      turn("granted");
      yes();
      out({{ before, ...(await asked), heard, calls: calls() }});
    """)
    assert said["before"] == ["permission-asked"]
    assert said["heard"] == ["permission-asked", "running"]
    assert said["calls"] == ["GET 27410 /v1/status"]


@needs_node
def test_a_connection_that_closed_during_the_question_is_made_again() -> None:
    """Allowed, but the waiting request failed: that port once more, then no more."""
    said = run(f"""{DETECT}{PERMISSION}
      state = "prompt";
      answer = () => new Promise((_, no) => {{
        turn("granted");
        answer = () => json(ours);
        no(new TypeError("Failed to fetch"));
      }});
      out({{ ...(await detect()), calls: calls() }});
    """)
    assert said["state"] == "running"
    assert said["calls"] == ["GET 27410 /v1/status"] * 2


@needs_node
@pytest.mark.parametrize(
    ("after", "found"),
    [("prompt", "permission-dismissed"), ("denied", "permission-denied")],
)
def test_an_answer_that_is_not_yes_ends_it(after: str, found: str) -> None:
    """Closed or refused: no further request, until the person lets the page in."""
    said = run(f"""{DETECT}{PERMISSION}
      state = "prompt";
      answer = async () => {{
        await new Promise((done) => setTimeout(done, 1100));
        turn({json.dumps(after)});
        throw new TypeError("Failed to fetch");
      }};
      const {{ state: found }} = await detect();
      const quiet = calls();
      answer = () => json(ours);
      turn("granted");
      await until(() => heard.includes("running"));
      out({{ found, quiet, heard, calls: calls() }});
    """)
    assert said["found"] == found
    assert said["quiet"] == ["GET 27410 /v1/status"]
    assert said["heard"] == ["permission-asked", found, "running"]
    assert said["calls"] == ["GET 27410 /v1/status"] * 2


@needs_node
def test_listening_ends_with_the_signal() -> None:
    """An aborted detect neither asks nor tells when the permission comes later."""
    said = run(f"""{DETECT}{PERMISSION}
      const controller = new AbortController();
      state = "denied";
      await detect({{ signal: controller.signal }});
      controller.abort();
      turn("granted");
      await new Promise((done) => setTimeout(done, 50));
      out({{ heard, calls: calls() }});
    """)
    assert said == {"heard": ["permission-denied"], "calls": []}


@needs_node
def test_a_page_that_forbids_it_itself_is_told_apart() -> None:
    """A frame without `allow`, or the site's own header: no person can mend that."""
    said = run(f"""{DETECT}
      state = "denied";
      const policy = {{ allowsFeature: (name) => name !== "loopback-network" }};
      const documentElement = {{ lang: "" }};
      globalThis.document = {{ documentElement, featurePolicy: policy }};
      out(await detect());
    """)
    assert (said["state"], said["byPage"]) == ("permission-denied", True)
    assert "site" in said["text"]
    assert said["picture"] is None


@needs_node
def test_a_copy_without_what_belongs_to_it_says_so() -> None:
    """A copy of client.js alone, as the agent serves it to developers."""
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "client.mjs"
        alone.write_bytes(CLIENT.read_bytes())
        said = run("out(await eid.detect());", alone)
        mocked = run("out(await failure(eid.status({ mock: true })));", alone)
    assert said["state"] == "not-running-or-not-trusted"
    assert "text" not in said
    assert mocked["name"] == "UnknownError"
    assert "mock.js" in mocked["message"]


@needs_node
def test_every_state_has_words_and_pictures_in_four_languages() -> None:
    """For each browser; the pictures are files beside the client, with their words."""
    states = re.findall(
        r'^  \| "([a-z-]+)"',
        (WEB / "index.d.ts").read_text().split("type AgentState")[1].split(";\n\n")[0],
        re.MULTILINE,
    )
    assert len(states) == 8
    said = run(f"""
      const {{ explain }} = await import(new URL("./words.js", CLIENT));
      const all = [];
      for (const lang of ["nl", "fr", "de-BE", "en", "pt", undefined])
        for (const browser of ["chromium", "firefox", "other"])
          for (const byPage of [false, true])
            for (const state of {json.dumps(states)})
              all.push({{ browser, ...explain(state, {{ lang, browser, byPage }}) }});
      out(all);
    """)
    assert {item["lang"] for item in said} == {"nl", "fr", "de", "en"}
    drawn = {item["picture"]["src"] for item in said if item["picture"]}
    assert {WEB / src.rpartition("/")[2] for src in drawn} == set(WEB.glob("*.svg"))
    for item in said:
        assert item["title"]
        assert item["text"].endswith(".")
        if item["picture"]:
            assert item["browser"] in item["picture"]["src"]
            assert item["picture"]["alt"]
    title = {(item["lang"], item["title"]) for item in said}
    assert len(title) == 4 * (len(states) + 1)


@needs_node
def test_a_button_is_named_as_this_browser_shows_it() -> None:
    """Whatever language the words are in; unknown ones get the words' own."""
    said = run("""
      const { explain } = await import(new URL("./words.js", CLIENT));
      const options = { browser: "chromium", lang: "de" };
      out(["nl-BE", "pt", undefined].map((shown) =>
        explain("permission-asked", { ...options, shown }).text));
    """)
    assert "„Toestaan“" in said[0]
    assert all("„Zulassen“" in text for text in said[1:])
    assert all(text.startswith("Schauen Sie") for text in said)


def test_the_drawings_load_nothing_and_run_nothing() -> None:
    """A portal may serve them under any policy."""
    for drawing in WEB.glob("*.svg"):
        text = drawing.read_text(encoding="utf-8")
        assert not re.search(r"<script|<style|style=|href|url\(|<image|on\w+=", text)


@needs_node
def test_a_new_detect_takes_over_from_the_one_before() -> None:
    """Only the last call's listener hears that the permission came."""
    said = run(f"""{DETECT}{PERMISSION}
      const early = [];
      state = "denied";
      answer = () => json(ours);
      await detect({{ onState: (found) => early.push(found.state) }});
      await detect();
      turn("granted");
      await until(() => heard.includes("running"));
      out({{ early, heard, calls: calls() }});
    """)
    assert said["early"] == ["permission-denied"]
    assert said["heard"] == ["permission-denied", "running"]
    assert said["calls"] == ["GET 27410 /v1/status"]
