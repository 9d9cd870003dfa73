// The server's API: one way to ask, and its refusals as {status, code, message, errors}.
const token = () => document.querySelector("[name=csrfmiddlewaretoken]").value;

export class Refused extends Error {
  constructor(status, body) {
    super(body.message);
    Object.assign(this, { status, code: body.code, errors: body.errors ?? [], body });
  }
}

/** {body: the answer's JSON (null for an empty one), location}. Throws Refused, or TypeError where nothing answers. */
export async function told(method, address, body, signal) {
  const headers = { Accept: "application/json", "X-CSRFToken": token() };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const answer = await fetch(address, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal });
  const text = await answer.text();
  let read = null;
  try {
    read = text ? JSON.parse(text) : null;
  } catch {
    read = { code: "no_json", message: `The server answered ${answer.status}.` };
  }
  if (!answer.ok) throw new Refused(answer.status, read ?? { code: "", message: `The server answered ${answer.status}.` });
  return { body: read, location: answer.headers.get("Location") };
}

export const ask = async (...asked) => (await told(...asked)).body;

/** What went wrong, for a person. */
export function words(error) {
  if (error instanceof Refused) return error.status === 429 ? "Too many requests. Wait a moment." : error.message;
  return "The server cannot be reached. What you built is still here.";
}

/** Calls fn after a pause in the calls; a later call stops what an earlier one is doing: fn gets an AbortSignal. */
export function settled(fn, pauseMs) {
  let timer = 0;
  let running = null;
  const stop = () => {
    clearTimeout(timer);
    running?.abort();
  };
  const call = () => {
    stop();
    running = new AbortController();
    const { signal } = running;
    timer = setTimeout(() => fn(signal), pauseMs);
  };
  return Object.assign(call, { stop });
}
