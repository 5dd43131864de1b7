// One websocket for the page; its events name what changed, and the page fetches again the parts that show it.
//
//   <div data-live="/executions/12/live/" data-live-on="execution.changed" data-live-every="500" data-live-rows="rec-">
//
// data-live           where to fetch; the filters of the page's own address go with it
// data-live-on        which events make it be fetched
// data-live-match     only events that name this record
// data-live-every     at most so often, in milliseconds (500 when not said); never twice at once
// data-live-target    the id that the answer is for (HX-Target), when it is not the element's own
// data-live-rows      prefix of the ids of rows on the screen: only those are asked for
// data-live-fill      id of the element that the answer fills as soon as it has rows: an empty list waits for its first
// data-live-new       what a row that is not on the screen yet is called; a bar says how many there are
//
// The answer's parts are found by id and morphed in place: nothing is reordered, no row jumps in, no open dialog, form
// field or focus is touched. <body data-listens="execution=12"> names what the socket is for.
import { announce } from "./announce.js";
import { signInAgain } from "./requests.js";

const BACK_OFF_SECONDS = [1, 2, 4, 8, 15];
const NOTICE_AFTER_SECONDS = 5;
const POLL_SECONDS = 5;
const MOST_NAMED = 100; // an event that names so many records may have left some out

// A page that listens to nothing of its own hears what is for its user.
const listens = document.body.dataset.listens || (document.querySelector("[data-live]") ? "me=1" : "");
const dots = document.querySelectorAll("[data-live-dot]");
const states = new WeakMap(); // element with data-live -> {timer, busy, again, last}

// --- fetching and morphing ------------------------------------------------------------------------------------------

function sources() {
  return document.querySelectorAll("[data-live]");
}

function address(source) {
  const url = new URL(source.dataset.live, location.href);
  for (const [name, value] of new URLSearchParams(location.search)) url.searchParams.append(name, value);
  const prefix = source.dataset.liveRows;
  if (prefix) {
    const rows = [...document.querySelectorAll(`:is(tr, li)[id^="${prefix}"]`)].map((row) => row.id.slice(prefix.length));
    url.searchParams.set("rows", rows.join(","));
  }
  const seen = document.querySelector("[data-seen]");
  if (prefix && seen) url.searchParams.set("seen", seen.dataset.seen);
  return url;
}

function schedule(source) {
  const state = states.get(source) ?? { last: 0 };
  states.set(source, state);
  if (state.busy) return (state.again = true);
  if (state.timer) return;
  const wait = Math.max(0, state.last + Number(source.dataset.liveEvery ?? 500) - Date.now());
  state.timer = setTimeout(() => refresh(source, state), wait);
}

async function refresh(source, state) {
  Object.assign(state, { timer: 0, busy: true, again: false, last: Date.now() });
  try {
    const target = source.dataset.liveTarget ?? source.id;
    const asked = location.href;
    const answer = await fetch(address(source), { headers: { "HX-Request": "true", "HX-Target": target } });
    if (answer.status === 401) signInAgain(null, state.last);
    const text = answer.ok ? await answer.text() : "";
    if (location.href !== asked) state.again = true; // it shows what was looked at before
    else if (answer.ok) {
      show(text, source);
      seenAt = new Date();
    }
  } catch {
    // The socket's own notice says that the server is away; the next event or the reconnect fetches again.
  } finally {
    state.busy = false;
    if (state.again && source.isConnected) schedule(source);
  }
}

function show(html, source) {
  const template = document.createElement("template");
  template.innerHTML = html;
  if (source.dataset.liveFill) return fill(document.getElementById(source.dataset.liveFill), template.content);
  const parts = [...template.content.children].filter((part) => part.id);
  const rows = [...template.content.querySelectorAll("tr[id], li[id]")].filter((row) => !parts.some((part) => part.contains(row)));
  for (const part of parts) morph(part);
  for (const row of rows) morph(row);
  if (source.dataset.liveNew) {
    tellNew(source, rows);
    dimStale(source, rows);
  }
}

function fill(list, content) {
  if (!list || !content.querySelector("tr[id]")) return;
  for (const beside of content.querySelectorAll("[hx-swap-oob]")) {
    beside.remove();
    morph(beside);
  }
  list.replaceChildren(content);
  window.htmx.process(list);
}

function morph(fresh) {
  const old = document.getElementById(fresh.id);
  if (!old || old.closest("dialog[open]")) return;
  const said = fresh.dataset.announce;
  if (said && said !== old.dataset.announce) announce(said);
  const before = shown(old);
  fresh.removeAttribute("hx-swap-oob");
  window.Idiomorph.morph(old, fresh, { morphStyle: "outerHTML", ignoreActiveValue: true, callbacks: { beforeAttributeUpdated, beforeNodeMorphed, beforeNodeRemoved } });
  const now = document.getElementById(fresh.id);
  if (!now) return;
  window.htmx.process(now);
  if (now.matches("tr, li") && shown(now) !== before) flash(now);
}

