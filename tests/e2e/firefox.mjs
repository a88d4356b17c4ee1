// Starts one Firefox over WebDriver BiDi and does what it is told on standard input.
//
// One JSON value a line: first the launch options, then [verb, argument]. Each is
// answered by one line, {"value": …} or {"error": text}. End of input closes Firefox.

import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const answer = (body) => process.stdout.write(JSON.stringify(body) + "\n");
// Firefox appends a stack trace of its own after " #".
const fail = (error) => answer({ error: String(error.message ?? error).split(" #")[0] });
const options = JSON.parse((await lines.next()).value);

let browser;
try {
  browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: options.executable,
    userDataDir: options.profile,
    headless: options.headless,
    args: options.args,
    extraPrefsFirefox: options.preferences,
    env: options.env,
    defaultViewport: null,
  });
} catch (error) {
  fail(error);
  process.exit(1);
}
let page = (await browser.pages())[0] ?? (await browser.newPage());
answer({ value: await browser.version() });

const verbs = {
  async open(url) {
    const response = await page.goto(url, { waitUntil: "load" });
    return response ? response.status() : null;
  },
  async evaluate(code) {
    return (await page.evaluate(code)) ?? null;
  },
  async tab() {
    page = await browser.newPage();
    return null;
  },
  async wait(code) {
    await page.waitForFunction(code);
    return null;
  },
  async bidi({ method, params }) {
    return (await browser.connection.send(method, params)).result;
  },
};

for await (const line of lines) {
  const [verb, argument] = JSON.parse(line);
  try {
    answer({ value: await verbs[verb](argument) });
  } catch (error) {
    fail(error);
  }
}
await browser.close();
