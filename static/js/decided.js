// <form data-prompt="{id}"> in the dialog: while it is open, somebody else may decide its prompt, or nobody is asked any
// more. Then the form says so and cannot be sent; what was typed stays, to be read or copied.
import { announce } from "./announce.js";

const MOST_NAMED = 100; // an event that names so many prompts may have left some out

document.addEventListener("director:event", ({ detail }) => {
  const form = document.querySelector("dialog[open] form[data-prompt]");
  if (detail.type !== "prompt.resolved" || !form?.dataset.prompt) return;
  if (form.matches(".htmx-request")) return; // the answer on its way is what decided it
  const ids = detail.prompts.map((one) => one.id);
  if (ids.includes(form.dataset.prompt) || ids.length >= MOST_NAMED) lookAgain(form);
});

async function lookAgain(form) {
  const answer = await fetch(`/prompts/${form.dataset.prompt}/`, { headers: { "HX-Request": "true", "HX-Target": "modal" } });
  if (!answer.ok || !form.isConnected) return;
  const template = document.createElement("template");
  template.innerHTML = await answer.text();
  const fresh = template.content.querySelector("form[data-closed]");
  if (!fresh) return;
  say(form, fresh.dataset.closed.replace(" Your answer was not taken.", ""));
  form.querySelector(".prompt-f").replaceWith(fresh.querySelector(".prompt-f"));
  form.querySelector(".cd")?.remove();
}

function say(form, text) {
  const notice = document.createElement("div");
  notice.className = "notice warn pf";
  notice.setAttribute("role", "alert");
  notice.textContent = text;
  form.querySelector(".prompt-form").prepend(notice);
  notice.scrollIntoView({ block: "nearest" });
  announce(text);
}
