// <button data-opens="cancel"> opens <dialog id="cancel">; data-closes="dialog" closes the nearest match of the selector.
// <form data-confirm="Retry 40 records?" data-confirm-text data-confirm-yes data-confirm-no> asks before it is sent.
// <button data-shows="id_password">: the password in clear.

export function open(dialog) {
  if (!dialog || dialog.open) return;
  dialog.showModal();
  dialog.dispatchEvent(new CustomEvent("opened"));
}

document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-closes]");
  if (closer) {
    const closed = closer.closest(closer.dataset.closes);
    if (closed instanceof HTMLDialogElement) closed.close();
    else closed?.remove();
  }
  const opener = event.target.closest("[data-opens]");
  if (opener) open(document.getElementById(opener.dataset.opens));
  if (event.target instanceof HTMLDialogElement && outside(event, event.target)) event.target.close();
  const shower = event.target.closest("[data-shows]");
  if (shower) toggle(shower, document.getElementById(shower.dataset.shows));
});

function outside(event, dialog) {
  const box = dialog.getBoundingClientRect();
  return event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
}

function toggle(button, field) {
  const shown = field.type === "password";
  field.type = shown ? "text" : "password";
  button.setAttribute("aria-pressed", String(shown));
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.confirm || form.dataset.confirmed) return;
  event.preventDefault();
  const dialog = question(form.dataset);
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    if (dialog.returnValue !== "yes") return;
    form.dataset.confirmed = "yes";
    form.requestSubmit();
  });
  open(dialog);
});

function question({ confirm, confirmText, confirmYes, confirmNo }) {
  const dialog = document.createElement("dialog");
  dialog.className = "dialog";
  dialog.setAttribute("aria-labelledby", "question-title");
  dialog.innerHTML = `<form method="dialog"><h2 id="question-title"></h2><p class="m-0"></p>
    <div class="dialog-f"><button class="btn" value="no" autofocus></button><button class="btn btn-primary" value="yes"></button></div></form>`;
  const [no, yes] = dialog.querySelectorAll("button");
  dialog.querySelector("h2").textContent = confirm;
  dialog.querySelector("p").textContent = confirmText;
  no.textContent = confirmNo;
  yes.textContent = confirmYes;
  return dialog;
}
