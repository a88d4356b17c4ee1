/**
 * A fake agent for the client's tests: HTTPS on a port of its own, answers as told.
 *
 * It shows what the client sends and what it makes of an answer, over real TLS and HTTP.
 * What an agent answers is not tested here.
 */

import { readFileSync } from "node:fs";
import { createServer } from "node:https";

const { FAKE_AGENT_KEY, FAKE_AGENT_CERTIFICATE } = process.env;

export async function fakeAgent() {
  const requests = [];
  const fake = {
    requests,
    status: { api: ["v1"], origin: "allowed", agent: { version: "9.8.7" } },
    answer: () => [200, {}],
    posts: () => requests.filter(({ method }) => method === "POST"),
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
  const server = createServer(
    { key: readFileSync(FAKE_AGENT_KEY), cert: readFileSync(FAKE_AGENT_CERTIFICATE) },
    async (request, response) => {
      const { method, url: path, headers } = request;
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      const sent = Buffer.concat(chunks).toString();
      const body = sent ? JSON.parse(sent) : null;
      requests.push({ method, path, headers, body });
      const asked = method === "GET" ? [200, fake.status] : fake.answer(body);
      if (!asked) return; // the person is still thinking
      const [status, said] = asked;
      const type = status === 200 ? "application/json" : "application/problem+json";
      response.writeHead(status, { "Content-Type": type });
      response.end(JSON.stringify(said));
    },
  );
  await new Promise((listening) => server.listen(0, "localhost", listening));
  fake.port = server.address().port;
  return fake;
}
