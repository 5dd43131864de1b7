// announce("Execution 12 is completed"): says it to screen readers, politely.
export function announce(words) {
  const region = document.getElementById("live-region");
  if (region && words) region.textContent = words;
}
