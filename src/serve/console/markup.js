// Makes elements. Text goes in as text, never as markup: rules' names and payments' ids are anybody's.

export const at = (id) => document.getElementById(id);

/** An element; properties by name, then children, which may be texts. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A row whose first cell names it. */
export function row(head, ...cells) {
  const data = cells.map((cell) => make("td", {}, cell instanceof Node ? cell : String(cell)));
  return make("tr", {}, make("th", { scope: "row" }, head), ...data);
}

export const rows = (table, all) => at(table).tBodies[0].replaceChildren(...all);

export const outcome = (name) => make("span", { className: `outcome ${name}` }, name);

/** Pairs of names and values; what is absent is said to be. */
export function values(object) {
  const pairs = Object.entries(object).flatMap(([name, value]) => [
    make("dt", {}, name), make("dd", {}, value === null ? "(absent)" : String(value)),
  ]);
  return make("dl", { className: "values" }, ...pairs);
}

export const count = (n) => Number(n).toLocaleString("en");
export const percent = (part, all) => (all > 0 ? `${((100 * part) / all).toFixed(2)} %` : "–");

/** A time in microseconds with three digits or so. */
export const micros = (us) => (us === null ? "–" : us >= 100 ? count(Math.round(us)) : us.toPrecision(3));

/** Asks; whether the answer was yes. */
export function confirmed(question) {
  const dialog = at("confirm");
  at("confirm-text").textContent = question;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true });
  });
}
