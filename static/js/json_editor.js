// <textarea data-json> holds JSON: what is wrong with it, and where, is said in the next [data-json-error] as one types; it
// cannot be sent before it is right. An empty one is left to `required`. The server looks again.
const WAIT_MS = 300;
const timers = new WeakMap();

function place(text, at) {
  const before = text.slice(0, at).split("\n");
  return `line ${before.length}, column ${before.at(-1).length + 1}`;
}

function problem(text) {
  if (!text.trim()) return "";
  try {
    JSON.parse(text);
    return "";
  } catch (error) {
    const at = /position (\d+)/.exec(error.message);
    const what = error.message.split(/ (?:in JSON )?at position| \(line/)[0];
    return at ? `No JSON at ${place(text, Number(at[1]))}: ${what}.` : `No JSON: ${what}.`;
  }
}

function check(field) {
  const said = problem(field.value);
  const told = field.parentElement.querySelector("[data-json-error]");
  field.setCustomValidity(said);
  field.classList.toggle("is-invalid", Boolean(said));
  field.setAttribute("aria-invalid", String(Boolean(said)));
  if (told) told.textContent = said;
}

document.addEventListener("input", (event) => {
  const field = event.target;
  if (!field.matches?.("[data-json]")) return;
  field.setCustomValidity("");
  clearTimeout(timers.get(field));
  timers.set(field, setTimeout(check, WAIT_MS, field));
});

document.addEventListener("focusout", (event) => event.target.matches?.("[data-json]") && check(event.target));
