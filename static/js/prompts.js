// The inbox and its dialog.
//
// <dialog id="modal" data-back="/prompts/">   what htmx puts into it is shown; closing it goes back to that address
// <form data-prompt data-fields-url="...">    its fields, and whether they are [data-optional], go with the answer; Ctrl Enter sends it
// <span data-due data-since><svg class="ring">...<span data-left>   counts down; data-clock as 2:41:18
// <input type="checkbox" data-pick>           X selects a row; rows of one step are answered alike by [data-alike-answer]
import { announce } from "./announce.js";
import { open } from "./dialogs.js";

const modal = document.getElementById("modal");
const RING = 47.1;
const SOON_SECONDS = 30 * 60;
const SAID_AT_MINUTES = [30, 5, 1];

// --- the dialog -----------------------------------------------------------------------------------------------------

function show() {
  const form = modal.querySelector("form");
  if (!form) return;
  open(modal);
  const first = modal.querySelector("[aria-invalid=true]") ?? form.querySelector(".prompt-form :is(input, select, textarea):not([type=hidden], [disabled])");
  first?.focus();
  modal.scrollTop = 0;
  first?.scrollIntoView({ block: "nearest" });
  if (form.dataset.said) announce(form.dataset.said);
  tick();
}

if (modal) {
  // Settled, not only swapped: before that a form that is sent at once would leave the page.
  document.addEventListener("htmx:afterSettle", (event) => event.detail.target === modal && show());
  document.addEventListener("prompt:closed", () => modal.close());
  document.addEventListener("prompt:answered", refresh);
  modal.addEventListener("close", () => {
    modal.replaceChildren();
    const { back } = modal.dataset;
    if (back && location.pathname !== back) history.pushState(null, "", back + location.search);
  });
  modal.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    modal.querySelector("form")?.requestSubmit();
  });
  modal.addEventListener("change", (event) => {
    const form = event.target.closest("[data-fields-url]");
    if (form) conditions(form);
  });
  if ("openNow" in modal.dataset) show();
}

function refresh() {
  document.dispatchEvent(new CustomEvent("director:refresh"));
}

async function conditions(form) {
  const sent = new FormData(form);
  for (const [name, value] of [...sent]) if (value instanceof File) sent.delete(name);
  const answer = await fetch(form.dataset.fieldsUrl, { method: "POST", body: sent });
  if (!answer.ok) return;
  const { shown, required } = await answer.json();
  for (const field of form.querySelectorAll("[data-field]")) {
    const hidden = !shown.includes(field.dataset.field);
    const optional = field.querySelector("[data-optional]");
    field.hidden = hidden;
    if (optional) optional.hidden = required.includes(field.dataset.field);
    for (const input of field.querySelectorAll("input, select, textarea")) input.disabled = hidden;
  }
}

// --- countdowns -----------------------------------------------------------------------------------------------------

function words(seconds, asClock) {
  const two = (number) => String(number).padStart(2, "0");
  const [hours, minutes, rest] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60), Math.floor(seconds % 60)];
  if (asClock && hours < 100) return `${hours}:${two(minutes)}:${two(rest)}`;
  if (hours >= 24) return `${Math.floor(hours / 24)} d ${hours % 24} h`;
  if (hours) return `${hours} h ${two(minutes)} m`;
  return minutes ? `${minutes} m ${two(rest)} s` : `${rest} s`;
}

function tick() {
  for (const one of document.querySelectorAll("[data-due]")) {
    const seconds = Math.max(0, (new Date(one.dataset.due) - Date.now()) / 1000);
    const text = one.matches("[data-left]") ? one : one.querySelector("[data-left]");
    if (text) text.textContent = words(seconds, "clock" in one.dataset);
    if (!one.dataset.since) continue;
    const whole = (new Date(one.dataset.due) - new Date(one.dataset.since)) / 1000;
    one.classList.toggle("soon", seconds < SOON_SECONDS);
    one.querySelector(".ring .p")?.setAttribute("stroke-dasharray", `${((seconds / whole) * RING).toFixed(1)} 48`);
    if (one.closest("dialog[open]") && SAID_AT_MINUTES.includes(Math.round(seconds) / 60)) announce(`Times out in ${words(seconds)}`);
  }
}

setInterval(tick, 1000);

// --- selecting alike ------------------------------------------------------------------------------------------------

const bar = document.querySelector("[data-alike-bar]");

function picked() {
  return [...document.querySelectorAll("[data-pick]:checked")];
}

function tellPicked() {
  const all = picked();
  const steps = new Set(all.map((box) => box.closest("li").dataset.step));
  bar.hidden = !all.length;
  document.querySelector(".prompt-list")?.classList.toggle("is-picking", all.length > 0);
  bar.querySelector("b").textContent = `${all.length} selected`;
  bar.querySelector("[data-alike-why]").textContent = steps.size > 1 ? "of different steps: only prompts of one step are answered alike" : "";
  bar.querySelector("[data-alike-answer]").disabled = steps.size > 1;
}

if (bar) {
  document.addEventListener("change", (event) => event.target.matches("[data-pick]") && tellPicked());
  document.addEventListener("htmx:afterSwap", tellPicked);
  bar.addEventListener("click", (event) => {
    if (event.target.closest("[data-alike-none]")) {
      for (const box of picked()) box.checked = false;
      tellPicked();
    }
    if (!event.target.closest("[data-alike-answer]")) return;
    const url = new URL(bar.dataset.url, location.href);
    url.searchParams.set("tab", "all");
    for (const box of picked()) url.searchParams.append("prompt", box.value);
    window.htmx.ajax("GET", url.pathname + url.search, { target: "#modal" });
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches("input:not([type=checkbox]), textarea, select");
    if (event.key !== "x" || typing || event.ctrlKey || event.metaKey || event.altKey || modal.open) return;
    if (localStorage.getItem("director.letters-off")) return;
    const box = document.querySelector(".prompt-list > li[aria-current=true] [data-pick]");
    if (!box) return;
    box.checked = !box.checked;
    tellPicked();
  });
}
