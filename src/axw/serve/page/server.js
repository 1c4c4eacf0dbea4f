// What is asked of the server, and what can come of it.

export class Refused extends Error {
  constructor(error, retry) { super(error.message); this.error = error; this.retry = retry; }
}
export class Gone extends Error {}

async function fetched(address, options) {
  let answer;
  try {
    answer = await fetch(address, { ...options, credentials: "omit", redirect: "error" });
  } catch (fault) {
    if (fault.name === "AbortError") throw fault;
    throw new Gone("The server does not answer.");
  }
  let body = null;
  try { body = await answer.json(); } catch { body = null; }
  if (!answer.ok || body === null) {
    throw new Refused(body?.error ?? { code: "failed", message: `The server answered ${answer.status}.` }, answer.status === 503);
  }
  return body;
}

export const models = async () => (await fetched("/v1/models", {})).models;

export async function alive() {
  try { await fetched("/healthz", {}); return true; } catch { return false; }
}

// The first answer to a question of one row or line.
export async function ask(model, verb, question, signal) {
  const options = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(question), signal };
  return (await fetched(`/v1/models/${encodeURIComponent(model)}/${verb}`, options)).answers[0];
}
