// <dialog id="jump"> with <form data-jump>: arrows choose among the options that the server sent, Enter goes there.
import { open } from "./dialogs.js";

const dialog = document.getElementById("jump");
const field = dialog?.querySelector("input");

function options() {
  return [...dialog.querySelectorAll("[role=option]")];
}

function choose(index) {
  const all = options();
  all.forEach((option, at) => option.setAttribute("aria-selected", String(at === index)));
  const chosen = all[index];
  field.setAttribute("aria-activedescendant", chosen ? chosen.id : "");
  chosen?.scrollIntoView({ block: "nearest" });
}

function current() {
  return options().findIndex((option) => option.getAttribute("aria-selected") === "true");
}

if (dialog) {
  dialog.addEventListener("opened", () => {
    field.select();
    field.dispatchEvent(new CustomEvent("opened"));
  });
  dialog.addEventListener("htmx:afterSwap", () => choose(0));
  dialog.addEventListener("keydown", (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const count = options().length;
    if (!step || !count) return;
    event.preventDefault();
    choose((current() + step + count) % count);
  });
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    options()[Math.max(0, current())]?.click();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open(dialog);
    }
  });
}
