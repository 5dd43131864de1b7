// <button data-theme-switch aria-pressed="false">: dark theme on or off, kept in a cookie so that the server renders it.
const root = document.documentElement;

function show() {
  const dark = root.dataset.bsTheme === "dark";
  for (const button of document.querySelectorAll("[data-theme-switch]")) button.setAttribute("aria-pressed", String(dark));
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-theme-switch]")) return;
  const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
  root.dataset.bsTheme = theme;
  document.cookie = `theme=${theme}; path=/; max-age=31536000; samesite=lax`;
  show();
});

show();
