// Shows what is held for somebody to look at, and takes their word.

import { ask, Problem } from "./server.js";
import { at, confirmed, make, outcome, row, values } from "./markup.js";
import { why } from "./decisions.js";

const VERDICTS = [
  ["approve", "Approve", (of) => `Approve ${of}? It is captured.`],
  ["decline", "Decline", (of) => `Decline ${of}? What is authorized is let go of.`],
  ["refund_and_report", "Refund and report", (of) => `Refund ${of} and report it as fraud?`],
];
let refused = false;
let chosen = null;

/** Another key may be let see them. */
export function reviewsAgain() {
  refused = false;
  choose(null);
}

export async function pollReviews() {
  if (refused) return;
  let held;
  try {
    held = await ask("GET", "v1/reviews");
  } catch (problem) {
    if (!(problem instanceof Problem) || ![403, 404, 503].includes(problem.status)) throw problem;
    // Not for this key, or no payments are taken here: nothing to show, and nothing to ask for again.
    refused = true;
    at("reviews").hidden = true;
    return;
  }
  show(held);
  at("reviews").hidden = false;
}

/** Rows stay the elements they are, so that a button keeps the focus. */
function show(held) {
  const body = at("held").tBodies[0];
  const old = new Map([...body.rows].map((line) => [line.known, line]));
  const lines = held.map((payment) => {
    const known = `${payment.id} ${payment.sequence}`;
    const kept = old.get(known);
    old.delete(known);
    const line = kept ?? made(payment, known);
    line.cells[5].textContent = left(payment.expires_at);
    return line;
  });
  for (const gone of old.values()) gone.remove();
  lines.forEach((line, i) => {
    if (body.rows[i] !== line) body.insertBefore(line, body.rows[i] ?? null);
  });
  at("no-reviews").hidden = lines.length > 0;
  if (chosen && !held.some((payment) => payment.id === chosen)) choose(null);
}

function made(payment, known) {
  const button = make("button", { type: "button", className: "row" }, payment.id);
  const first = payment.decision?.reasons[0]?.code ?? payment.decision?.model?.[0]?.code ?? "";
  const line = row(button, payment.amount, payment.merchant, payment.method, first, "", payment.expires_at.slice(5, 16).replace("T", " "));
  line.known = known;
  line.payment = payment.id;
  line.classList.toggle("chosen", payment.id === chosen);
  button.addEventListener("click", () => {
    choose(payment);
    at("review").focus();
  });
  return line;
}

/** How long somebody has to look. */
function left(end) {
  const minutes = Math.max(0, Math.ceil((Date.parse(end) - Date.now()) / 60000));
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function choose(payment) {
  chosen = payment?.id ?? null;
  for (const line of at("held").tBodies[0].rows) line.classList.toggle("chosen", line.payment === chosen);
  at("review-wrong").textContent = "";
  if (!payment) {
    at("review-of").replaceChildren(make("p", { className: "note" }, "Choose a payment of the table to see what is known of it, and to decide."));
    return;
  }
  const { id, order, attempt, amount, method, channel, decision, facts } = payment;
  const buttons = VERDICTS.map(([verdict, text, question]) => {
    const button = make("button", { type: "button" }, text);
    button.addEventListener("click", () => decide(id, verdict, question(`${id}, ${amount}`)));
    return button;
  });
  at("review-of").replaceChildren(
    make("p", {}, make("strong", {}, id), " ", outcome("review")),
    make("div", { className: "bar" }, ...buttons),
    values({ amount, order, attempt, method, channel: channel ?? null, "declined at": payment.expires_at }),
    ...(decision ? why({ model: [], ...decision }) : [make("p", { className: "note" }, "The engine's reasons are not known any more: the server was started since.")]),
    make("h3", {}, "What is known"),
    values(facts ?? {}),
  );
}

async function decide(id, decision, question) {
  if (!(await confirmed(question))) return;
  at("review-wrong").textContent = "";
  try {
    const { state } = await ask("POST", `v1/payments/${encodeURIComponent(id)}/review`, JSON.stringify({ decision }));
    at("reviewed").textContent = `${id} is ${state} now.`;
    choose(null);
    await pollReviews();
  } catch (problem) {
    at("review-wrong").textContent = problem.message;
  }
}
