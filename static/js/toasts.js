// <div data-toast> goes by itself after 8 s, unless it is bad, looked at, or has the focus.
const SECONDS = 8;

for (const toast of document.querySelectorAll("[data-toast]:not(.bad)")) {
  const end = () => (toast.matches(":hover, :focus-within") ? setTimeout(end, 2000) : toast.remove());
  setTimeout(end, SECONDS * 1000);
}