// What a person has opened, chosen or typed stays as it is.
function beforeAttributeUpdated(name, node) {
  if (node.matches?.("details") && name === "open") return false;
  if (node.matches?.("tr, li") && name === "aria-current") return false;
  if (node.matches?.("[data-pick]") && name === "checked") return false;
  return true;
}

function beforeNodeMorphed(old) {
  return !old.matches?.("dialog[open], input:focus, textarea, select, [data-select], [data-live-dot], [data-live-keep]");
}

// What a row says, without what changes by the clock alone; a row whose text counts down says its state beside it.
function shown(element) {
  if (element.dataset.state) return element.dataset.state;
  const words = element.cloneNode(true);
  for (const part of words.querySelectorAll("time, [data-elapsed], [data-live-keep]")) part.remove();
  return words.textContent;
}

function beforeNodeRemoved(old) {
  return !(old.matches?.("[data-live-keep]") || old.querySelector?.("[data-live-keep]"));
}

function flash(row) {
  row.classList.remove("flash");
  void row.offsetWidth; // begins the animation anew
  row.classList.add("flash");
}

// A row that the list would not show any more stays where it is until the list is asked for again.
function dimStale(source, rows) {
  const shown = new Set(rows.map((row) => row.id));
  for (const row of source.querySelectorAll("tbody tr[id]")) row.classList.toggle("is-stale", !shown.has(row.id));
}

function tellNew(source, rows) {
  if (new URLSearchParams(location.search).has("cursor")) return;
  const count = rows.filter((row) => !document.getElementById(row.id)).length;
  const bar = document.getElementById("live-new") ?? document.createElement("div");
  if (!count) return bar.remove();
  bar.id = "live-new";
  bar.className = "notice info flush";
  bar.innerHTML = `<span class="grow"></span><a class="btn btn-sm">Show</a>`;
  bar.querySelector("span").textContent = `${count} new ${source.dataset.liveNew}${count === 1 ? "" : "s"}.`;
  bar.querySelector("a").href = location.href;
  source.before(bar);
}

// --- the socket -----------------------------------------------------------------------------------------------------

let socket = null;
let failures = 0;
let reconnecting = 0;
let noticeTimer = 0;
let pollTimer = 0;
let seenAt = new Date();

function connect() {
  clearTimeout(reconnecting);
  const scheme = location.protocol === "https:" ? "wss" : "ws";
  socket = new WebSocket(`${scheme}://${location.host}/ws/live/?${listens}`);
  socket.addEventListener("open", opened);
  socket.addEventListener("message", (message) => heard(JSON.parse(message.data)));
  socket.addEventListener("close", closed);
}

function opened() {
  failures = 0;
  clearTimeout(noticeTimer);
  clearInterval(pollTimer);
  noticeTimer = pollTimer = 0;
  showState(true);
  for (const source of sources()) schedule(source); // what happened between the page's answer and now was not heard
}

function closed(event) {
  if (event.code === 4403) return showState(false); // the page may not listen: nothing to reconnect to
  showState(false);
  const wait = BACK_OFF_SECONDS[Math.min(failures, BACK_OFF_SECONDS.length - 1)];
  failures += 1;
  reconnecting = setTimeout(connect, wait * 1000);
  noticeTimer ||= setTimeout(fallBack, NOTICE_AFTER_SECONDS * 1000);
}

function fallBack() {
  const notice = document.getElementById("live-notice");
  const content = document.getElementById("live-stopped")?.content.firstElementChild.cloneNode(true);
  if (notice && content) {
    notice.replaceChildren(content);
    notice.hidden = false;
    tellWhen();
  }
  pollTimer = setInterval(() => {
    for (const source of sources()) if ("livePoll" in source.dataset) schedule(source);
    tellWhen();
  }, POLL_SECONDS * 1000);
}

function tellWhen() {
  const when = document.querySelector("#live-notice [data-when]");
  if (when) when.textContent = `Trying again. What you see is from ${seenAt.toLocaleTimeString("en-GB")}.`;
}

function showState(isLive) {
  for (const dot of dots) {
    dot.classList.toggle("off", !isLive);
    dot.textContent = isLive ? "Live" : "Not live";
  }
  const notice = document.getElementById("live-notice");
  if (isLive && notice) notice.hidden = true;
}

function heard(event) {
  document.dispatchEvent(new CustomEvent("director:event", { detail: event }));
  const named = (event.records ?? []).map((record) => record.id);
  for (const source of sources()) {
    const { liveOn = "", liveMatch } = source.dataset;
    if (!liveOn.split(" ").includes(event.type)) continue;
    if (liveMatch && named.length && named.length < MOST_NAMED && !named.includes(liveMatch)) continue;
    schedule(source);
  }
}

if (listens) {
  connect();
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-reconnect]")) connect();
  });
  // A filter was chosen: what shows the chosen one (counts, cards) comes up to date with it.
  document.addEventListener("htmx:pushedIntoHistory", () => sources().forEach(schedule));
  document.addEventListener("director:refresh", () => sources().forEach(schedule));
} else {
  for (const dot of dots) dot.hidden = true;
}
