// <button data-copies="text"> or <button data-copies-from="id of an element">: to the clipboard, and says so.
import { announce } from "./announce.js";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copies], [data-copies-from]");
  if (!button) return;
  const text = button.dataset.copies ?? document.getElementById(button.dataset.copiesFrom).innerText;
  await navigator.clipboard.writeText(text);
  button.classList.add("is-copied");
  announce("Copied");
});
