// <input data-enables="id of a button" data-wanted="21">: the button can be pressed once exactly this was typed.
document.addEventListener("input", (event) => {
  const { enables, wanted } = event.target.dataset ?? {};
  if (enables) document.getElementById(enables).disabled = event.target.value.trim() !== wanted;
});
