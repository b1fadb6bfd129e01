import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { after, type TestContext } from "node:test";
import {
  type Browser,
  type BrowserContext,
  type BrowserContextOptions,
  chromium,
  type Locator,
  type Page,
} from "playwright-core";
import { callJson, type TestApp } from "../support/app.ts";
import { requireProgram } from "../support/programs.ts";

/**
 * The browser: CHROMIUM where it is set, else one in PATH. The headless shell is Chromium without windows of its own,
 * for which half of the time would go.
 */
const executablePath =
  process.env.CHROMIUM ??
  findProgram("chromium-headless-shell") ??
  findProgram("chromium") ??
  "chromium";

/** Why the browser tests cannot run here; false where they can. */
export const skip = requireProgram(executablePath, ["--version"]);

function findProgram(name: string): string | undefined {
  const { stdout } = spawnSync("sh", ["-c", `command -v ${name}`], { encoding: "utf8" });
  return stdout.trim() || undefined;
}

const args = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--no-first-run",
];

let launched: Promise<Browser> | undefined;

/** One browser for all tests of a file; each has a context, and so a storage, of its own. */
function launch(): Promise<Browser> {
  launched ??= chromium.launch({
    executablePath,
    args,
    // Playwright turns on what hides the page's own behaviour in the background.
    ignoreDefaultArgs: ["--disable-backgrounding-occluded-windows"],
  });
  return launched;
}

after(async () => (await launched)?.close());

export type BrowserOptions = BrowserContextOptions & {
  /** Console errors that the test brings about itself, such as those of a lost connection. */
  expectErrors?: RegExp;
};

/** The pages of one person: they share a storage. */
export type TestBrowser = {
  readonly context: BrowserContext;
  /** Opens a tab and waits until the page can be used. */
  open(path?: string): Promise<Page>;
};

/**
 * A browser that looks at the server. Anything that the console calls an error, any exception and any
 * violation of the Content-Security-Policy fails the test.
 */
export async function openBrowser(
  t: TestContext,
  app: Pick<TestApp, "url" | "defer">,
  { expectErrors, ...options }: BrowserOptions = {},
): Promise<TestBrowser> {
  const browser = await launch();
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    ignoreHTTPSErrors: true,
    ...options,
  });
  const errors: string[] = [];
  const report = (text: string) => {
    if (!expectErrors?.test(text)) errors.push(text);
  };
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI, sample }) => {
      console.error(`violates ${violatedDirective}: ${blockedURI} ${sample}`);
    });
  });
  context.on("console", (message) => {
    if (message.type() === "error") report(`${message.text()} ${message.location().url}`);
  });
  context.on("weberror", (error) => report(String(error.error().stack)));
  // Before the server looks at what is left of its calls.
  app.defer(() => context.close());
  t.after(() => assert.deepEqual(errors, [], "errors in the page"));
  return {
    context,
    async open(path = "/") {
      const page = await context.newPage();
      page.setDefaultTimeout(10_000);
      await page.goto(app.url + path);
      return page;
    },
  };
}

/** The field that messages are written in. */
export const messageField = (page: Page) => page.getByRole("textbox", { name: "Message" });

/** Writes a message and sends it. */
export async function say(page: Page, text: string): Promise<void> {
  await messageField(page).fill(text);
  await page.keyboard.press("Enter");
}

/** Chooses the model of the chat that is shown. */
export async function chooseModel(page: Page, modelId: string): Promise<void> {
  await page.locator("header").getByRole("combobox", { name: "Model" }).selectOption(modelId);
}

/** The replies that are shown, the last one last. */
export const replies = (page: Page) => page.getByRole("article", { name: "Reply" });

/** Waits until the last reply's text is, or matches, `expected`, and nothing runs. */
export async function untilReply(page: Page, expected: string | RegExp): Promise<void> {
  const last = replies(page).last().locator(".markdown").last();
  await last.filter({ hasText: expected }).waitFor();
  await untilIdle(page);
}

/** Waits until no reply is being written. */
export async function untilIdle(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Stop" }).waitFor({ state: "detached" });
}

/** Opens a session by the service, with what was said in it. */
export async function createSession(
  app: Pick<TestApp, "port" | "tls">,
  { modelId, title = "", messages = [] }: { modelId: string; title?: string; messages?: string[] },
): Promise<string> {
  const { json } = await callJson(app, "CreateSession", { modelId, title });
  const sessionId = String(json.sessionId);
  for (const message of messages) await callJson(app, "SendMessage", { sessionId, message });
  return sessionId;
}

/**
 * Shows or hides a tab as the browser would: headless Chromium calls all of them visible, whichever is in
 * front.
 */
export async function setVisible(page: Page, isVisible: boolean): Promise<void> {
  await page.evaluate(
    (state) => {
      Object.defineProperty(document, "visibilityState", { configurable: true, get: () => state });
      document.dispatchEvent(new Event("visibilitychange"));
    },
    isVisible ? "visible" : "hidden",
  );
}

/**
 * Lets the page's clock run ahead, step by step, until something is shown; fails after 20 s. A step is to be shorter
 * than what it looks for stays.
 */
export async function forwardUntilShown(page: Page, shown: Locator, stepMs: number): Promise<void> {
  const end = performance.now() + 20_000;
  while ((await shown.count()) === 0) {
    assert.ok(performance.now() < end, `never shown: ${shown.toString()}`);
    await page.clock.fastForward(stepMs);
  }
}
