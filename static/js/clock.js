// <span data-elapsed="2026-11-21T09:14:02+00:00">: counts on while the page is open, in the server's words ("3 m 41 s").
// <time data-ago datetime="...">: "16 min" grows older by itself; data-ago="ago": "16 min ago".

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (number) => String(number).padStart(2, "0");
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} m ${two(whole % 60)} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} m`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

function ago(seconds) {
  if (seconds < 45) return "now";
  if (seconds < 3600) return `${Math.max(1, Math.round(seconds / 60))} min`;
  return seconds < 86400 ? `${Math.round(seconds / 3600)} h` : null;
}

function since(text) {
  return (Date.now() - new Date(text)) / 1000;
}

setInterval(() => {
  for (const one of document.querySelectorAll("[data-elapsed]")) one.textContent = duration(since(one.dataset.elapsed));
}, 1000);

setInterval(() => {
  for (const one of document.querySelectorAll("time[data-ago]")) {
    const seconds = since(one.dateTime);
    const words = seconds >= 0 ? ago(seconds) : null;
    if (words) one.textContent = one.dataset.ago && words !== "now" ? `${words} ${one.dataset.ago}` : words;
  }
}, 30000);
