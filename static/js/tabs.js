// <nav data-tabs>: where not all of its tabs fit side by side, the current one is brought into sight.

function reveal(tabs) {
  const here = tabs.querySelector("[aria-current]");
  if (!here || tabs.scrollWidth <= tabs.clientWidth) return;
  const [box, own] = [tabs.getBoundingClientRect(), here.getBoundingClientRect()];
  tabs.scrollLeft += own.left + own.width / 2 - (box.left + box.width / 2);
}

function revealAll() {
  document.querySelectorAll("[data-tabs]").forEach(reveal);
}

document.addEventListener("htmx:oobAfterSwap", revealAll);
revealAll();
