// <button data-copies="text"> or <button data-copies-from="id of an element">: to the clipboard; a tick says so for a moment.
import { announce } from "./announce.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies], [data-copies-from]");
  if (!button) return;
  const text = button.dataset.copies ?? document.getElementById(button.dataset.copiesFrom).innerText;
  await navigator.clipboard.writeText(text);
  button.classList.add("is-copied");
  setTimeout(() => button.classList.remove("is-copied"), 1600);
  announce("Copied");
});
