// <div data-toast> goes by itself after 8 s, unless it is bad, looked at, or has the focus. Also one that comes later.
const SECONDS = 8;

function show(toast) {
  toast.dataset.toast = "shown";
  const end = () => (toast.matches(":hover, :focus-within") ? setTimeout(end, 2000) : toast.remove());
  setTimeout(end, SECONDS * 1000);
}

function showAll() {
  for (const toast of document.querySelectorAll('[data-toast=""]:not(.bad)')) show(toast);
}

document.addEventListener("htmx:load", showAll);
showAll();
