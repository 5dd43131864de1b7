// <a href="/records/" data-reads="/notifications/12/read/">: following the link marks the notification read.
import { cookie } from "./requests.js";

function read(event) {
  const link = event.target.closest?.("[data-reads]");
  if (!link || event.button > 1) return;
  const headers = { "X-CSRFToken": cookie("csrftoken"), "HX-Request": "true" };
  fetch(link.dataset.reads, { method: "POST", headers, keepalive: true }); // the page may be gone before the answer
}

document.addEventListener("click", read);
document.addEventListener("auxclick", read);
