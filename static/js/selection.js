// Rows of a list are selected with their checkboxes, X on the row in focus, or the box in the heading; a bar says how many.
//   <div data-selection> <input type="checkbox" data-select-page> <input type="checkbox" data-select> ...
//   <form data-bulkbar hidden> <b data-selected-count> <button data-select-matching data-matching="21"> <button data-select-none>
// "All that match" is sent as all=1: the server knows the filter from the address. Also fills dialogs, see the end.
import { announce } from "./announce.js";
import { open } from "./dialogs.js";

const boxes = () => [...document.querySelectorAll("[data-selection] [data-select]")];

function show() {
  const bar = document.querySelector("[data-bulkbar]");
  if (!bar) return;
  const all = boxes();
  const chosen = all.filter((box) => box.checked);
  for (const box of all) box.closest("tr").classList.toggle("is-selected", box.checked);
  const heading = document.querySelector("[data-select-page]");
  heading.checked = chosen.length > 0 && chosen.length === all.length;
  heading.indeterminate = chosen.length > 0 && chosen.length < all.length;
  bar.hidden = chosen.length === 0;
  const matching = bar.querySelector("[data-select-matching]");
  const isAll = document.getElementById("bulk-all").value === "1";
  const words = bar.querySelector("[data-selected-words]");
  words.innerHTML = '<b class="num"></b><span></span>';
  words.firstChild.textContent = isAll ? `All ${matching?.dataset.matching ?? ""}`.trim() : chosen.length;
  words.lastChild.textContent = isAll ? " that match are selected." : " selected on this page.";
  if (matching) matching.hidden = isAll || chosen.length < all.length;
}

function choose(box, checked) {
  box.checked = checked;
  document.getElementById("bulk-all").value = "";
}

function clear() {
  for (const box of boxes()) choose(box, false);
  show();
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-select-page]")) for (const box of boxes()) choose(box, event.target.checked);
  else if (event.target.matches("[data-select]")) choose(event.target, event.target.checked);
  else return;
  show();
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-select-none]")) clear();
  const matching = event.target.closest("[data-select-matching]");
  if (!matching) return;
  for (const box of boxes()) box.checked = true;
  document.getElementById("bulk-all").value = "1";
  show();
  announce(`All ${matching.dataset.matching ?? "records"} that match are selected`);
});

document.addEventListener("director:select-row", (event) => {
  const box = event.target.querySelector?.("[data-select]");
  if (!box) return;
  choose(box, !box.checked);
  show();
});

// <dialog data-opens-filled> opens when htmx has put something into it; <span data-close-dialog data-clear-selection> in an
// answer closes it and lets go of the selection. <input data-address> gets the address's query string as its form opens.
document.addEventListener("htmx:afterSwap", (event) => {
  const dialog = event.target.closest?.("dialog[data-opens-filled]");
  if (!dialog) return;
  if (dialog.querySelector("[data-clear-selection]")) clear();
  if (dialog.querySelector("[data-close-dialog]")) return dialog.close();
  open(dialog);
  const first = ["[aria-invalid=true]", "[role=alert][tabindex]", "[autofocus]"].find((one) => dialog.querySelector(one));
  if (first) dialog.querySelector(first).focus(); // what is wrong goes before what one would begin with
});

document.addEventListener("submit", (event) => {
  const field = event.target.querySelector?.("[data-address]");
  if (field) field.value = location.search.slice(1);
}, true);
