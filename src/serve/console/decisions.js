// Shows decisions as they come, and why one came out as it did.

import { ask } from "./server.js";
import { at, make, outcome, row, rows, values } from "./markup.js";

const SHOWN = 50;
let chosen = null;

export async function pollDecisions() {
  if (at("hold").checked) return;
  const filter = at("filter").value;
  const query = `?limit=${SHOWN}${filter ? `&outcome=${filter}` : ""}`;
  const { decisions } = await ask("GET", `v1/decisions${query}`);
  if (at("hold").checked || at("filter").value !== filter) return;
  showDecisions(decisions);
}

/** Rows stay the elements they are, so that a button keeps the focus while new ones come above it. */
function showDecisions(decisions) {
  const body = at("decisions").tBodies[0];
  const old = new Map([...body.rows].map((line) => [line.known, line]));
  const seen = new Map();
  const lines = decisions.toReversed().map((decision) => {
    const text = JSON.stringify(decision);
    const nth = (seen.get(text) ?? 0) + 1;
    seen.set(text, nth);
    const known = `${nth} ${text}`;
    const kept = old.get(known);
    old.delete(known);
    return kept ?? line(decision, known);
  }).toReversed();
  for (const gone of old.values()) gone.remove();
  lines.forEach((line, i) => {
    if (body.rows[i] !== line) body.insertBefore(line, body.rows[i] ?? null);
  });
  at("no-decisions").hidden = lines.length > 0;
}

function line(decision, known) {
  const answer = decision.decision;
  const first = answer.reasons[0];
  const choose = make("button", { type: "button", className: "row" }, answer.id);
  const made = row(choose, outcome(answer.outcome), answer.score, decision.amount ?? "", decision.merchant ?? "",
    decision.channel ?? "", decision.at.slice(5, 19).replace("T", " "), first ? first.code : (answer.model?.[0]?.code ?? ""));
  made.known = known;
  made.classList.toggle("chosen", known === chosen);
  choose.addEventListener("click", () => {
    chosen = known;
    for (const other of at("decisions").tBodies[0].rows) other.classList.toggle("chosen", other === made);
    const facts = { amount: decision.amount, merchant: decision.merchant, channel: decision.channel, at: decision.at };
    at("why").replaceChildren(values(decision.key ? { ...facts, "sent by": decision.key } : facts), ...why(answer));
    at("detail").focus();
  });
  return made;
}

/** An answer in words: what, by which rules and inputs of the model, and the values they read. */
export function why(answer) {
  const probability = answer.probability == null ? "" : `, probability ${answer.probability.toPrecision(3)}`;
  const anomaly = answer.anomaly == null ? "" : `, anomaly ${answer.anomaly.toPrecision(3)}`;
  const reasons = answer.reasons.flatMap((reason) => [
    make("h3", {}, `${reason.code} [${reason.effect}]`),
    make("p", { className: "note" }, `${reason.rule}${reason.text ? `: ${reason.text}` : ""}`),
    values(reason.values),
  ]);
  const model = (answer.model ?? []).flatMap((reason) => [
    make("h3", {}, `${reason.code} [model ${reason.share >= 0 ? "+" : ""}${reason.share.toFixed(3)}]`),
    values({ [reason.expression]: reason.value }),
  ]);
  const shadow = answer.shadow.map((rule) => rule.rule ?? rule).join(", ");
  return [
    make("p", {}, make("strong", {}, answer.id), " ", outcome(answer.outcome), ` score ${answer.score}${probability}${anomaly}`),
    ...reasons,
    ...model,
    reasons.length + model.length ? null : make("p", { className: "note" }, "No rule with effect matched, and nobody asked the model for reasons: it was approved below every threshold."),
    shadow ? make("p", {}, `In shadow: ${shadow}`) : null,
    answer.degraded.length ? make("p", {}, `Degraded: ${answer.degraded.join(", ")}`) : null,
    make("p", { className: "note" }, `pipeline ${answer.pipeline}`),
  ].filter((element) => element !== null);
}

export function prepareExplain() {
  const now = new Date().toISOString();
  at("payment").value = `{"id": "what-if", "at": "${now}", "amount": "0.99", "currency": "USD",\n "channel": "card", "card": "tok_example", "device": "dev_example", "is_guest": true}`;
  at("explain").addEventListener("submit", async (event) => {
    event.preventDefault();
    at("explain-wrong").textContent = "";
    try {
      showExplanation(await ask("POST", "v1/explain", at("payment").value));
    } catch (problem) {
      at("explained").replaceChildren();
      at("explain-wrong").textContent = problem.message;
    }
  });
}

function showExplanation(all) {
  const truth = (rule) => (!rule.in_scope ? "not asked" : rule.holds === null ? "unknown" : String(rule.holds));
  const table = make("table", {},
    make("thead", {}, make("tr", {}, ...["rule", "holds", "effect", "condition"].map((name) => make("th", { scope: "col", className: "left" }, name)))),
    make("tbody", {}, ...all.rules.map((rule) => {
      const made = row(rule.rule, truth(rule), rule.effect, rule.when);
      for (const cell of made.cells) cell.className = "left";
      return made;
    })));
  const folded = (title, ...inside) => make("details", {}, make("summary", {}, title), ...inside);
  const inputs = Object.fromEntries((all.model?.inputs ?? []).map((i) =>
    [i.expression, `${i.value ?? "(absent)"}  (${i.shapley >= 0 ? "+" : ""}${i.shapley.toFixed(3)})`]));
  at("explained").replaceChildren(
    ...why({ model: [], ...all.decision }),
    folded(`Every rule (${all.rules.length})`, table),
    folded(`Every input of the model (${Object.keys(inputs).length})`, values(inputs)),
    folded("Fields", values(all.fields)),
    folded(`Velocity (${Object.keys(all.velocity).length})`, values(all.velocity)),
  );
}
