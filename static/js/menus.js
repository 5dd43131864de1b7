// <details class="menu" data-menu>: closes when something outside it, or one of its items, is clicked, and with Esc.
function others(target) {
  return [...document.querySelectorAll("details[data-menu][open]")].filter((menu) => !menu.contains(target));
}

document.addEventListener("click", (event) => {
  for (const menu of others(event.target)) menu.open = false;
  const item = event.target.closest("details[data-menu] [data-opens], details[data-menu] a");
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
