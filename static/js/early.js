// Before the first paint: the theme of the system where none was chosen, and the browser's zone for the server's times.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  if ("themeAuto" in root.dataset && dark.matches) root.dataset.bsTheme = "dark";
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `tz=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
})();
