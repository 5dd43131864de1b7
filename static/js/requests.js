// What may happen to any request: the CSRF token goes with it, what is slow is shown as busy, an error is said where the
// answer would have been, and who was signed out meanwhile signs in here and the request is made again.
import { announce } from "./announce.js";
import { open } from "./dialogs.js";

const signin = document.getElementById("signin-dialog");
let refused = null; // the request to repeat after signing in
let asking = false;
let signedInAt = 0;

export function cookie(name) {
  return document.cookie.split("; ").find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
}

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = cookie("csrftoken");
});

// --- busy ---

const BUSY_AFTER_MS = 300; // what is quicker needs no sign

document.addEventListener("htmx:beforeRequest", ({ detail: { target, xhr } }) => {
  const timer = setTimeout(() => target.setAttribute("aria-busy", "true"), BUSY_AFTER_MS);
  xhr.addEventListener("loadend", () => {
    clearTimeout(timer);
    target.removeAttribute("aria-busy");
  });
});

document.addEventListener("submit", (event) => {
  const button = event.submitter;
  if (event.defaultPrevented || !button || event.target.method !== "post") return;
  if (button.getAttribute("aria-busy") === "true") event.preventDefault(); // twice pressed is once meant
  else button.setAttribute("aria-busy", "true");
});

window.addEventListener("pageshow", (event) => {
  if (event.persisted) for (const one of document.querySelectorAll("[aria-busy]")) one.removeAttribute("aria-busy");
});

// --- what went wrong ---

function say(target, why, again) {
  target.querySelector(":scope > [data-fetch-failed]")?.remove();
  const notice = document.getElementById("fetch-failed")?.content.firstElementChild.cloneNode(true);
  if (!notice) return;
  notice.querySelector("[data-why]").textContent = why;
  notice.querySelector("[data-again]").addEventListener("click", again);
  target.prepend(notice);
}

function repeat({ requestConfig, target, elt }) {
  window.htmx.ajax(requestConfig.verb, requestConfig.path, { source: elt, target, values: requestConfig.parameters });
}

document.addEventListener("htmx:responseError", (event) => {
  const { xhr, target } = event.detail;
  if (xhr.status === 401 && signin) return signInAgain(event.detail);
  say(target, `The server answered ${xhr.status}.`, () => repeat(event.detail));
});

document.addEventListener("htmx:sendError", (event) => {
  say(event.detail.target, "The server could not be reached.", () => repeat(event.detail));
});

// detail: of the htmx request to repeat afterwards. startedAt: when the refused request was made; one made before the
// last sign-in says nothing about now.
export async function signInAgain(detail = null, startedAt = Date.now()) {
  if (startedAt < signedInAt) return;
  refused = detail ?? refused;
  if (asking || signin.open) return;
  asking = true;
  const answer = await fetch(signin.dataset.src, { headers: { "HX-Request": "true", "HX-Target": "signin-form" } });
  signin.querySelector("#signin-dialog-body").innerHTML = await answer.text();
  asking = false;
  open(signin);
}

signin?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const headers = { "HX-Request": "true", "HX-Target": "signin-form", "X-CSRFToken": cookie("csrftoken") };
  const answer = await fetch(form.action, { method: "POST", body: new FormData(form), headers });
  if (answer.status === 422) {
    signin.querySelector("#signin-dialog-body").innerHTML = await answer.text();
    return;
  }
  signedInAt = Date.now();
  signin.close();
  announce("Signed in again");
  if (refused) repeat(refused);
  refused = null;
});
