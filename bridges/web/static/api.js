// Requests to the gateway's API, and how their errors are shown.

const PATIENCE = 20_000; // ms

export class Problem extends Error {
  constructor(status, { detail, code, fields } = {}) {
    super(detail || `The gateway answered ${status}.`);
    this.status = status;
    this.code = code;
    this.fields = fields || {};
  }
}

/** Asks the API; gives the answer's JSON, or throws a `Problem`. Whoever is no longer signed in is led to the sign-in. */
export async function ask(method, path, body, { open = false } = {}) {
  let answer;
  try {
    answer = await fetch(`/api/v1${path}`, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout?.(PATIENCE),
    });
  } catch {
    throw new Problem(0, { detail: "The gateway does not answer. Is it running, and is this device on its network?" });
  }
  const json = answer.headers.get("Content-Type")?.includes("json") ? await answer.json() : {};
  if (answer.ok) return json;
  if (answer.status === 401 && !open) location.assign("/sign-in");
  throw new Problem(answer.status, json);
}

/**
 * Runs `work` when a form is sent, once at a time, and shows in the form what went wrong. Forms that only a script can
 * send have a disabled button until here, and none has the method GET: no password comes into an address.
 */
export function onSubmit(form, work) {
  for (const button of form.querySelectorAll("button[disabled]")) button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = event.submitter ?? form.querySelector("button:not([type=button])");
    button.disabled = true;
    complain(form, null);
    try {
      await work(new FormData(form), form);
    } catch (error) {
      complain(form, error);
    } finally {
      button.disabled = false;
    }
  });
}

export function complain(form, error) {
  const said = form.querySelector(".wrong");
  for (const input of form.querySelectorAll("[aria-invalid]")) input.removeAttribute("aria-invalid");
  if (said) {
    said.hidden = !error;
    said.textContent = error ? sentence(error) : "";
  }
  for (const name of Object.keys(error?.fields ?? {})) {
    const input = form.elements[name];
    if (input instanceof HTMLElement) input.setAttribute("aria-invalid", "true");
  }
}

/** Makes the API's own words into a sentence. */
export function sentence(error) {
  const text = error.message.trim();
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
