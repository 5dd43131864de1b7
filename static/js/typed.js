// <form id="repair-form" data-keeps-typed>   is fetched again when something is chosen in it, and comes filled in anew
// <textarea name="value" data-typed="output classify">   but what a person typed here stays, for as long as the form is
//                                                        there; the attribute says what it is about, so that it comes
//                                                        back with that. In a [data-refused] form all of it was typed
const typed = new Map(); // id of a form -> Map of what it is about -> value

function remember(field) {
  const form = field.closest("form[data-keeps-typed]");
  if (!form) return;
  if (!typed.has(form.id)) typed.set(form.id, new Map());
  typed.get(form.id).set(field.dataset.typed, field.value);
}

function putBack(form, values) {
  for (const field of form.querySelectorAll("[data-typed]")) {
    const value = values.get(field.dataset.typed) ?? field.value;
    if (value === field.value) continue;
    field.value = value;
    for (const type of ["input", "change"]) field.dispatchEvent(new Event(type, { bubbles: true }));
  }
}

document.addEventListener("input", ({ target }) => target.matches?.("[data-typed]") && remember(target));
document.addEventListener("htmx:afterSettle", () => {
  for (const [id, values] of [...typed]) {
    const form = document.getElementById(id);
    if (form) putBack(form, values);
    else typed.delete(id);
  }
});
for (const field of document.querySelectorAll("form[data-refused] [data-typed]")) remember(field);
