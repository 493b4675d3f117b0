// Asks the server. The key lives here and nowhere else.

let key = "";

export const hasKey = () => key !== "";
export const setKey = (text) => { key = text.trim(); };

/** What the server says is wrong, or that it says nothing. */
export class Problem extends Error {
  constructor(status, said) {
    const parts = [said.title, said.detail, said.field && `field: ${said.field}`, said.remedy];
    super(parts.filter(Boolean).join(": "));
    this.status = status;
  }
}

/** The JSON that a request is answered with; throws a Problem, with status 0 when no answer came. */
export async function ask(method, path, body) {
  const headers = {};
  if (key) headers.authorization = `Bearer ${key}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response, text;
  try {
    response = await fetch(path, {
      method, headers, body, cache: "no-store", credentials: "omit", redirect: "error", signal: AbortSignal.timeout(5000),
    });
    text = await response.text();
  } catch (error) {
    const why = error.name === "TimeoutError" ? "no answer within 5 s" : "no connection";
    throw new Problem(0, { title: "The server does not answer", detail: why });
  }
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    throw new Problem(response.status, { title: `The answer (${response.status}) is no JSON` });
  }
  if (!response.ok) throw new Problem(response.status, said);
  return said;
}
