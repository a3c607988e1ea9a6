// Drives a real Chromium for the end to end tests (cmd/e2e): one JSON request a
// line on stdin, one JSON answer a line on stdout.
//
//   {"id": 1, "op": "goto", "context": "alice", "url": "http://localhost:8420/"}
//   {"id": 1, "value": null}   or   {"id": 1, "error": "what went wrong"}
//
// A context is a browser profile of its own with one page. Each has a virtual
// authenticator with user verification, unless it was opened without one, and
// gathers what must not happen: violations of the content security policy,
// errors of the page, and answers of 500 and above. Selectors are Playwright's.

import { createRequire } from "node:module";
import { existsSync, readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const axeSource = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

// The headless shell is the same engine without the browser's own face, whose
// profile for every context costs as much as our pages do.
const browserPaths = [
  "/usr/bin/chromium-headless-shell",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const flags = [
  "--no-sandbox", // the tests run as root in containers; the pages are ours
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const executablePath = process.env.STINT_CHROMIUM || browserPaths.find(existsSync);
if (!executablePath) {
  console.error("Chromium is not installed; set STINT_CHROMIUM to its path or install the package chromium-headless-shell or chromium.");
  process.exit(1);
}
const browser = await chromium.launch({ executablePath, headless: true, args: flags });
const contexts = new Map();

const find = (request) => {
  const found = contexts.get(request.context);
  if (!found) throw new Error(`there is no context ${request.context}`);
  return found;
};

// What has the keyboard's focus, whether a person can see that it has, and
// whether it is one of the elements that a selector names.
const focusOf = (page, selector) =>
  page.locator(selector || "body").evaluateAll((named) => {
    const active = document.activeElement ?? document.body;
    const seen = (element) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      const { top, left, bottom, right } = element.getBoundingClientRect();
      return (
        outlineStyle !== "none" &&
        parseFloat(outlineWidth) > 0 &&
        element.checkVisibility({ opacityProperty: true, visibilityProperty: true }) &&
        bottom > Math.max(top, 0) &&
        right > Math.max(left, 0) &&
        top < innerHeight &&
        left < innerWidth
      );
    };
    // A control without a face of its own shows the ring on what stands for it, beside or around it.
    const faces = [active, active.nextElementSibling, active.parentElement, active.parentElement?.parentElement];
    const text = active.getAttribute("aria-label") || active.innerText || active.value || "";
    return {
      what: `${active.tagName.toLowerCase()}${active.id && `#${active.id}`} "${text.trim().slice(0, 60)}"`,
      lost: active === document.body || active === document.documentElement,
      visible: faces.some((face) => face && face !== document.body && seen(face)),
      fits: named.includes(active),
    };
  });

// How long anything may take to come about, in milliseconds: a machine that runs much else may stand still for a while.
const patience = 60_000;

const pause = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

const operations = {
  async open({ context: name, width = 1280, height = 800, scheme = "light", reducedMotion = "reduce", authenticator = true, permissions = [], touch = false }) {
    if (contexts.has(name)) throw new Error(`the context ${name} is open already`);
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion, permissions, hasTouch: touch, isMobile: touch });
    const troubles = [];
    // A binding reports at once, so that nothing is lost when the page navigates.
    await context.exposeBinding("__stintViolation", (_, text) => troubles.push(`content security policy: ${text}`));
    await context.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        window.__stintViolation(`${location.pathname}: ${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber} ${event.sample}`);
      });
    });
    const page = await context.newPage();
    page.setDefaultTimeout(patience);
    page.on("pageerror", (error) => troubles.push(`page error: ${error.stack || error}`));
    page.on("response", (response) => {
      if (response.status() >= 500) troubles.push(`${response.status()} from ${response.request().method()} ${response.url()}`);
    });
    const cdp = await context.newCDPSession(page);
    const opened = { context, page, cdp, troubles, touch, authenticator: null };
    if (authenticator) {
      await cdp.send("WebAuthn.enable");
      const added = await cdp.send("WebAuthn.addVirtualAuthenticator", {
        options: {
          protocol: "ctap2",
          transport: "internal",
          hasResidentKey: true,
          hasUserVerification: true,
          isUserVerified: true,
          automaticPresenceSimulation: true,
        },
      });
      opened.authenticator = added.authenticatorId;
    }
    contexts.set(name, opened);
    return null;
  },

  async close(request) {
    const { context } = find(request);
    contexts.delete(request.context);
    await context.close();
    return null;
  },

  async goto(request) {
    const response = await find(request).page.goto(request.url);
    return response ? response.status() : 0;
  },

  async click(request) {
    await find(request).page.locator(request.selector).click({ timeout: request.timeout });
    return null;
  },

  async fill(request) {
    await find(request).page.locator(request.selector).fill(request.text, { timeout: request.timeout });
    return null;
  },

  async press(request) {
    const { page } = find(request);
    if (request.selector) await page.locator(request.selector).press(request.key);
    else await page.keyboard.press(request.key);
    return null;
  },

  // Types where the focus is.
  async type(request) {
    await find(request).page.keyboard.type(request.text);
    return null;
  },

  // Presses a key, Tab unless another is named, until the focus is on what the selector names. Every stop on the way must
  // be one that a person can see. The answer is how many there were.
  async tabTo({ context, selector, key = "Tab", most = 40 }) {
    const { page } = find({ context });
    await page.locator(selector).first().waitFor({ state: "attached" });
    const stops = [];
    while (stops.length < most) {
      await page.keyboard.press(key);
      let focus = await focusOf(page, selector);
      for (let looks = 10; !focus.visible && looks > 0; looks--) {
        await pause(30); // it may be on its way into view
        focus = await focusOf(page, selector);
      }
      stops.push(focus.what);
      if (!focus.visible) throw new Error(`the focus cannot be seen on the last of: ${stops.join(", ")}`);
      if (focus.fits) return stops.length;
    }
    throw new Error(`${key} does not lead there within: ${stops.join(", ")}`);
  },

  // Waits until the focus is on what the selector names, and stays there.
  async focusOn({ context, selector, timeout = patience }) {
    const { page } = find({ context });
    const begun = performance.now();
    for (let since = null; ; await pause(40)) {
      const focus = await focusOf(page, selector);
      const now = performance.now();
      since = focus.fits ? (since ?? now) : null;
      if (since !== null && now - since > 150) return null;
      if (since === null && now - begun > timeout) throw new Error(`the focus is on ${focus.what}`);
    }
  },

  // Waits until the first match is in a state: visible, hidden, attached, detached.
  async wait(request) {
    await find(request).page.locator(request.selector).first().waitFor({ state: request.state || "visible", timeout: request.timeout });
    return null;
  },

  async waitURL(request) {
    await find(request).page.waitForURL(new RegExp(request.url), { timeout: request.timeout });
    return null;
  },

  async text(request) {
    return find(request).page.locator(request.selector).first().innerText({ timeout: request.timeout });
  },

  // Notes every text that the page shows from now on, so that `showed` finds what is gone again by then.
  async noteTexts(request) {
    await find(request).page.evaluate(() => {
      const texts = (window.__stintTexts = new Set());
      const note = (node) => {
        if (node.nodeType !== Node.TEXT_NODE) node.childNodes.forEach(note);
        else if (node.parentElement?.checkVisibility()) texts.add(node.data.trim());
      };
      window.__stintNoting?.disconnect();
      window.__stintNoting = new MutationObserver((changes) => {
        for (const { type, target, addedNodes } of changes) (type === "characterData" ? [target] : addedNodes).forEach(note);
      });
      window.__stintNoting.observe(document, { subtree: true, childList: true, characterData: true });
    });
    return null;
  },

  // Waits until the page has shown exactly this text since the last noteTexts.
  async showed(request) {
    const { page } = find(request);
    for (const begun = performance.now(); ; await pause(40)) {
      if (await page.evaluate((text) => window.__stintTexts?.has(text) ?? false, request.text)) return null;
      if (performance.now() - begun > patience) throw new Error(`the page has not shown “${request.text}”`);
    }
  },

  async count(request) {
    return find(request).page.locator(request.selector).count();
  },

  async attribute(request) {
    return find(request).page.locator(request.selector).first().getAttribute(request.name, { timeout: request.timeout });
  },

  async url(request) {
    return find(request).page.url();
  },

  // The value of a JavaScript expression in the page; promises are awaited.
  async evaluate(request) {
    return (await find(request).page.evaluate(request.expression)) ?? null;
  },

  async resize(request) {
    await find(request).page.setViewportSize({ width: request.width, height: request.height });
    return null;
  },

  async scheme(request) {
    await find(request).page.emulateMedia({ colorScheme: request.scheme });
    return null;
  },

  async screenshot(request) {
    await find(request).page.screenshot({ path: request.path, fullPage: request.fullPage ?? false, animations: "disabled" });
    return null;
  },

  // What axe finds wrong, one line a node. Where there are fingers, that is also what is too small for them.
  async axe(request) {
    const { page, touch } = find(request);
    await page.evaluate(axeSource);
    return page.evaluate(async (enabled) => {
      const result = await window.axe.run(document, { resultTypes: ["violations"], rules: { "target-size": { enabled } } });
      return result.violations.flatMap((violation) =>
        violation.nodes.map((node) => `${violation.id} (${violation.impact}) ${node.target.join(" ")}: ${node.failureSummary}`),
      );
    }, touch);
  },

  // Brings the one match into view, tells how large it is, and whether a finger in its middle would hit it and nothing else.
  async reach(request) {
    return find(request).page.locator(request.selector).evaluate((element) => {
      element.scrollIntoView({ block: "center", behavior: "instant" });
      const { left, top, right, bottom, width, height } = element.getBoundingClientRect();
      const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
      const root = document.documentElement;
      return {
        width,
        height,
        inside: left >= 0 && top >= 0 && right <= root.clientWidth && bottom <= root.clientHeight,
        hit: hit !== null && element.contains(hit),
      };
    });
  },

  // Everything that must not happen and did since the last call.
  async troubles(request) {
    return find(request).troubles.splice(0);
  },

  // Any method of the WebAuthn domain, on the context's authenticator.
  async webauthn(request) {
    const { cdp, authenticator } = find(request);
    if (!authenticator) throw new Error("this context has no authenticator");
    return cdp.send(`WebAuthn.${request.method}`, { authenticatorId: authenticator, ...request.parameters });
  },

  async cookies(request) {
    return find(request).context.cookies();
  },
};

// Requests of one context run one after another; contexts do not wait for each other.
const queues = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const before = queues.get(request.context) ?? Promise.resolve();
  queues.set(
    request.context,
    before.then(async () => {
      let answer;
      try {
        const operation = Object.hasOwn(operations, request.op) ? operations[request.op] : null;
        if (!operation) throw new Error(`there is no operation ${request.op}`);
        answer = { id: request.id, value: await operation(request) };
      } catch (error) {
        answer = { id: request.id, error: String(error?.message ?? error) };
      }
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    }),
  );
}
await Promise.allSettled(queues.values());
await browser.close();
