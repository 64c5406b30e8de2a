// SPDX-License-Identifier: MIT
//
// Opens the page, waits until it has drawn several seconds, and holds what it shows against /status.
// Usage: node page_test.mjs NODE_MODULES BROWSER URL NAME SENDERS SCREENSHOT WORK_DIR
import { createRequire } from "node:module";
import { mkdtempSync } from "node:fs";

const [modules, browser, url, name, senders, screenshot, work] = process.argv.slice(2);
const { chromium } = createRequire(`${modules}/`)("playwright-core");
const PATIENCE = 180000;

function check(holds, what) {
  if (!holds) throw new Error(what);
}

const context = await chromium.launchPersistentContext(mkdtempSync(`${work}/profile-`), {
  executablePath: browser,
  headless: true,
  viewport: { width: 1100, height: 980 },
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = context.pages()[0] ?? await context.newPage();
  const errors = [];
  page.on("pageerror", error => errors.push(String(error)));
  page.on("console", line => line.type() === "error" && errors.push(line.text()));
  page.on("request", request =>
    request.url().startsWith(url) || errors.push(`asks elsewhere: ${request.url()}`));
  await page.goto(url);

  const points = () => page.$eval("#rate polyline", line => line.getAttribute("points"))
    .catch(() => "");
  const drawn = count => page.waitForFunction(
    wanted => document.querySelector("#rate polyline")?.getAttribute("points").split(" ").length
      >= wanted, count, { timeout: PATIENCE });
  const rows = wanted => page.waitForFunction(
    count => document.querySelectorAll("#rows tr").length === count, wanted,
    { timeout: PATIENCE });

  await rows(Number(senders));
  await drawn(4);
  const before = await points();
  await drawn(8);
  const after = await points();
  check(before !== after, "the curve does not move");
  const heights = new Set(after.split(" ").map(point => point.split(",")[1]));
  if (senders === "0") check(heights.size === 1, "a rate without senders");
  else check(heights.size > 2, `the rate does not change: ${after}`);

  if (name === "sender") {
    // The flood comes and goes: it is squashed, shed, and what is shed is drawn.
    await page.waitForFunction(() => document.querySelectorAll("#drops rect").length >= 3
      && document.querySelector("#state-legend").textContent.includes("shed"), null,
      { timeout: PATIENCE });
  }
  const status = await page.evaluate(() => fetch("status").then(answer => answer.json()));
  const shown = await page.textContent("body");
  check(shown.includes(status.program), "the program's name is missing");
  for (const sender of status.senders ?? [])
    check(shown.includes(sender.sender), `sender ${sender.sender} is missing`);
  // Both come and go with each answer, which a busy machine may keep it waiting for.
  await page.locator("#trouble").waitFor({ state: "hidden", timeout: PATIENCE });
  await page.waitForFunction(() => document.querySelectorAll("#state rect").length >= 7, null,
    { timeout: PATIENCE });
  await page.screenshot({ path: screenshot, fullPage: senders !== "100" });
  check(errors.length === 0, errors.join("\n"));
  console.log(`${name}: ${after.split(" ").length} seconds drawn, ${heights.size} rates, ` +
              `${senders} rows`);
} finally {
  await context.close();
}
