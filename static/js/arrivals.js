// What has arrived for the user, prompts and notifications, is said: to screen readers, and by this browser while its
// window is not in front, once the user has asked for that.
//
// <button data-notify hidden>   asks whether this browser may say so
import { announce } from "./announce.js";

const OPTED_IN = "director.notify";
const asker = document.querySelector("[data-notify]");

function mayNotify() {
  return "Notification" in window && Notification.permission === "granted" && localStorage.getItem(OPTED_IN);
}

if (asker && "Notification" in window) {
  asker.hidden = Notification.permission === "denied" || Boolean(mayNotify());
  asker.addEventListener("click", async () => {
    if ((await Notification.requestPermission()) !== "granted") return;
    localStorage.setItem(OPTED_IN, "1");
    asker.hidden = true;
    announce("This browser will tell you when a prompt or a notification arrives");
  });
}

function tell(title, body, tag, url) {
  if (!mayNotify() || document.visibilityState === "visible") return;
  const notification = new Notification(title, { body, tag });
  notification.addEventListener("click", () => {
    window.focus();
    location.assign(url);
  });
}

function promptsArrived({ prompts, execution }) {
  const [first, ...others] = prompts;
  announce(others.length ? `${prompts.length} prompts have arrived` : `A prompt has arrived: ${first.title}`);
  const body = others.length ? `and ${others.length} more` : `Execution #${execution}`;
  tell(first.title, body, first.id, others.length ? "/prompts/" : first.url);
}

function notificationsArrived({ titles }) {
  const [first, ...others] = titles;
  announce(others.length ? `${titles.length} notifications have arrived` : `A notification has arrived: ${first}`);
  tell(first, others.length ? `and ${others.length} more` : "", "notifications", "/notifications/");
}

document.addEventListener("director:event", ({ detail }) => {
  if (detail.type === "prompt.created" && detail.for_user) promptsArrived(detail);
  if (detail.type === "notification.created") notificationsArrived(detail);
});
