// The replay panel.
//
// <a href="/executions/7/replay/" data-panel="replay-panel">   opens that page's panel in a drawer; without it, the page
// <button data-focuses="replay-step">                          puts the focus into a field
// <dialog data-open-now>                                       opens as soon as htmx has put it into the page
// <div data-json-editor><div class="ln">…<textarea>            numbers the lines and is as high as its text
// <button data-json-adds="model">, <button data-json-undo>     in the same fieldset: adds a key, or undoes all edits
// <button data-drops="fieldset">                               takes the nearest match out of its form
import { announce } from "./announce.js";
import { open } from "./dialogs.js";

const MOST_ROWS = 24;

function drawer(id) {
  const dialog = document.getElementById(id) ?? document.createElement("dialog");
  dialog.id = id;
  dialog.className = "drawer panel";
  dialog.setAttribute("aria-labelledby", `${id}-h`);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove(), { once: true });
  return dialog;
}

function openPanel(link) {
  const dialog = drawer(link.dataset.panel);
  window.htmx.ajax("GET", link.href, { target: dialog, swap: "innerHTML" }).then(() => open(dialog));
}

// --- the JSON editor --------------------------------------------------------------------------------------------------

function number(area) {
  const lines = area.value.split("\n").length;
  area.rows = Math.min(Math.max(lines, 3), MOST_ROWS);
  area.previousElementSibling.textContent = Array.from({ length: lines }, (_, at) => at + 1).join("\n");
}

function say(area) {
  number(area);
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function add(area, key) {
  let value;
  try {
    value = JSON.parse(area.value || "{}");
  } catch {
    return announce("Mend the JSON first");
  }
  if (value === null || typeof value !== "object" || Array.isArray(value)) value = {};
  if (!(key in value)) value[key] = null;
  area.value = JSON.stringify(value, null, 2);
  say(area);
  area.focus();
  const at = area.value.indexOf(`"${key}": `) + key.length + 4;
  area.setSelectionRange(at, area.value.indexOf("\n", at) - (area.value[area.value.indexOf("\n", at) - 1] === "," ? 1 : 0));
}

// --- what is pressed --------------------------------------------------------------------------------------------------

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[data-panel]");
  if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    openPanel(link);
  }
  const focuser = event.target.closest("[data-focuses]");
  if (focuser) document.getElementById(focuser.dataset.focuses)?.focus();
  const editor = event.target.closest("fieldset")?.querySelector("[data-json-editor] textarea");
  const adder = event.target.closest("[data-json-adds]");
  if (adder) add(editor, adder.dataset.jsonAdds);
  if (event.target.closest("[data-json-undo]")) {
    editor.value = editor.defaultValue;
    say(editor);
  }
  const dropper = event.target.closest("[data-drops]");
  if (dropper) {
    const form = dropper.closest("form");
    dropper.closest(dropper.dataset.drops).remove();
    form.dispatchEvent(new Event("change", { bubbles: true }));
  }
});

document.addEventListener("input", (event) => {
  if (event.target.matches("[data-json-editor] textarea")) number(event.target);
});

document.addEventListener("htmx:afterSettle", (event) => {
  for (const area of event.target.querySelectorAll("[data-json-editor] textarea")) number(area);
  open(event.target.querySelector("dialog[data-open-now]"));
});

for (const area of document.querySelectorAll("[data-json-editor] textarea")) number(area);
