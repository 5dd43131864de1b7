// <details class="menu" data-menu>: closes when something outside it, or one of its items, is clicked, and with Esc.
// data-menu="floating": its items lie over everything, so that a table that scrolls does not cut them off.
function others(target) {
  return [...document.querySelectorAll("details[data-menu][open]")].filter((menu) => !menu.contains(target));
}

document.addEventListener("click", (event) => {
  for (const menu of others(event.target)) menu.open = false;
  const item = event.target.closest("details[data-menu] [data-opens], details[data-menu] a, details[data-menu] button[hx-post]");
  if (item) item.closest("details").open = false;
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.("details[data-menu][open]");
  if (!menu) return;
  event.preventDefault();
  event.stopPropagation();
  menu.open = false;
  menu.querySelector("summary").focus();
}, true);

const GAP_PX = 4;

function place(menu) {
  const items = menu.querySelector(".menu-items");
  const box = menu.querySelector("summary").getBoundingClientRect();
  const fits = box.bottom + GAP_PX + items.offsetHeight <= window.innerHeight;
  items.style.top = `${fits ? box.bottom + GAP_PX : Math.max(GAP_PX, box.top - GAP_PX - items.offsetHeight)}px`;
  items.style.left = `${Math.max(GAP_PX, box.right - items.offsetWidth)}px`;
}

document.addEventListener("toggle", (event) => {
  if (event.target.matches?.("details[data-menu=floating][open]")) place(event.target);
}, true);

document.addEventListener("htmx:afterSwap", (event) => {
  const menu = event.target.closest?.("details[data-menu=floating][open]");
  if (menu) place(menu);
});

window.addEventListener("scroll", (event) => {
  for (const menu of document.querySelectorAll("details[data-menu=floating][open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
}, true);
