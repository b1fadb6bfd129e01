import { test } from "node:test";
import { callJson } from "../support/app.ts";
import { restartServer, startServer } from "../support/server-process.ts";
import { createSession, openBrowser, skip } from "./browser.ts";

test("what changed in the list while the server could not be heard is there afterwards", {
  skip,
}, async (t) => {
  const server = await startServer(t);
  const gone = await createSession(server, { modelId: "scripted:say", title: "Gone" });
  const browser = await openBrowser(t, server, { expectErrors: /ERR_|Failed to load resource/ });
  const page = await browser.open();
  const list = page.getByRole("navigation", { name: "Chats" });
  await list.getByRole("link", { name: "Gone", exact: true }).waitFor();
  await browser.context.setOffline(true);
  await page.getByText("You are offline.").waitFor();
  server.kill("SIGKILL");
  await server.result();
  await restartServer(t, server);
  await createSession(server, { modelId: "scripted:say", title: "New" });
  await callJson(server, "DeleteSession", { sessionId: gone });
  await browser.context.setOffline(false);
  await list.getByRole("link", { name: "New", exact: true }).waitFor();
  await list.getByRole("link", { name: "Gone", exact: true }).waitFor({ state: "detached" });
});
