// Shortcuts. An element says its own: data-key="p", "shift+r", "ctrl+enter", "escape"; data-go="h" after G; data-search for /.
// J, K and the arrows go through the rows of <table data-rows> or <ul data-rows>, Enter opens. Single letters can be switched off.
import { open } from "./dialogs.js";

const OFF = "director.letters-off";
const isMac = /Mac|iPhone|iPad/.test(navigator.platform);
let going = 0; // when G was pressed

for (const key of document.querySelectorAll("[data-command-key]")) key.textContent = isMac ? "⌘K" : "Ctrl K";
for (const key of document.querySelectorAll("[data-command-enter]")) key.textContent = isMac ? "⌘ Enter" : "Ctrl Enter";

const letters = document.querySelector("[data-letters-switch]");
if (letters) {
  letters.checked = !localStorage.getItem(OFF);
  letters.addEventListener("change", () => (letters.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
}

function isTyping(target) {
  return target.matches("input, textarea, select, [contenteditable=true]") && !target.matches("[type=radio], [type=checkbox]");
}

function press(name) {
  const found = [...document.querySelectorAll(`[data-key="${name}"]`)].find((one) => !one.disabled && one.offsetParent);
  found?.click();
  return Boolean(found);
}

function go(letter) {
  const link = document.querySelector(`[data-go="${letter}"]`);
  link?.click();
  return Boolean(link);
}

function rows() {
  return [...document.querySelectorAll("[data-rows] tbody tr, ul[data-rows] > li")];
}

function move(step) {
  const all = rows();
  const at = all.findIndex((row) => row.getAttribute("aria-current") === "true");
  const next = all[Math.min(Math.max(at + step, 0), all.length - 1)];
  if (!next) return false;
  all[at]?.removeAttribute("aria-current");
  next.setAttribute("aria-current", "true");
  next.querySelector("a")?.focus();
  next.scrollIntoView({ block: "nearest" });
  return true;
}

function select() {
  const row = document.querySelector("[data-rows] tbody tr[aria-current=true]") ?? rows()[0];
  row?.dispatchEvent(new CustomEvent("director:select-row", { bubbles: true }));
  return Boolean(row?.querySelector("[data-select]"));
}

function search() {
  const field = document.querySelector("[data-search]");
  field?.focus();
  return Boolean(field);
}

function letter(event) {
  const key = event.key.toLowerCase();
  if (going && Date.now() - going < 1500) {
    going = 0;
    return go(key);
  }
  if (key === "g") return (going = Date.now());
  if (event.key === "?") return open(document.getElementById("shortcuts")) ?? true;
  if (event.key === "/") return search();
  if (key === "j") return move(1);
  if (key === "k") return move(-1);
  if (key === "x") return select();
  return press(event.shiftKey ? `shift+${key}` : key);
}

document.addEventListener("keydown", (event) => {
  if (event.defaultPrevented || event.altKey || document.querySelector("dialog[open]")) return;
  let done = false;
  if (event.ctrlKey || event.metaKey) done = event.key === "Enter" && press("ctrl+enter");
  else if (event.key === "Escape") done = press("escape");
  else if (isTyping(event.target)) return;
  else if (event.key === "ArrowDown" && event.target.closest("[data-rows]")) done = move(1);
  else if (event.key === "ArrowUp" && event.target.closest("[data-rows]")) done = move(-1);
  else if (event.key.length === 1 && !localStorage.getItem(OFF)) done = letter(event);
  if (done) event.preventDefault();
});
