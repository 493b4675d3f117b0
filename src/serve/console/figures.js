// Shows what was counted.

import { hasKey } from "./server.js";
import { at, count, make, micros, outcome, percent, row, rows } from "./markup.js";

const OUTCOMES = ["approve", "challenge", "review", "decline"];
const STAGES = ["parse", "score", "write", "total"];
const PERCENTILES = ["p50_us", "p90_us", "p99_us", "p99_9_us"];
/** Why a payment was refused, in words. */
const REFUSED = { full: "refused: too much in flight", share: "refused: over a key's share", late: "refused: too late" };

const seconds = (s) => (s < 120 ? `${Math.round(s)} s` : s < 7200 ? `${Math.round(s / 60)} min` : `${(s / 3600).toFixed(1)} h`);

export function showFigures(stats) {
  const chosen = document.querySelector("#span input:checked").value;
  const span = stats[chosen];
  at("about").textContent =
    `version ${stats.version}, pipeline ${stats.pipeline.slice(0, 12)}, ${stats.rules} rules, up ${seconds(stats.uptime_seconds)}`;
  at("empty").hidden = stats.since_start.payments > 0;
  if (!at("empty").hidden) at("curl").textContent = firstPayment(stats);
  tiles(stats, span);
  rows("outcomes", OUTCOMES.map((name) => {
    const n = span.outcomes[name];
    return row(outcome(name), count(n), percent(n, span.payments));
  }));
  at("shares").replaceChildren(...OUTCOMES.map((name) => {
    const part = make("span", { className: name });
    part.style.flexGrow = span.outcomes[name];
    return part;
  }));
  rows("latency", STAGES.map((stage) => row(stage, ...PERCENTILES.map((p) => micros(span.latency[stage][p])))));
  const degraded = Object.entries(span.degraded).map(([why, n]) => [why.replace("_", " "), n]);
  const refused = Object.entries(span.refused).map(([why, n]) => [REFUSED[why] ?? why, n]);
  const happened = [...degraded, ...refused].filter(([, n]) => n > 0);
  rows("degraded", happened.length ? happened.map(([why, n]) => row(why, count(n))) : [row("none", "0")]);
  const rules = span.busiest_rules.map((busy) => {
    const footing = busy.braked ? " (braked)" : busy.shadow ? " (shadow)" : "";
    return row(busy.rule, busy.effect === null ? "no longer in force" : busy.effect + footing, count(busy.hits));
  });
  rows("rules", rules.length ? rules : [row("none matched", "", "0")]);
}

function tiles(stats, span) {
  const degraded = Object.entries(span.degraded).filter(([why]) => why !== "warming").reduce((sum, [, n]) => sum + n, 0);
  const refused = Object.values(span.refused).reduce((sum, n) => sum + n, 0);
  const rate = span.payments / Math.max(span.seconds, 1);
  const r = stats.reloads;
  const all = [
    [`payments, ${seconds(span.seconds)}`, count(span.payments)],
    ["a second", rate.toLocaleString("en", { maximumFractionDigits: rate < 100 ? 1 : 0 })],
    ["not approved", percent(span.payments - span.outcomes.approve, span.payments)],
    ["p99 of scoring", span.latency.score.p99_us === null ? "–" : `${micros(span.latency.score.p99_us)} µs`],
    ["degraded", count(degraded), degraded > 0],
    ["refused", count(refused), refused > 0],
    ["in flight", count(stats.in_flight)],
    [stats.reload_stale ? "reloads; one failed" : "reloads", count(r.swapped), stats.reload_stale],
  ];
  at("tiles").replaceChildren(...all.map(([name, figure, alarm]) =>
    make("div", { className: alarm ? "alarm" : "" }, make("dt", {}, name), make("dd", {}, figure))));
}

/** The command that sends a payment to the main listener. */
function firstPayment(stats) {
  const listener = stats.listen[0] ?? "";
  const unix = listener.startsWith("unix:");
  const where = unix ? `--unix-socket ${listener.slice(5)} http://localhost` : `${stats.tls ? "https" : "http"}://${listener}`;
  const key = hasKey() ? " -H 'authorization: Bearer KEY'" : "";
  const now = new Date().toISOString();
  return `curl ${where}/v1/score${key} \\\n  -d '{"id":"p1","at":"${now}","amount":"20.00","currency":"USD"}'`;
}
