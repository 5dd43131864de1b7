// <div data-waterfall="/executions/12/waterfall/">…<ol class="wf-rows" data-total="100001">: a list of which only the rows in
// sight are in the page. Others are fetched, a window at a time, when they are scrolled to, and again when the run changes.
const ROW = 28; // pixels; as in monitor.css
const WINDOW = 100; // rows, as the server gives them
const KEPT = 20; // windows
const TALLEST = 8_000_000; // pixels; browsers cannot lay out a taller element, so beyond it a pixel stands for more
const WAIT_MS = 80;
const EVERY_MS = 1500;

const lists = new Map(); // element -> state

function start(box) {
  const list = box.querySelector("ol");
  const state = { box, list, space: box.firstElementChild, rows: new Map(), windows: [], timer: 0, total: 0 };
  lists.set(box, state);
  take(state, list, 0);
  box.addEventListener("scroll", () => draw(state), { passive: true });
  draw(state);
}

function take(state, list, window) {
  state.total = Number(list.dataset.total);
  for (const row of [...list.children]) state.rows.set(Number(row.dataset.place) - 1, row);
  state.windows = [...state.windows.filter((one) => one !== window), window];
  if (state.windows.length > KEPT) forget(state, state.windows.shift());
}

function forget(state, window) {
  for (let place = window * WINDOW; place < (window + 1) * WINDOW; place++) state.rows.delete(place);
}

// The places in sight, and where the first of them is drawn.
function sight({ box, total }) {
  const seen = Math.ceil(box.clientHeight / ROW) + 1;
  const natural = total * ROW;
  const height = Math.min(natural, TALLEST);
  if (height === natural) {
    const first = Math.floor(box.scrollTop / ROW);
    return { first, last: Math.min(total, first + seen), top: first * ROW, height };
  }
  const first = Math.round((box.scrollTop / (height - box.clientHeight)) * (total - seen + 1));
  return { first, last: Math.min(total, first + seen), top: box.scrollTop, height };
}

function draw(state) {
  const { first, last, top, height } = sight(state);
  state.space.style.height = `${height}px`;
  state.list.style.transform = `translateY(${top}px)`;
  const wanted = [];
  for (let place = first; place < last; place++) wanted.push(state.rows.get(place) ?? empty(place));
  place(state.list, wanted);
  if (wanted.some((row) => row.classList.contains("is-empty"))) later(state);
}

// Rows that stay are not moved, so that the focus stays in them.
function place(list, wanted) {
  const kept = new Set(wanted);
  for (const row of [...list.children]) if (!kept.has(row)) row.remove();
  let at = list.firstElementChild;
  for (const row of wanted) {
    if (row === at) at = at.nextElementSibling;
    else list.insertBefore(row, at);
  }
}

function empty(place) {
  const row = document.createElement("li");
  row.className = "wf-row is-empty";
  row.dataset.place = place + 1;
  return row;
}

function later(state) {
  clearTimeout(state.timer);
  state.timer = setTimeout(() => load(state, false), WAIT_MS);
}

async function load(state, again) {
  const { first, last } = sight(state);
  for (let window = Math.floor(first / WINDOW); window * WINDOW < last; window++) {
    const isThere = state.rows.has(Math.min(Math.max(first, window * WINDOW), state.total - 1));
    if (!again && isThere) continue;
    const answer = await fetch(address(state.box, window), { headers: { "HX-Request": "true" } }).catch(() => null);
    if (!answer?.ok || !state.box.isConnected) return;
    const content = document.createElement("template");
    content.innerHTML = await answer.text();
    take(state, content.content.querySelector("ol"), window);
  }
  draw(state);
}

function address(box, window) {
  const url = new URL(box.dataset.waterfall, location.href);
  url.searchParams.set("from", window * WINDOW);
  return url;
}

function startAll() {
  for (const box of lists.keys()) if (!box.isConnected) lists.delete(box);
  for (const box of document.querySelectorAll("[data-waterfall]")) if (!lists.has(box)) start(box);
}

let refreshing = 0;
document.addEventListener("director:event", ({ detail }) => {
  if (detail.type !== "execution.changed" || refreshing) return;
  refreshing = setTimeout(() => {
    refreshing = 0;
    for (const state of lists.values()) {
      state.rows = new Map([...state.rows].filter(([, row]) => row.isConnected)); // out of sight: fetched anew when it comes
      state.windows = [];
      if (state.box.isConnected) load(state, true);
    }
  }, EVERY_MS);
});
addEventListener("resize", () => lists.forEach(draw));
document.addEventListener("htmx:load", startAll);
startAll();
