// Runs the page: asks once a second while somebody looks, more seldom while the server is away.

import { ask, hasKey, Problem, setKey } from "./server.js";
import { at } from "./markup.js";
import { showFigures } from "./figures.js";
import { pollDecisions, prepareExplain } from "./decisions.js";
import { loadLists, prepareLists } from "./lists.js";
import { pollReviews, reviewsAgain } from "./reviews.js";

const EVERY = 1000;
const AWAY_MAX = 30000;
let pause = EVERY;
let timer = 0;
let polling = false;
let listsLoaded = false;
let latest = null;

/** Runs a part of a poll; a refusal is shown beside what it is about, and the rest goes on. */
async function part(work, wrong, shown) {
  try {
    await work();
    at(wrong).textContent = "";
    at(shown).hidden = false;
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status === 0 || problem.status === 401) throw problem;
    at(shown).hidden = shown !== "live";
    at(wrong).textContent = problem.message;
  }
}

async function poll() {
  if (polling || document.hidden) return;
  polling = true;
  clearTimeout(timer);
  try {
    await Promise.all([
      part(async () => { latest = await ask("GET", "v1/stats"); showFigures(latest); }, "stats-wrong", "figures"),
      part(pollDecisions, "decisions-wrong", "live"),
    ]);
    if (latest?.takes_payments ?? true) await pollReviews();
    pause = EVERY;
    say("live", false);
    at("tools").hidden = false;
    at("ask-key").hidden = true;
    at("forget").hidden = !hasKey();
    if (!listsLoaded) {
      listsLoaded = true;
      await loadLists();
    }
  } catch (problem) {
    if (problem.status === 401) return askForKey(problem);
    pause = Math.min(pause * 2, AWAY_MAX);
    say(`${problem.message}; trying again in ${Math.round(pause / 1000)} s, what is shown is of before`, true);
  } finally {
    polling = false;
  }
  timer = setTimeout(poll, pause);
}

/** Says how the server is; only what changes is written, so that readers of screens are not told each second. */
function say(text, away) {
  if (at("link").textContent !== text) at("link").textContent = text;
  at("link").classList.toggle("away", away);
}

function askForKey(problem) {
  for (const part of ["figures", "live", "reviews", "tools", "empty"]) at(part).hidden = true;
  say("waiting for a key", false);
  at("key-wrong").textContent = hasKey() ? problem.message : "";
  setKey("");
  at("forget").hidden = true;
  at("ask-key").hidden = false;
  at("key").focus();
}

at("ask-key").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(at("key").value);
  at("key").value = "";
  listsLoaded = false;
  latest = null;
  reviewsAgain();
  poll();
});
// What the key has shown goes with it.
at("forget").addEventListener("click", () => location.reload());
at("span").addEventListener("change", () => { if (latest) showFigures(latest); });
at("filter").addEventListener("change", poll);
document.addEventListener("visibilitychange", poll);
prepareExplain();
prepareLists();
poll();
