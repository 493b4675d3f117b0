// Looks at the console as its readers do; tests/console/run starts it. Exits with 1 when something is not as said.
const assert = require("node:assert/strict");
const { readFileSync } = require("node:fs");
const { chromium } = require("playwright-core");

const { OPEN_MAIN, OPEN_ADMIN, OPEN_PID, KEYED_MAIN, KEYED_ADMIN, PAY_MAIN, PAY_ADMIN, CHROMIUM, PAYMENTS, PROFILE, SCREENSHOT } = process.env;
const CANARY = "4111111111111111";
const MARKUP = "<img src=x onerror=document.title='owned'>";
const open = `http://${OPEN_ADMIN}`;
const payment = (more) => JSON.stringify({ id: "p", at: "2026-11-23T12:00:00Z", amount: "20.00", currency: "USD", ...more });

async function get(path) {
  return (await fetch(open + path)).json();
}

async function post(address, path, body, key) {
  const headers = key ? { authorization: `Bearer ${key}` } : {};
  const response = await fetch(`http://${address}${path}`, { method: "POST", body, headers });
  assert.ok([200, 201].includes(response.status), await response.clone().text());
  return response.text();
}

/** Waits until `holds` says so. */
async function until(what, holds) {
  for (let i = 0; i < 100; i++) {
    if (await holds()) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  assert.fail(`never: ${what}`);
}

async function main() {
  const context = await chromium.launchPersistentContext(PROFILE, {
    executablePath: CHROMIUM,
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    viewport: { width: 1280, height: 1215 },
  });
  const step = (name) => console.log(`ok  ${name}`);
  const complaints = [];
  const foreign = [];
  // What the browser itself says of an answer with a 4xx, or of a server that is gone, is looked for where it is asked for.
  let expected = /$^/;
  const page = await context.newPage();
  page.on("console", (message) => { if (["error", "warning"].includes(message.type()) && !expected.test(message.text())) complaints.push(message.text()); });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => { if (![OPEN_ADMIN, KEYED_ADMIN, PAY_ADMIN].includes(new URL(request.url()).host)) foreign.push(request.url()); });
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
  });
  const text = (selector) => page.locator(selector).innerText();

  await page.goto(`${open}/console`);
  await page.locator("#empty").waitFor();
  assert.match(await text("#curl"), new RegExp(`^curl http://${OPEN_MAIN}/v1/score`));
  step("without payments it says how to send the first one");

  const lines = readFileSync(PAYMENTS, "utf8").trim().split("\n");
  for (let i = 0; i < lines.length; i += 1000) await post(OPEN_MAIN, "/v1/score:batch", lines.slice(i, i + 1000).join("\n"));
  for (const line of lines.slice(-300)) await post(OPEN_MAIN, "/v1/score", line.replace('"id":"', '"id":"again-'));
  await page.locator("#empty").waitFor({ state: "hidden" });
  await page.getByLabel("since start").check();
  const stats = await get("/v1/stats");
  const count = (n) => n.toLocaleString("en");
  await until("the page shows what /v1/stats says", async () => {
    for (const [name, n] of Object.entries(stats.since_start.outcomes)) {
      const row = await text(`#outcomes tr:has(.${name})`);
      if (row.split(/\s+/)[1] !== count(n)) return false;
    }
    return true;
  });
  assert.ok(stats.since_start.outcomes.decline > 0);
  const rules = await page.locator("#rules tbody tr").evaluateAll((rows) => rows.map((row) => [row.cells[0].textContent, row.cells[2].textContent]));
  assert.deepEqual(rules, stats.since_start.busiest_rules.map((busy) => [busy.rule, count(busy.hits)]));
  assert.ok(rules.some(([rule]) => rule.includes("card") || rule.includes("device-tries")), "card testing is seen");
  assert.equal(await page.locator("#latency tbody tr").count(), 4);
  assert.match(await text("#latency tbody tr:last-child"), /^total\s+[\d.,]+\s+[\d.,]+\s+[\d.,]+\s+[\d.,]+$/);
  step("outcomes and rules are those of /v1/stats");

  const { decisions } = await get("/v1/decisions");
  const ids = () => page.locator("#decisions tbody button").allInnerTexts();
  await until("the latest decisions are shown", async () => JSON.stringify(await ids()) === JSON.stringify(decisions.map((d) => d.decision.id)));
  await page.locator("#filter").selectOption("decline");
  await until("declines alone are shown", async () => (await page.locator("#decisions tbody .outcome:not(.decline)").count()) === 0);
  const declined = (await get("/v1/decisions?outcome=decline")).decisions.find((d) => d.decision.reasons.length > 0);
  await page.getByRole("button", { name: declined.decision.id, exact: true }).first().focus();
  await page.keyboard.press("Enter");
  const why = await text("#why");
  for (const reason of declined.decision.reasons) assert.ok(why.includes(reason.rule) && why.includes(reason.code), reason.rule);
  for (const [name, value] of Object.entries(declined.decision.reasons[0].values)) assert.ok(why.includes(name) && why.includes(value ?? "(absent)"), name);
  assert.equal(await page.evaluate(() => document.activeElement.id), "detail");
  step("a decision is chosen by keyboard and shows its reasons and values");

  await page.locator("#payment").fill(payment({ card: CANARY, account: "acc_example_taken_over" }));
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator("#explained strong").waitFor();
  await page.getByText(/^Every rule/).click();
  assert.match(await text("#explained"), /decline score[\s\S]*account-on-never-list/);
  expected = /status of 400/;
  await page.locator("#payment").fill("{}");
  await page.getByRole("button", { name: "Explain" }).click();
  await until("a refusal is told", async () => (await text("#explain-wrong")).includes("The body is no payment"));
  expected = /$^/;
  step("a payment is explained, and what is none is refused in words");

  await page.locator("#list").selectOption("never");
  await page.locator("#value").fill("acc_from_console");
  await page.getByRole("button", { name: "Look up" }).click();
  await until("it is looked up", async () => (await text("#found")).includes("is not on never"));
  await page.getByLabel("Reason").fill("told by phone");
  await page.getByRole("button", { name: "Put acc_from_console on never" }).click();
  await page.getByRole("button", { name: "No", exact: true }).click();
  assert.ok((await text("#found")).includes("is not on never"));
  await page.getByRole("button", { name: "Put acc_from_console on never" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await until("it is listed", async () => (await text("#found")).includes("is on never: told by phone"));
  const scored = JSON.parse(await post(OPEN_MAIN, "/v1/score", payment({ id: MARKUP, merchant: MARKUP, account: "acc_from_console", card: CANARY })));
  assert.equal(scored.outcome, "decline");
  await page.getByRole("button", { name: "Take acc_from_console off" }).click();
  await page.getByRole("button", { name: "Yes" }).click();
  await until("it is off", async () => (await text("#found")).includes("is not on never"));
  step("a value is looked up, put on a list and taken off, each only after a yes");

  await page.getByRole("button", { name: MARKUP, exact: true }).click();
  assert.ok((await text("#why")).includes(MARKUP));
  assert.equal(await page.locator("main img").count(), 0);
  assert.equal(await page.title(), "tollgate console");
  assert.ok(!(await page.content()).includes(CANARY));
  step("markup in a payment stays text, and no card number is shown");

  const tested = lines.filter((line) => line.includes("card_testing")).slice(-40);
  const usual = lines.filter((line) => !line.includes("card_testing")).slice(-40);
  for (const [i, line] of tested.entries()) {
    for (const one of [usual[i], line]) await post(OPEN_MAIN, "/v1/score", one.replace('"id":"', '"id":"late-'));
  }
  const shown = (await get("/v1/decisions?outcome=decline")).decisions[0].decision;
  assert.ok(shown.rules.some((rule) => rule.includes("cards")), "card testing is declined");
  await page.getByRole("button", { name: shown.id, exact: true }).first().click();
  await page.locator("#payment").fill(payment({ account: "acc_example_taken_over" }));
  await page.getByRole("button", { name: "Explain" }).click();
  await page.locator("#explained strong").waitFor();
  await page.locator("#value").fill("198.51.100.77");
  await page.locator("#list").selectOption("proxy_nets");
  await page.getByRole("button", { name: "Look up" }).click();
  await page.locator("#filter").selectOption("");
  await until("all outcomes are shown", async () => (await page.locator("#decisions tbody .outcome:not(.decline)").count()) > 0);
  const ratios = {};
  for (const colorScheme of ["dark", "light"]) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    ratios[colorScheme] = await page.evaluate(contrast);
    for (const [what, ratio] of Object.entries(ratios[colorScheme])) assert.ok(ratio >= 4.5, `${colorScheme} ${what}: ${ratio}`);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), "nothing sticks out");
    if (SCREENSHOT) {
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({ path: colorScheme === "light" ? SCREENSHOT : SCREENSHOT.replace(/\.png$/, "-dark.png") });
    }
  }
  step("text has contrast in light and dark, and nothing moves");

  expected = /ERR_|Failed to load/;
  process.kill(Number(OPEN_PID));
  await until("it says that the server is away", async () => /does not answer.*trying again in/.test(await text("#link")));
  assert.ok(await page.locator("#link.away").isVisible());
  step("it says so when the server is away");

  expected = /status of 40[13]/;
  await post(KEYED_MAIN, "/v1/score", payment({ id: "of-shop" }), "the-shop");
  await post(KEYED_MAIN, "/v1/score", payment({ id: "of-operator" }), "the-operator");
  const withKey = async (key, admin = KEYED_ADMIN) => {
    await page.goto(`http://${admin}/console`);
    await page.locator("#key").fill(key);
    await page.getByRole("button", { name: "Use it" }).click();
  };
  await withKey("a-stranger");
  await until("a wrong key is told", async () => (await text("#key-wrong")).includes("nobody has this key"));
  await withKey("the-shop");
  await until("a merchant's key shows its own", async () => JSON.stringify(await ids()) === '["of-shop"]');
  assert.match(await text("#stats-wrong"), /belongs to no merchant/);
  assert.match(await text("#lists-wrong"), /scope `lists`/);
  await withKey("the-operator");
  await until("the operator's shows all", async () => JSON.stringify(await ids()) === '["of-operator","of-shop"]');
  const kept = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!kept.includes("the-operator"), kept);
  await page.getByRole("button", { name: "Forget the key" }).click();
  await page.locator("#ask-key").waitFor();
  assert.equal(await page.locator("#decisions tbody button").count(), 0);
  step("keys open what they may, are kept in memory and forgotten");

  const pay = async (order) => {
    await post(PAY_MAIN, "/v1/orders", JSON.stringify({ id: order, amount: "19.99 EUR" }), "the-merchant");
    const card = { number: CANARY, expiry: "09/28", cvv: "123" };
    const facts = { device_os: "odd", account: `of-${order}`, user_agent: MARKUP };
    const made = JSON.parse(await post(PAY_MAIN, "/v1/payments", JSON.stringify({ order, method: "card", card, facts }), "the-merchant"));
    assert.equal(made.state, "review_held");
    return made.id;
  };
  const seen = async (id) => (await (await fetch(`http://${PAY_MAIN}/v1/payments/${id}`, { headers: { authorization: "Bearer the-merchant" } })).json());
  const held = [await pay("first"), await pay("second"), await pay("third")];
  await withKey("the-merchant", PAY_ADMIN);
  await until("who may not review sees no queue", async () => (await page.locator("#live").isVisible()) && (await page.locator("#reviews").isHidden()));
  await withKey("the-reviewer", PAY_ADMIN);
  const queue = () => page.locator("#held tbody button").allInnerTexts();
  await until("what is held is shown, the oldest first", async () => JSON.stringify(await queue()) === JSON.stringify(held));
  assert.match(await text("#held tbody tr:first-child"), /19\.99 EUR\s+m1\s+card\s+ODD\s+2[34] h \d+ min/);
  const verdict = async (id, button, answer) => {
    await page.getByRole("button", { name: id, exact: true }).click();
    await page.getByRole("button", { name: button, exact: true }).click();
    await page.getByRole("button", { name: answer, exact: true }).click();
  };
  await verdict(held[0], "Approve", "No");
  const known = await text("#review-of");
  for (const part of ["ODD", "odd-device", "of-first", MARKUP, "declined at"]) assert.ok(known.includes(part), part);
  assert.ok(!(await page.content()).includes(CANARY));
  assert.equal((await seen(held[0])).state, "review_held");
  for (const [i, button, state] of [[0, "Approve", "captured"], [1, "Decline", "voided"], [2, "Refund and report", "voided"]]) {
    await verdict(held[i], button, "Yes");
    await until(`${button} is done`, async () => (await text("#reviewed")) === `${held[i]} is ${state} now.`);
    assert.equal((await seen(held[i])).state, state);
    await until("it is off the queue", async () => !(await queue()).includes(held[i]));
  }
  assert.equal((await seen(held[2])).reports[0].by, "reviewer");
  assert.ok(!(await seen(held[1])).reports);
  assert.ok(await page.locator("#no-reviews").isVisible());
  const left = await page.evaluate(() => JSON.stringify([location.href, { ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!left.includes("the-reviewer"), left);
  step("what is held for review is looked at and decided, each only after a yes");

  assert.deepEqual(complaints, []);
  assert.deepEqual(foreign, []);
  step("the browser complained of nothing, and nobody else was asked");
  console.log(JSON.stringify(ratios));
  await context.close();
}

/** WCAG's contrast of texts against what they stand on. */
function contrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const light = (color) => {
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(document.documentElement);
  const of = (name) => light(style.getPropertyValue(name));
  const paper = of("--paper");
  return Object.fromEntries(["--ink", "--soft", "--wrong", "--one", "--approve", "--challenge", "--review", "--decline"].map((name) => {
    const [low, high] = [of(name), paper].sort((a, b) => a - b);
    return [name, Math.round(((high + 0.05) / (low + 0.05)) * 100) / 100];
  }));
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });
