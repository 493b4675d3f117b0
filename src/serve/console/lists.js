// Looks values up in lists, puts them on and takes them off.

import { ask } from "./server.js";
import { at, confirmed, count, make } from "./markup.js";

let lists = [];
const path = (list, rest) => `v1/lists/${encodeURIComponent(list)}/${rest}`;

/** Names the lists; says so when this key may not see them. */
export async function loadLists() {
  at("lists-wrong").textContent = "";
  try {
    ({ lists } = await ask("GET", "v1/lists"));
    const before = at("list").value;
    at("list").replaceChildren(...lists.map((l) => make("option", { value: l.list }, `${l.list} (${l.kind}, ${count(l.total)})`)));
    if (lists.some((l) => l.list === before)) at("list").value = before;
    about();
    at("lookup").hidden = false;
  } catch (problem) {
    at("lookup").hidden = true;
    at("lists-wrong").textContent = problem.message;
  }
}

function about() {
  at("list-about").textContent = lists.find((l) => l.list === at("list").value)?.about ?? "";
}

function clear() {
  at("found").textContent = "";
  at("lists-wrong").textContent = "";
  at("edit").replaceChildren();
}

export function prepareLists() {
  at("list").addEventListener("change", () => { clear(); about(); });
  at("value").addEventListener("input", clear);
  at("lookup").addEventListener("submit", (event) => {
    event.preventDefault();
    lookUp(at("list").value, at("value").value.trim());
  });
}

async function lookUp(list, value) {
  clear();
  try {
    const { listed, item } = await ask("POST", path(list, "lookup"), JSON.stringify({ value }));
    if (!listed) {
      at("found").textContent = `${value} is not on ${list}.`;
      at("edit").replaceChildren(adding(list, value));
      return;
    }
    const by = item.value === value ? "" : ` by ${item.value}`;
    const more = [item.reason, item.source && `from ${item.source}`, item.expires && `until ${item.expires}`].filter(Boolean);
    at("found").textContent = `${value} is on ${list}${by}${more.length ? `: ${more.join(", ")}` : ""}.`;
    const remove = make("button", { type: "button" }, `Take ${item.value} off`);
    remove.addEventListener("click", () => edit(list, value, `Take ${item.value} off ${list}?`, "DELETE", { value: item.value }));
    at("edit").replaceChildren(remove);
  } catch (problem) {
    at("lists-wrong").textContent = problem.message;
  }
}

function adding(list, value) {
  const reason = make("input", { autocomplete: "off" });
  const expires = make("input", { autocomplete: "off", placeholder: "2027-01-01T00:00:00Z" });
  const form = make("form", {},
    make("label", {}, "Reason ", reason), make("label", {}, "Until (for ever when empty) ", expires), make("button", {}, `Put ${value} on ${list}`));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const item = { value, source: "console", reason: reason.value.trim() };
    if (expires.value.trim()) item.expires = expires.value.trim();
    edit(list, value, `Put ${value} on ${list}? Scoring sees it from its next lookup on.`, "PUT", item);
  });
  return form;
}

async function edit(list, value, question, method, body) {
  if (!(await confirmed(question))) return;
  try {
    await ask(method, path(list, "items"), JSON.stringify(body));
    await loadLists();
    await lookUp(list, value);
  } catch (problem) {
    at("lists-wrong").textContent = problem.message;
  }
}
